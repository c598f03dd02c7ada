/**
 * What people type, and what they see: groups of shell lines that run one after another in one directory, where `docker`
 * is the docker command. The directory holds the archives `busybox.tar`, `rootfs.tar` and `withdata.tar` (busybox with
 * `/data/file`), and `shared`, a mount of its own whose propagation is shared.
 */
import { DAILY } from './daily.ts';

export interface Expected {
  /** Exit code; 0 when absent. */
  readonly code?: number;
  /** All of stdout, less the white space around it, or what is in it. */
  readonly out?: string | RegExp;
  readonly err?: string | RegExp;
  /** Major version of the docker command that this came with. */
  readonly since?: number;
}

export type Case = readonly [command: string, expected: string | RegExp | Expected];

const IMAGES: readonly Case[] = [
  ['docker load -q -i busybox.tar', 'Loaded image: busybox:latest'],
  ['docker load < withdata.tar', /Loaded image: withdata:1/],
  ["docker images --format '{{.Repository}}:{{.Tag}}' | sort", 'busybox:latest\nwithdata:1'],
  ["docker images --filter reference='busy*' --format '{{.Repository}}'", 'busybox'],
  ['docker images --filter dangling=true -q', ''],
  ['docker images -q busybox', /^[0-9a-f]{12}$/],
  ["docker image inspect busybox --format '{{.Os}} {{.Config.Cmd}}'", 'linux [sh]'],
  ["docker history --format '{{.CreatedBy}}' withdata:1", 'make-busybox-image\nmake-busybox-image'],
  [
    `docker import -c 'CMD ["echo","hi"]' -c 'LABEL made=here' -m note rootfs.tar imported:1`,
    /^sha256:[0-9a-f]{64}$/,
  ],
  ['docker run --rm --network none imported:1', 'hi'],
  ["docker images --filter label=made=here --format '{{.Tag}}'", '1'],
  ["docker history --format '{{.Comment}}' imported:1", 'note'],
  ['docker import - < rootfs.tar', /^sha256:/],
  ['docker images --filter dangling=true -q | xargs docker rmi', /^Deleted: sha256:/],
  ['docker rmi imported:1', /^Untagged: imported:1\nDeleted: sha256:[0-9a-f]{64}/],
  ['docker rmi imported:1', { code: 1, err: /No such image: imported:1/ }],
  ['docker image inspect nosuch', { code: 1, out: '[]', err: /No such image: nosuch/ }],
  ['docker create --name user busybox', /^[0-9a-f]{64}$/],
  [
    'docker rmi busybox',
    { code: 1, err: /conflict: .* container [0-9a-f]{12} is using its referenced image/ },
  ],
  ['docker rm user', 'user'],
  ['echo no archive | docker load', { code: 1, err: /./ }],
];

