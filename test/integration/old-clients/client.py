"""What a program written with python3-docker does all day, one TAP line a step; DOCKER_HOST says where."""
import io
import sys
import tarfile
import time
import traceback

import docker

client = docker.from_env()
count = 0


def check(what, good):
    global count
    count += 1
    print(f"{'ok' if good else 'not ok'} {count} - {what}", flush=True)


def step(function):
    try:
        function()
    except Exception as error:  # the other steps go on
        traceback.print_exc()
        check(f"{function.__name__}: {error}", False)


def engine():
    check("ping", client.ping() is True)
    check("version", client.version()["Os"] == "linux")
    check("info", client.info()["OSType"] == "linux")
    check("df", {"Volumes", "VolumeUsage"} & set(client.df()))


def images():
    image = client.images.get("busybox:latest")
    check("tag", image.tag("renamed", tag="v1"))
    check("tags", "renamed:v1" in client.images.get("busybox").tags)
    check("list by name", len(client.images.list("renamed")) == 1)
    check("history", len(image.history()) > 0)
    saved = b"".join(image.save(named=True))
    check("save", tarfile.open(fileobj=io.BytesIO(saved)).getmember("manifest.json").size > 0)
    client.images.remove("renamed:v1")
    check("untagged", client.images.list("renamed") == [])
    check("load", client.images.load(saved)[0].id == image.id)
    try:
        client.images.get("nosuch")
        check("a missing image", False)
    except docker.errors.ImageNotFound as error:
        check("a missing image", "No such image" in str(error))


def run():
    said = client.containers.run("busybox", ["echo", "said"], network_mode="none", remove=True)
    check("run, its output", said == b"said\n")
    try:
        client.containers.run("busybox", "sh -c 'echo wrong >&2; exit 3'", network_mode="none", remove=True)
        check("run, an error", False)
    except docker.errors.ContainerError as error:
        check("run, an error", error.exit_status == 3 and error.stderr == b"wrong\n")
    limits = {"mem_limit": "64m", "pids_limit": 50, "nano_cpus": 500_000_000, "shm_size": "8m"}
    out = client.containers.run(
        "busybox",
        "sh -c 'id -u; cat /proc/sys/net/ipv4/ip_forward; df -k /dev/shm | tail -1'",
        network_mode="none",
        user="1000:1000",
        sysctls={"net.ipv4.ip_forward": 1},
        ulimits=[docker.types.Ulimit(name="nofile", soft=100, hard=200)],
        environment={"A": "b"},
        remove=True,
        **limits,
    ).decode()
    check("run, options", out.startswith("1000\n1\n") and " 8192 " in out)


def life():
    box = client.containers.run(
        "busybox", "sh -c 'echo begun; trap exit TERM; while :; do sleep 1; done'", network_mode="none", detach=True,
        name="box", labels={"of": "python"}, tty=False, stdin_open=True,
    )
    check("started", box.status in ("created", "running"))
    box.reload()
    check("running", box.status == "running")
    check("list by label", [c.name for c in client.containers.list(filters={"label": "of=python"})] == ["box"])
    code, out = box.exec_run("sh -c 'echo out; echo err >&2; exit 4'", demux=True)
    check("exec", code == 4 and out == (b"out\n", b"err\n"))
    code, stream = box.exec_run("sh -c 'echo 1; echo 2'", stream=True)
    check("exec, a stream", b"".join(stream) == b"1\n2\n")
    _, socket = box.exec_run("cat", stdin=True, socket=True)
    socket._sock.sendall(b"typed\n")
    check("exec, a socket", b"typed" in socket._sock.recv(100))
    socket.close()
    check("top", any("sleep" in " ".join(row) or "sh" in " ".join(row) for row in box.top()["Processes"]))
    check("stats", box.stats(stream=False)["memory_stats"]["usage"] > 0)
    for _ in range(300):
        if box.logs() == b"begun\n":
            break
        time.sleep(0.1)
    check("logs", box.logs() == b"begun\n")
    check("logs, timestamps", b"Z begun" in box.logs(timestamps=True, tail=1))
    box.pause()
    box.reload()
    check("paused", box.status == "paused")
    box.unpause()
    box.rename("crate")
    check("renamed", client.containers.get("crate").id == box.id)
    box.update(mem_limit="100m", memswap_limit="200m")
    box.reload()
    check("updated", box.attrs["HostConfig"]["Memory"] == 100 * 1024 * 1024)
    box.stop(timeout=20)
    check("stopped", box.wait()["StatusCode"] == 0)
    box.start()
    box.restart(timeout=1)
    box.kill()
    check("killed", box.wait()["StatusCode"] == 137)
    box.remove()
    try:
        client.containers.get("crate")
        check("removed", False)
    except docker.errors.NotFound:
        check("removed", True)


def files():
    box = client.containers.create("busybox", "true", network_mode="none")
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as archive:
        member = tarfile.TarInfo("put")
        member.size = 5
        archive.addfile(member, io.BytesIO(b"there"))
    check("put_archive", box.put_archive("/tmp" if box.diff() else "/", packed.getvalue()))
    bits, stat = box.get_archive("/put")
    got = tarfile.open(fileobj=io.BytesIO(b"".join(bits))).extractfile("put").read()
    check("get_archive", got == b"there" and stat["size"] == 5)
    check("diff", {"Path": "/put", "Kind": 1} in box.diff())
    check("export", "put" in tarfile.open(fileobj=io.BytesIO(b"".join(box.export()))).getnames())
    image = box.commit("committed", "1", message="by python", changes='CMD ["cat","/put"]')
    check("commit", client.containers.run(image, network_mode="none", remove=True) == b"there")
    box.remove()
    client.images.remove("committed:1")


def volumes():
    volume = client.volumes.create("notes", labels={"of": "python"})
    check("volume", client.volumes.get("notes").attrs["Driver"] == "local")
    client.containers.run(
        "busybox", "sh -c 'echo kept >/d/f'", network_mode="none", remove=True, volumes={"notes": {"bind": "/d"}}
    )
    mount = docker.types.Mount("/d", "notes", read_only=True)
    out = client.containers.run("busybox", "cat /d/f", network_mode="none", remove=True, mounts=[mount])
    check("what a volume keeps", out == b"kept\n")
    check("volumes by label", [v.name for v in client.volumes.list(filters={"label": "of=python"})] == ["notes"])
    volume.remove()
    check("volumes prune", client.volumes.prune()["SpaceReclaimed"] >= 0)


def events():
    since = int(time.time()) - 1
    client.containers.run("busybox", "true", network_mode="none", remove=True)
    stream = client.events(since=since, until=int(time.time()) + 1, decode=True, filters={"type": "container"})
    actions = [event["Action"] for event in stream]
    check("events", actions[-5:] == ["create", "attach", "start", "die", "destroy"] or {"create", "start", "die", "destroy"} <= set(actions))


for part in (engine, images, run, life, files, volumes, events):
    step(part)
print(f"1..{count}")
sys.exit(0)
