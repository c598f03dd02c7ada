/** The same life as with the docker command, through dockerode, in the newest API and in the oldest that is served. */
import { createReadStream, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Readable, Writable } from 'node:stream';
import Docker from 'dockerode';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { busyboxEntries, makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { tar } from '../fixtures/tar.ts';

t.setTimeout(120_000);
t.test('dockerode', async (t) => {
  const daemon = await startTestDaemon(t);
  for (const version of [undefined, 'v1.41']) {
    const docker = new Docker({ socketPath: daemon.socket, ...(version && { version }) });
    await t.test(version ?? 'newest', async (t) => {
      await t.test('images', (t) => images(t, docker, daemon));
      await t.test('containers', (t) => containers(t, docker));
      await t.test('streams', (t) => streams(t, docker));
      await t.test('volumes', (t) => volumes(t, docker));
      await t.test('the daemon', (t) => system(t, docker));
    });
  }
});

async function images(t: Test, docker: Docker, { dir }: TestDaemon): Promise<void> {
  const [archive, rootfs] = [join(dir, 'busybox.tar'), join(dir, 'rootfs.tar')];
  makeBusyboxArchive(archive, { tag: 'busybox:latest' });
  writeFileSync(rootfs, tar(busyboxEntries()));
  t.match(await progress(docker, await docker.loadImage(createReadStream(archive), { quiet: true })), [
    { stream: 'Loaded image: busybox:latest\n' },
  ]);
  const imported = await progress(docker, await docker.importImage(rootfs, { repo: 'imported', tag: '1' }));
  t.match(imported, [{ status: /^sha256:/ }]);
  const names = (await docker.listImages()).map(({ RepoTags }) => String(RepoTags)).sort();
  t.same(names, ['busybox:latest', 'imported:1']);
  t.match(await docker.getImage('busybox').inspect(), { Os: 'linux', Config: { Cmd: ['sh'] } });
  t.match(await docker.getImage('busybox').history(), [{ CreatedBy: 'make-busybox-image' }]);
  t.match(await docker.getImage('imported:1').remove(), [
    { Untagged: 'imported:1' },
    { Deleted: /^sha256:/ },
  ]);
  await failsWith(t, docker.getImage('imported:1').inspect(), 404, 'No such image: imported:1');
}

async function containers(t: Test, docker: Docker): Promise<void> {
  const make = { Image: 'busybox', Cmd: ['sleep', '100'], HostConfig: { NetworkMode: 'none' } };
  const container = await docker.createContainer({ ...make, name: 'box', Labels: { a: '1' } });
  await failsWith(t, docker.createContainer({ ...make, name: 'box' }), 409, /already in use by container/);
  await failsWith(t, docker.createContainer({ Image: 'nosuch' }), 404, 'No such image: nosuch:latest');
  t.match(await container.inspect(), {
    Name: '/box',
    State: { Status: 'created' },
    Config: { Labels: { a: '1' } },
  });
  await container.start();
  await failsWith(t, container.start(), 304, /./);
  t.match(await docker.listContainers({ filters: { label: ['a=1'] } }), [
    { Id: container.id, State: 'running' },
  ]);
  t.same(await docker.listContainers({ filters: JSON.stringify({ label: ['a=2'] }) }), []);
  await container.restart({ t: 0 });
  const ended = container.wait();
  await container.kill();
  t.same(await ended, { StatusCode: 137 });
  await failsWith(t, container.stop(), 304, /./);
  await failsWith(t, container.kill(), 409, /is not running/);
  t.match(await container.inspect(), { State: { Status: 'exited', ExitCode: 137 } });
  t.same((await docker.listContainers()).length, 0);
  t.same((await docker.listContainers({ all: true, limit: 1 })).length, 1);
  await container.remove();
  await failsWith(t, container.inspect(), 404, `No such container: ${container.id}`);
}

async function streams(t: Test, docker: Docker): Promise<void> {
  const make = { Image: 'busybox', HostConfig: { NetworkMode: 'none', AutoRemove: true } };
  const both = await docker.createContainer({ ...make, Cmd: ['sh', '-c', 'echo out; echo err >&2; exit 4'] });
  const stream = await both.attach({ stream: true, stdout: true, stderr: true });
  const [out, err] = [new Text(), new Text()];
  docker.modem.demuxStream(stream, out, err);
  const [ended, removed] = [
    new Promise((end) => stream.once('end', end)),
    both.wait({ condition: 'removed' }),
  ];
  await both.start();
  t.same(await removed, { StatusCode: 4 });
  await ended;
  t.same([out.text, err.text], ['out\n', 'err\n']);

  const cat = await docker.createContainer({
    ...make,
    Cmd: ['cat'],
    OpenStdin: true,
    StdinOnce: true,
    Tty: false,
  });
  const typed = await cat.attach({ stream: true, stdin: true, stdout: true, hijack: true });
  const echoed = new Text();
  docker.modem.demuxStream(typed, echoed, echoed);
  await cat.start();
  typed.end('typed\n');
  await cat.wait();
  t.equal(echoed.text, 'typed\n');

  const said = new Text();
  const [result] = await docker.run('busybox', ['echo', 'hi'], [said, said], { ...make, Tty: false });
  t.same([result.StatusCode, said.text], [0, 'hi\n']);
  const terminal = await docker.createContainer({ ...make, Cmd: ['tty'], Tty: true });
  const raw = await terminal.attach({ stream: true, stdout: true });
  const seen = new Text();
  raw.pipe(seen);
  const over = new Promise((end) => raw.once('end', end));
  await terminal.start();
  await over;
  t.equal(seen.text.trim(), '/dev/pts/0');
}

async function volumes(t: Test, docker: Docker): Promise<void> {
  await docker.createVolume({ Name: 'kept', Labels: { keep: 'yes' } });
  t.match(await docker.getVolume('kept').inspect(), {
    Name: 'kept',
    Driver: 'local',
    Labels: { keep: 'yes' },
  });
  const mount = { Type: 'volume', Source: 'kept', Target: '/d' };
  const make = {
    Image: 'busybox',
    Cmd: ['touch', '/d/f'],
    HostConfig: { NetworkMode: 'none', Mounts: [mount] },
  };
  const user = await docker.createContainer(make);
  await failsWith(t, docker.getVolume('kept').remove(), 409, /volume is in use/);
  await user.start();
  t.same(await user.wait(), { StatusCode: 0 });
  t.match(await user.inspect(), { Mounts: [{ Type: 'volume', Name: 'kept', Destination: '/d', RW: true }] });
  await user.remove({ v: true });
  t.match((await docker.listVolumes({ filters: { label: ['keep'] } })).Volumes, [{ Name: 'kept' }]);
  await docker.createVolume({ Name: 'loose', Labels: { loose: '1' } });
  const { VolumesDeleted } = await docker.pruneVolumes({ filters: { all: ['true'], label: ['loose'] } });
  t.same(VolumesDeleted, ['loose']);
  await docker.getVolume('kept').remove();
  await failsWith(t, docker.getVolume('kept').inspect(), 404, /no such volume/);
}

async function system(t: Test, docker: Docker): Promise<void> {
  t.equal(String(await docker.ping()), 'OK');
  t.match(await docker.version(), { ApiVersion: '1.55', Os: 'linux' });
  t.match(await docker.info(), { Containers: 0, Images: 1, Driver: 'overlay', OSType: 'linux' });
  t.same(
    (await docker.listNetworks()).map(({ Name }) => Name),
    ['host', 'none'],
  );
  const made = docker.createNetwork({ Name: 'mine' });
  await failsWith(t, made, 501, /POST \/networks\/create is not supported: it is not there yet/);
}

/** As dockerode tells an answer: its status, and the message of its body. */
async function failsWith(
  t: Test,
  work: Promise<unknown>,
  statusCode: number,
  message: string | RegExp,
): Promise<void> {
  const error = await work.then(
    () => undefined,
    (thrown: { statusCode?: number; message: string; json?: { message?: string } }) => thrown,
  );
  t.match(
    { status: error?.statusCode, text: error?.json?.message ?? error?.message },
    { status: statusCode, text: message },
  );
}

function progress(docker: Docker, stream: Readable): Promise<object[]> {
  return new Promise((done, failed) => {
    docker.modem.followProgress(stream, (error, lines) => (error ? failed(error) : done(lines)));
  });
}

class Text extends Writable {
  text = '';

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.text += chunk;
    done();
  }
}