const RUN: readonly Case[] = [
  ['docker run --rm busybox true', { out: '', err: /WARNING: networks are not there yet/ }],
  ['docker run --rm --network none busybox true', { out: '', err: '' }],
  ['docker run --rm busybox ls /sys/class/net', { out: 'lo' }],
  ['docker run --rm --network none busybox sh -c "exit 7"', { code: 7 }],
  ['docker run --nosuch busybox', { code: 125, err: /unknown flag: --nosuch/ }],
  ['docker run --rm 127.0.0.1:1/nosuch', { code: 125, err: /Unable to find image[\s\S]*ECONNREFUSED/ }],
  [
    'docker run --rm --network none busybox nosuch',
    { code: 127, err: /"nosuch": executable file not found in \$PATH/ },
  ],
  ['docker run --rm --network none busybox /no/such', { code: 127, err: /no such file or directory/ }],
  ['docker run --rm --network none busybox /etc/passwd', { code: 126, err: /permission denied/ }],
  ['docker run --rm --network none busybox sh -c "echo out; echo err >&2"', { out: 'out', err: 'err' }],
  ['printf abc | docker run --rm -i --network none busybox cat', 'abc'],
  ['head -c 3000000 /dev/zero | docker run --rm -i --network none busybox wc -c', '3000000'],
  ['docker run --rm --network none busybox sh -c "head -c 3000000 /dev/zero" | wc -c', '3000000'],
  ['script -qec "docker run --rm -t --network none busybox tty" /dev/null', '/dev/pts/0'],
  ['script -qec "docker run --rm -t --network none busybox sh -c \'exit 3\'" /dev/null', { code: 3 }],
  [
    `A=1 docker run --rm --network none -e A -e B=2=3 -e C= busybox sh -c 'echo $A,$B,\${C-unset},$HOME'`,
    '1,2=3,,/root',
  ],
  ['docker run --rm --network none -w /tmp busybox pwd', '/tmp'],
  ['docker run --rm --network none -w /made/here busybox pwd', '/made/here'],
  [
    'docker run --rm --network none -w relative busybox pwd',
    { code: 125, err: /needs to be an absolute path/ },
  ],
  ['docker run --rm --network none -u nobody busybox id -u', '65534'],
  ['docker run --rm --network none -u 1:2 busybox sh -c "id -u; id -g"', '1\n2'],
  ['docker run --rm --network none -u nosuch busybox id', { code: 125, err: /unable to find user nosuch/ }],
  ['docker run --rm --network none --entrypoint echo busybox hi', 'hi'],
  ['docker run --rm --network none --read-only busybox touch /x', { code: 1, err: /Read-only file system/ }],
  ['docker run --rm --network none -h box busybox hostname', 'box'],
  ['docker run --rm --network none --cap-drop ALL busybox grep CapEff /proc/self/status', /0000000000000000/],
  ['docker run --rm --network none --memory 64m --pids-limit 50 busybox echo limited', 'limited'],
  ['docker run --rm --network host busybox echo host', 'host'],
  ['docker run --rm --network nosuch busybox true', { code: 125, err: /not there yet: network "nosuch"/ }],
  ['docker run --rm -p 80:80 busybox true', { code: 125, err: /not there yet: published ports/ }],
  ['docker run --cidfile cid -d --network none busybox sleep 100', /^[0-9a-f]{64}$/],
  ['docker kill $(cat cid) > /dev/null && docker wait $(cat cid)', '137'],
  ['docker rm $(cat cid)', /^[0-9a-f]{64}$/],
  ['docker ps -aq', ''],
];

const MOUNTS: readonly Case[] = [
  ["docker run --rm --network none -v named:/d busybox sh -c 'echo kept > /d/f'", ''],
  ['docker run --rm --network none -v named:/d:ro busybox cat /d/f', 'kept'],
  ['docker run --rm --network none -v named:/d:ro busybox touch /d/g', { code: 1, err: /Read-only/ }],
  ['docker run --rm --network none -v /anon busybox grep -c " /anon " /proc/mounts', '1'],
  ['docker volume ls -q', 'named'],
  ['docker run --rm --network none -v up:/data withdata:1 ls /data', 'file'],
  ['docker run --rm --network none -v down:/data:nocopy withdata:1 ls /data', ''],
  [
    "docker run --rm --network none -v $PWD/made/dir:/d busybox sh -c 'echo hi > /d/f' && cat made/dir/f",
    'hi',
  ],
  ['docker run --rm --network none -v $PWD/made/dir/f:/f:ro busybox cat /f', 'hi'],
  ['docker run --rm --network none -v $PWD/made/dir:/d:ro busybox touch /d/g', { code: 1, err: /Read-only/ }],
  [
    'docker run --rm --network none -v $PWD/shared:/d:rshared busybox grep -c " /d .*shared:" /proc/self/mountinfo',
    '1',
  ],
  [
    'docker run --rm --network none -v named:/d:nosuch busybox true',
    { code: 125, err: /invalid mode: nosuch/ },
  ],
  [
    'docker run --rm --network none -v named:relative busybox true',
    { code: 125, err: /mount path must be absolute/ },
  ],
  [
    'docker run --rm --network none -v named:/d -v up:/d busybox true',
    { code: 125, err: /Duplicate mount point: \/d/ },
  ],
  ['docker run --rm --network none -v b@d:/d busybox true', { code: 125, err: /b@d/ }],

  ['docker run --rm --network none --mount type=bind,src=$PWD/made/dir,dst=/d busybox cat /d/f', 'hi'],
  [
    'docker run --rm --network none --mount type=bind,src=$PWD/made/dir,dst=/d,readonly busybox touch /d/g',
    { code: 1, err: /Read-only/ },
  ],
  [
    'docker run --rm --network none --mount type=bind,src=$PWD/absent,dst=/d busybox true',
    { code: 125, err: /bind source path does not exist/ },
  ],
  [
    'docker run --rm --network none --mount type=bind,src=$PWD/shared,dst=/d,bind-propagation=rslave busybox grep -c " /d .*master:" /proc/self/mountinfo',
    '1',
  ],
  ['docker run --rm --network none --mount type=bind,src=$PWD/shared,dst=/d busybox ls /d/below', 'deep'],
  [
    'docker run --rm --network none --mount type=bind,src=$PWD/shared,dst=/d,bind-recursive=disabled busybox ls /d/below',
    { out: '', since: 25 },
  ],
  [
    'docker run --rm --network none --mount type=bind,src=$PWD/shared,dst=/d,bind-nonrecursive busybox ls /d/below',
    '',
  ],
  [
    'docker run --rm --network none --mount type=bind,src=$PWD/shared,dst=/d,readonly,bind-recursive=writable busybox touch /d/below/w',
    { since: 25 },
  ],
  ['docker run --rm --network none --mount type=volume,src=named,dst=/d busybox cat /d/f', 'kept'],
  ['docker run --rm --network none --mount type=volume,dst=/d busybox grep -c " /d " /proc/mounts', '1'],
  [
    'docker run --rm --network none --mount type=volume,src=small,dst=/d,volume-driver=local,volume-opt=type=tmpfs,volume-opt=device=tmpfs,volume-opt=o=size=1m,volume-label=a=b busybox grep " /d " /proc/mounts',
    /^tmpfs .*size=1024k/,
  ],
  ["docker volume inspect small --format '{{.Labels.a}} {{.Options.type}}'", 'b tmpfs'],
  [
    'docker run --rm --network none --mount type=volume,src=nocopy,dst=/data,volume-nocopy withdata:1 ls /data',
    '',
  ],
  [
    'docker run --rm --network none --mount type=volume,src=up,dst=/d,volume-subpath=file busybox cat /d',
    { out: 'data', since: 26 },
  ],
  [
    'docker run --rm --network none --mount type=volume,src=up,dst=/d,volume-subpath=nosuch busybox true',
    { code: 127, err: /no such file or directory/, since: 26 },
  ],
  [
    'docker run --rm --network none --mount type=volume,src=up,dst=/d,volume-subpath=../x busybox true',
    { code: 125, err: /subpath/, since: 26 },
  ],
  [
    'docker run --rm --network none --mount type=volume,src=x,dst=/d,volume-driver=nosuch busybox true',
    { code: 125, err: /volume driver "nosuch" not found/ },
  ],
  [
    'docker run --rm --network none --mount type=tmpfs,dst=/t,tmpfs-size=1m,tmpfs-mode=1770 busybox sh -c "stat -c %a /t; grep -c \' /t tmpfs .*size=1024k\' /proc/mounts"',
    '1770\n1',
  ],
  [
    'docker run --rm --network none --mount type=image,src=withdata:1,dst=/i busybox cat /i/data/file',
    { out: 'data', since: 28 },
  ],
  [
    'docker run --rm --network none --mount type=image,src=withdata:1,dst=/i busybox touch /i/x',
    { code: 1, err: /Read-only/, since: 28 },
  ],
  [
    'docker run --rm --network none --mount type=image,src=withdata:1,dst=/i,image-subpath=data busybox ls /i',
    { out: 'file', since: 28 },
  ],
  [
    'docker run --rm --network none --mount type=image,src=withdata:1,dst=/i,image-subpath=nosuch busybox ls /i',
    { code: 127, since: 28 },
  ],
  [
    'docker run --rm --network none --mount type=nosuch,dst=/d busybox true',
    { code: 125, err: /mount type unknown: "nosuch"|invalid/ },
  ],
  [
    'docker run --rm --network none --tmpfs /r:size=64k,mode=1777 busybox sh -c "stat -c %a /r; grep -c \' /r tmpfs .*size=64k\' /proc/mounts"',
    '1777\n1',
  ],
  [
    'docker run --rm --network none --tmpfs /r:nosuch=1 busybox true',
    { code: 125, err: /invalid tmpfs option "nosuch=1"/ },
  ],

  ['docker create --name giver --network none -v named:/d -v $PWD/made/dir:/h:ro busybox', /./],
  ['docker run --rm --network none --volumes-from giver busybox cat /d/f /h/f', 'kept\nhi'],
  [
    'docker run --rm --network none --volumes-from giver:ro busybox touch /d/x',
    { code: 1, err: /Read-only/ },
  ],
  [
    'docker run --rm --network none --volumes-from nosuch busybox true',
    { code: 125, err: /No such container: nosuch/ },
  ],
  [
    "docker inspect giver --format '{{range .Mounts}}{{.Type}} {{.Name}} {{.Destination}} {{.RW}},{{end}}'",
    'volume named /d true,bind  /h false,',
  ],
  ['docker rm giver', 'giver'],
  ['docker volume rm named up down small nocopy', 'named\nup\ndown\nsmall\nnocopy'],
];

const VOLUMES: readonly Case[] = [
  ['docker volume create --label a=1 --label b one', 'one'],
  ['docker volume create -d local --label a=2 -o type=tmpfs -o device=tmpfs two', 'two'],
  ['docker volume create', /^[0-9a-f]{64}$/],
  ['docker volume create one', 'one'],
  ['docker volume create -d nosuch three', { code: 1, err: /volume driver "nosuch" not found/ }],
  ['docker volume create "b@d"', { code: 1, err: /b@d/ }],
  ['docker volume create -o nosuch=1 three', { code: 1, err: /nosuch/ }],
  ['docker volume ls -q -f name=o | sort', 'one\ntwo'],
  ['docker volume ls -q -f label=a=1', 'one'],
  ['docker volume ls -q -f label=a | sort', 'one\ntwo'],
  ['docker volume ls -q -f label=b', 'one'],
  ['docker volume ls -q -f driver=local | wc -l', '3'],
  ['docker volume ls -q -f driver=nosuch', ''],
  ['docker create --name holder --network none -v one:/d busybox', /./],
  ['docker volume ls -q -f dangling=true | grep -c -e one -e two', '1'],
  ['docker volume ls -q -f dangling=false', 'one'],
  ['docker volume ls -f nosuch=1', { code: 1, err: /invalid filter 'nosuch'/ }],
  ['docker volume ls -f dangling=maybe', { code: 1, err: /invalid filter 'dangling=/ }],
  [
    'docker volume ls -f name=one --format \'{{.Name}} {{.Driver}} {{.Scope}} {{.Label "a"}}\'',
    'one local local 1',
  ],
  ["docker volume ls -f name=two --format '{{json .}}'", /"Name":"two"/],
  ['docker volume ls -f name=one', /^DRIVER +VOLUME NAME\nlocal +one$/],
  [
    "docker volume inspect one two --format '{{.Name}} {{.Driver}} {{json .Options}}'",
    'one local null\ntwo local {"device":"tmpfs","type":"tmpfs"}',
  ],
  ["docker volume inspect one --format '{{.Mountpoint}}'", /^\/.*one/],
  ['docker volume inspect nosuch', { code: 1, out: '[]', err: /no such volume/i }],
  ['docker volume rm one', { code: 1, err: /volume is in use - \[[0-9a-f]{64}\]/ }],
  ['docker volume rm nosuch', { code: 1, err: /no such volume/i }],
  ['docker volume rm -f nosuch', 'nosuch'],
  ['docker rm holder', 'holder'],
  ['docker volume prune -f --filter label=a=2', { out: /Deleted Volumes:\ntwo/, since: -20 }],
  ['docker volume prune -af --filter label=a=2', { out: /Deleted Volumes:\ntwo/, since: 23 }],
  ['docker volume prune -f', { out: /Deleted Volumes:\n[0-9a-f]{64}\n\nTotal/, since: 23 }],
  ['docker volume prune -af --filter label!=b', { out: /^Total reclaimed space: 0B$/, since: 23 }],
  ['docker volume prune -af', { out: /Deleted Volumes:\none/, since: 23 }],
  ['docker volume prune -f', { out: /Deleted Volumes:\n(one\n[0-9a-f]{64}|[0-9a-f]{64}\none)/, since: -20 }],
  ['docker volume ls -q', ''],
];

const LIFE: readonly Case[] = [
  [
    'docker create --name c1 --network none --label a=1 busybox sh -c \'echo hi; trap "exit 5" TERM; sleep 100 & wait\'',
    /^[0-9a-f]{64}$/,
  ],
  [
    'docker create --name c1 busybox',
    { code: 1, err: /Conflict. The container name "\/c1" is already in use by container "[0-9a-f]{64}"/ },
  ],
  ['docker run --name c1 busybox', { code: 125, err: /already in use/ }],
  ['docker create --name "not valid" busybox', { code: 1, err: /Invalid container name \(not valid\)/ }],
  [
    "docker inspect c1 --format '{{.State.Status}} {{.Path}} {{.Config.Labels.a}} {{.HostConfig.NetworkMode}}'",
    'created sh 1 none',
  ],
  ['docker ps -q', ''],
  [
    'docker ps -a --format \'{{.Names}} {{.Image}} {{.Status}} {{.State}} {{.Label "a"}}\'',
    'c1 busybox Created created 1',
  ],
  ['docker kill c1', { code: 1, err: /is not running/ }],
  ['docker stop c1', 'c1'],
  ['docker start c1', 'c1'],
  ['docker start c1', 'c1'],
  [
    'docker rm c1',
    {
      code: 1,
      err: /cannot remove container "\/?c1": container is running|cannot remove a running container/i,
    },
  ],
  ['docker stop -t 5 c1', 'c1'],
  ["docker inspect c1 --format '{{.State.Status}} {{.State.ExitCode}} {{.State.Pid}}'", 'exited 5 0'],
  ['docker wait c1', '5'],
  ['docker restart c1', 'c1'],
  ["docker ps --format '{{.Names}} {{.Status}}'", /^c1 Up /],
  ['docker restart -t 5 c1', 'c1'],
  ['docker kill -s TERM c1 > /dev/null; docker wait c1', '5'],
  ['docker kill -s NOSUCH c1', { code: 1, err: /./ }],
  ['docker run -d --name c2 --network none --label a=2 busybox sleep 100', /^[0-9a-f]{64}$/],
  ["docker ps -a --format '{{.Names}}'", 'c2\nc1'],
  [
    'docker ps -aq -f name=c1 | wc -l; docker ps -aq -f id=$(docker ps -q) | wc -l; docker ps -q -n 1 | wc -l; docker ps -lq | wc -l',
    '1\n1\n1\n1',
  ],
  ["docker ps -a --format '{{.Names}}' -f status=exited", 'c1'],
  ["docker ps --format '{{.Names}}' -f status=running", 'c2'],
  ["docker ps -a --format '{{.Names}}' -f label=a=1", 'c1'],
  ["docker ps -a --format '{{.Names}}' -f exited=5", 'c1'],
  ["docker ps -a --format '{{.Names}}' -f ancestor=busybox", 'c2\nc1'],
  ["docker ps -a --format '{{.Names}}' -f before=c2", 'c1'],
  ["docker ps -a --format '{{.Names}}' -f since=c1", 'c2'],
  ["docker ps -a --format '{{.Names}}' -f volume=nosuch", ''],
  ["docker ps -a --format '{{.Names}}' -f network=none", 'c2\nc1'],
  ['docker ps -a -f nosuch=1', { code: 1, err: /invalid filter 'nosuch'/ }],
  ['docker ps -a -f since=nosuch', { code: 1, err: /No such container: nosuch/ }],
  [
    'docker ps',
    /^CONTAINER ID +IMAGE +COMMAND +CREATED +STATUS +PORTS +NAMES\n[0-9a-f]{12} +busybox +"sleep 100" /,
  ],
  ['docker ps -a --no-trunc -q | head -1', /^[0-9a-f]{64}$/],
  ['docker rm -f c2 nosuch', { out: 'c2', err: /No such container: nosuch/ }],
  ['docker rm nosuch', { code: 1, err: /No such container: nosuch/ }],
  ['docker rm c1', 'c1'],
  ['docker run --name c3 --network none -v /anon busybox true && docker volume ls -q | wc -l', '1'],
  ['docker start -a c3', ''],
  ['docker rm -v c3 && docker volume ls -q', 'c3'],
  [
    'docker create -i --name c4 --network none busybox cat > /dev/null && echo typed | docker start -ai c4',
    'typed',
  ],
  ['docker rm c4', 'c4'],
  [
    "docker run -d --name c5 --network none busybox sh -c 'sleep 0.3; echo late' > /dev/null && docker attach c5; docker rm c5",
    'late\nc5',
  ],
  ['docker inspect nosuch', { code: 1, out: '[]', err: /No such object: nosuch/i }],
  ['docker start nosuch', { code: 1, err: /No such container: nosuch/ }],
  ['docker start ../version', { code: 1, err: /./ }],
];

const PAUSE: readonly Case[] = [
  [
    `docker run -d --name p1 --network none busybox sh -c 'trap "exit 3" TERM; while :; do sleep 0.05; done' > /dev/null`,
    '',
  ],
  ['docker unpause p1', { code: 1, err: /Container [0-9a-f]{64} is not paused/ }],
  ['docker pause p1', 'p1'],
  ["docker inspect p1 --format '{{.State.Status}} {{.State.Running}} {{.State.Paused}}'", 'paused true true'],
  ["docker ps --filter name=p1 --format '{{.State}} {{.Status}}'", /^paused Up .* \(Paused\)$/],
  ['docker ps -q --filter status=paused | wc -l', '1'],
  ['docker ps -q --filter status=running | wc -l', '0'],
  ["docker info --format '{{.ContainersRunning}} {{.ContainersPaused}}'", '0 1'],
  ["awk '/^State/ {print $2}' /proc/$(docker inspect p1 --format '{{.State.Pid}}')/status", /^[DS]$/],
  ['docker pause p1', { code: 1, err: /is already paused/ }],
  ['docker attach p1', { code: 1, err: /cannot attach to a paused container, unpause it first/i }],
  ['docker start p1', { code: 1, err: /cannot start a paused container, try unpause instead/ }],
  ['docker rm p1', { code: 1, err: /container is paused and must be unpaused first/ }],
  ['docker unpause p1', 'p1'],
  ["docker inspect p1 --format '{{.State.Status}} {{.State.Paused}}'", 'running false'],
  ['docker pause p1 && docker stop p1', 'p1\np1'],
  ["docker inspect p1 --format '{{.State.Status}} {{.State.ExitCode}} {{.State.Paused}}'", 'exited 3 false'],
  ['docker pause p1', { code: 1, err: /is not running/ }],
  ['docker start p1 > /dev/null && docker pause p1 && docker kill p1', 'p1\np1'],
  ['docker wait p1', '137'],
  ['docker start p1 > /dev/null && docker pause p1 && docker rm -f p1', 'p1\np1'],
  ['docker pause nosuch', { code: 1, err: /No such container: nosuch/ }],
];

const RENAME: readonly Case[] = [
  ['docker create --name r1 busybox > /dev/null && docker create --name r2 busybox > /dev/null', ''],
  ['docker rename r1 r3', ''],
  ["docker ps -a --format '{{.Names}}' --filter name=r | sort", 'r2\nr3'],
  ['docker rename r3 r2', { code: 1, err: /container name "\/r2" is already in use by container/ }],
  ['docker rename r3 r3', { code: 1, err: /Renaming a container with the same name/ }],
  ['docker rename r3 ../x', { code: 1, err: /Invalid container name/ }],
  ['docker rename nosuch x1', { code: 1, err: /No such container: nosuch/ }],
  ['docker create --name r1 busybox > /dev/null && docker rm r1', 'r1'],
];

const PRUNE: readonly Case[] = [
  ['docker create --label keep=1 --name kept busybox > /dev/null', ''],
  ['docker run -d --name on --network none busybox sleep 1000 > /dev/null', ''],
  ["docker run --name wrote --network none busybox sh -c 'head -c 300000 /dev/zero > /f'", ''],
  ['docker container prune -f --filter until=24h | tail -1', /reclaimed space: 0B$/i],
  [
    "docker container prune -f --filter 'label!=keep'",
    /^Deleted Containers:\n([0-9a-f]{64}\n){3}\nTotal reclaimed space: 300kB$/i,
  ],
  ["docker ps -a --format '{{.Names}}' | sort", 'kept\non'],
  ['docker container prune -f --filter nosuch=1', { code: 1, err: /invalid filter 'nosuch'/ }],
  ['docker rm -f on kept', 'on\nkept'],
];

const SYSTEM: readonly Case[] = [
  ["docker version --format '{{.Server.Platform.Name}} {{.Server.Os}}'", 'Gantry linux'],
  ['docker version', /Server: Gantry/],
  [
    "docker info --format '{{.Driver}} {{.Containers}} {{.Images}} {{.LiveRestoreEnabled}} {{.Swarm.LocalNodeState}}'",
    'overlay 0 2 true inactive',
  ],
  ["docker info --format '{{json .Plugins.Volume}}'", /"local"/],
  ['docker info', /Server:\n Containers: 0/],
  [
    'docker create --name box busybox; docker exec box ls',
    { code: 1, err: /container [0-9a-f]{64} is not running/ },
  ],
  ['docker rm box', 'box'],
  ['docker pull 127.0.0.1:1/busybox', { code: 1, err: /connect ECONNREFUSED/ }],
  ['docker swarm init', { code: 1, err: /is not supported: it is not there yet/ }],
  ['docker plugin ls', { code: 1, err: /GET \/plugins is not supported: it is not there yet/ }],
];

/** In this order: the images of the first are used by the others. */
const LOGS: readonly Case[] = [
  [
    "docker run -d --network none --name talks busybox sh -c 'echo a; echo b; echo err >&2'",
    /^[0-9a-f]{64}$/,
  ],
  ['docker wait talks', '0'],
  ['docker logs talks', { out: 'a\nb', err: 'err' }],
  ['docker logs -f talks 2>/dev/null', 'a\nb'],
  ['docker logs -n 2 talks 2>&1 | wc -l', '2'],
  ['docker logs -t talks 2>/dev/null', /^\S{19}\.\d{9}Z a\n\S{19}\.\d{9}Z b$/],
  ['docker logs --since 1h talks 2>/dev/null', 'a\nb'],
  ['docker logs --until 1h talks', ''],
  ['docker logs nosuch', { code: 1, err: /No such container: nosuch/ }],
  ['docker run -d --network none --name mute --log-driver none busybox echo a', /./],
  [
    'docker logs mute',
    { code: 1, err: 'Error response from daemon: configured logging driver does not support reading' },
  ],
  ['docker wait mute', '0'],
  ['docker rm talks mute', 'talks\nmute'],
];

export const GROUPS: Readonly<Record<string, readonly Case[]>> = {
  images: IMAGES,
  run: RUN,
  mounts: MOUNTS,
  volumes: VOLUMES,
  life: LIFE,
  pause: PAUSE,
  rename: RENAME,
  prune: PRUNE,
  logs: LOGS,
  system: SYSTEM,
  ...DAILY,
};
