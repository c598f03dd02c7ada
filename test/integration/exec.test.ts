/** `docker exec` with the docker command and over the API, on crun and on runc. Needs root. */
import { spawn } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { workingBelow } from '../fixtures/left-behind.ts';
import { execInspect, makeExec, startExec } from './exec/client.ts';

const sha256 = (bytes: string | Buffer) => createHash('sha256').update(bytes).digest('hex');

t.jobs = 2;
t.setTimeout(120_000);
for (const runtime of ['crun', 'runc']) {
  t.test(runtime, { buffered: true }, async (t) => {
    const daemon = await startTestDaemon(t, { args: ['--default-runtime', runtime] });
    await daemon.loadBusybox();
    const run = ['run', '-d', '--network', 'none', '--name', 'box', '-e', 'OWN=1', '-e', 'BOTH=container'];
    const { stdout } = await daemon.docker([...run, 'busybox', 'sleep', '100000']);
    const scene = { daemon, runtime, id: stdout.trim() };
    for (const [name, test] of Object.entries(CASES)) {
      await t.test(name, (t) => test(t, scene));
      await t.test(`nothing is left of: ${name}`, (t) => nothingLeft(t, scene));
    }
  });
}

interface Scene {
  readonly daemon: TestDaemon;
  readonly runtime: string;
  /** Of the container `box`, which only sleeps. */
  readonly id: string;
}

const CASES: Readonly<Record<string, (t: Test, scene: Scene) => Promise<void>>> = {
  'output and exit code': async (t, { daemon }) => {
    const ran = await daemon.docker(['exec', 'box', 'sh', '-c', 'echo out; echo err >&2; exit 7']);
    t.same(ran, { stdout: 'out\n', stderr: 'err\n', code: 7 });
    for (const code of [0, 1, 126, 255]) {
      t.equal((await daemon.docker(['exec', 'box', 'sh', '-c', `exit ${code}`])).code, code);
    }
    t.equal((await daemon.docker(['exec', 'box', 'sh', '-c', 'kill -9 $$'])).code, 137);
  },

  'environment, user and working directory': async (t, { daemon }) => {
    const shell = async (options: readonly string[], script: string) =>
      (await daemon.docker(['exec', ...options, 'box', 'sh', '-c', script])).stdout.trim();
    t.equal(await shell(['-e', 'BOTH=exec', '-e', 'NEW=a b'], 'echo $OWN $BOTH $NEW'), '1 exec a b');
    t.equal(await shell(['-e', 'OWN'], 'echo "$OWN."'), '.', 'a name alone takes the variable away');
    t.equal(
      await shell([], 'echo $HOME $HOSTNAME; id -u; pwd'),
      `/root ${(await hostname(daemon)) ?? ''}\n0\n/`,
    );
    t.equal(await shell(['-w', '/etc/../tmp'], 'pwd'), '/tmp');
    t.equal(
      await shell(['-u', 'nobody'], 'id -u; grep CapEff /proc/self/status'),
      `65534\nCapEff:\t${'0'.repeat(16)}`,
    );
    t.equal(await shell(['-u', '1234:56'], 'id -u; id -g'), '1234\n56');
  },

  'capabilities and seccomp': async (t, { daemon }) => {
    const status = async (...options: readonly string[]) =>
      (await daemon.docker(['exec', ...options, 'box', 'cat', '/proc/self/status'])).stdout;
    t.match(await status(), /CapEff:\t00000000a80425fb\n(.*\n)*Seccomp:\t2\n/);
    const all = /CapBnd:\t(\w+)/.exec(readFileSync('/proc/self/status', 'utf8'))?.[1];
    t.match(await status('--privileged'), new RegExp(`CapEff:\t${all}\n`));
  },

  'what cannot run': async (t, { daemon, id }) => {
    const rows: readonly (readonly [readonly string[], number, RegExp])[] = [
      [
        ['box', 'nosuch'],
        127,
        /^OCI runtime exec failed: .*exec: "nosuch": executable file not found in \$PATH/,
      ],
      [['box', '/bin/nosuch'], 127, /exec: "\/bin\/nosuch": no such file or directory/],
      [['box', '/etc'], 126, /exec: "\/etc": permission denied/],
      [['box', '/etc/passwd'], 126, /permission denied/],
      [['-t', 'box', 'nosuch'], 127, /executable file not found/],
      [['-w', '/nosuch', 'box', 'pwd'], 126, /chdir.*\/nosuch/],
      [['-u', 'nosuch', 'box', 'id'], 126, /^unable to find user nosuch: no matching entries in passwd file/],
    ];
    for (const [args, code, words] of rows) {
      const ran = await daemon.docker(['exec', ...args]);
      t.match({ ...ran, stdout: ran.stdout.trim() }, { code, stdout: words }, args.join(' '));
    }
    const detached = await daemon.docker(['exec', '-d', 'box', 'nosuch']);
    t.match(detached, { code: 1, stderr: /OCI runtime exec failed: .*executable file not found/ });
    const exec = await makeExec(daemon, 'box', { Cmd: ['nosuch'] });
    t.equal((await daemon.api('POST', `/exec/${exec}/start`, { Detach: true })).status, 400);
    t.match(await execInspect(daemon, exec), { Running: false, ExitCode: 127, ContainerID: id });
  },

  'refused requests': async (t, { daemon }) => {
    await daemon.docker(['create', '--network', 'none', '--name', 'still', 'busybox']);
    const rows: readonly (readonly [string, object | undefined, number, RegExp])[] = [
      ['/containers/nosuch/exec', { Cmd: ['true'] }, 404, /^No such container: nosuch$/],
      ['/containers/still/exec', { Cmd: ['true'] }, 409, /^container \w{64} is not running$/],
      ['/containers/box/exec', {}, 400, /^No exec command specified$/],
      ['/containers/box/exec', { Cmd: ['true'], Tty: 'yes' }, 400, /Tty/],
      ['/containers/box/exec', { Cmd: ['true'], WorkingDir: 'tmp' }, 400, /absolute/],
      ['/containers/box/exec', undefined, 400, /invalid JSON/],
      ['/exec/nosuch/start', {}, 404, /^No such exec instance: nosuch$/],
      ['/exec/nosuch/resize?h=1&w=1', undefined, 404, /^No such exec instance: nosuch$/],
    ];
    for (const [path, body, status, words] of rows) {
      const answer = await daemon.api('POST', path, body);
      t.match(answer, { status, body: { message: words } }, `${path} ${JSON.stringify(body)}`);
    }
    t.equal((await daemon.api('GET', '/exec/nosuch/json')).status, 404);
    await daemon.docker(['rm', 'still']);
  },

  'once only, and what inspect says': async (t, { daemon, id }) => {
    const exec = await makeExec(daemon, 'box', {
      Cmd: ['sh', '-c', 'read x; exit 3'],
      AttachStdin: true,
      AttachStdout: true,
      User: 'root',
      DetachKeys: 'ctrl-x',
    });
    const before = { ID: exec, Running: false, ExitCode: null, Pid: 0, ContainerID: id, CanRemove: false };
    t.match(await execInspect(daemon, exec), {
      ...before,
      ProcessConfig: {
        tty: false,
        entrypoint: 'sh',
        arguments: ['-c', 'read x; exit 3'],
        privileged: false,
        user: 'root',
      },
      OpenStdin: true,
      OpenStdout: true,
      OpenStderr: false,
      DetachKeys: 'GA==',
    });
    t.same(await execIds(daemon), [exec]);
    const running = await startExec(daemon, exec);
    while ((await execInspect(daemon, exec)).Pid === 0) await delay(10);
    const { Pid } = await execInspect(daemon, exec);
    t.match(await execInspect(daemon, exec), { Running: true, ExitCode: null });
    // runc's own process becomes it, or the test's time is up.
    while (!/^sh\0-c\0read x/.test(readFileSync(`/proc/${Pid}/cmdline`, 'utf8'))) await delay(10);
    for (const Detach of [true, false]) {
      const { status, text } = await daemon.api('POST', `/exec/${exec}/start`, { Detach });
      t.match([status, text], [409, /is already running/]);
    }
    running.socket.end('x\n');
    await running.output;
    t.match(await execInspect(daemon, exec), { Running: false, ExitCode: 3, Pid, CanRemove: true });
    t.equal(await execIds(daemon), null);
    t.match(await daemon.api('POST', `/exec/${exec}/start`, {}), { status: 409, text: /has already run/ });
  },

  'in the background': async (t, { daemon }) => {
    const ran = await daemon.docker(['exec', '-d', 'box', 'sh', '-c', 'echo started > /tmp/here; sleep 100']);
    t.same(ran, { stdout: '', stderr: '', code: 0 });
    const [exec = ''] = (await execIds(daemon)) ?? [];
    t.match(await execInspect(daemon, exec), { Running: true, ExitCode: null });
    t.match(await daemon.gantry(['fsck']), { code: 0 }, 'fsck finds nothing strange');
    while ((await daemon.docker(['exec', 'box', 'cat', '/tmp/here'])).stdout !== 'started\n') await delay(20);
    process.kill((await execInspect(daemon, exec)).Pid, 'SIGKILL');
    while ((await execInspect(daemon, exec)).Running) await delay(10);
    t.equal((await execInspect(daemon, exec)).ExitCode, 137);
  },

  'stdin through a pipe': async (t, { daemon }) => {
    const { stdout } = await daemon.docker(['exec', '-i', 'box', 'cat'], { input: 'one\ntwo\n' });
    t.equal(stdout, 'one\ntwo\n');
    const bytes = randomBytes(3_000_000);
    const summed = await daemon.docker(['exec', '-i', 'box', 'sha256sum'], { input: bytes });
    t.equal(summed.stdout.split(' ')[0], sha256(bytes), '3 MB');
    const unread = await daemon.docker(['exec', '-i', 'box', 'sh', '-c', 'echo out; exit 4'], {
      input: bytes,
    });
    t.match(unread, { stdout: 'out\n', code: 4 }, 'a process that does not read it');
    const without = await daemon.docker(['exec', 'box', 'cat'], { input: 'not for it' });
    t.same(without, { stdout: '', stderr: '', code: 0 }, 'without -i there is none');
  },

  'both ways at once': async (t, { daemon }) => {
    const exec = await makeExec(daemon, 'box', { Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const bytes = randomBytes(3_000_000);
    const { socket, head, output } = await startExec(daemon, exec);
    t.match(head, /^HTTP\/1.1 101 UPGRADED\r\nContent-Type: application\/vnd.docker.multiplexed-stream\r\n/);
    socket.end(bytes);
    t.ok((await output).stdout.equals(bytes), 'the same 3 MB');
    t.equal((await execInspect(daemon, exec)).ExitCode, 0, 'known when the stream ends');
  },

  'much output': async (t, { daemon }) => {
    const script = 'yes 0123456789abcde | head -c 20000000; echo end >&2';
    const { stdout, stderr, code } = await daemon.docker(['exec', 'box', 'sh', '-c', script]);
    t.equal(sha256(stdout), sha256('0123456789abcde\n'.repeat(1_250_000)), '20 MB');
    t.same([stderr, code], ['end\n', 0]);
  },

  'a start without Upgrade, and its body in pieces': async (t, { daemon }) => {
    const plain = await makeExec(daemon, 'box', { Cmd: ['echo', 'plain'], AttachStdout: true });
    const { head, output } = await startExec(daemon, plain, { upgrade: false });
    t.match(head, /^HTTP\/1.1 200 OK\r\nContent-Type: application\/vnd.docker.multiplexed-stream\r\n\r\n$/);
    t.equal((await output).stdout.toString(), 'plain\n');
    const cat = await makeExec(daemon, 'box', { Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const slow = await startExec(daemon, cat, { inPieces: true });
    slow.socket.end('behind the body\n');
    t.equal((await slow.output).stdout.toString(), 'behind the body\n');
    const old = await makeExec(daemon, 'box', { Cmd: ['true'] });
    const before142 = await startExec(daemon, old, { version: '1.41' });
    t.match(before142.head, /application\/vnd.docker.raw-stream/);
    await before142.output;
  },

  'a terminal': async (t, { daemon }) => {
    // A pseudo-terminal of 33 rows; the command sees the size change while it runs.
    const program = `
import fcntl, os, pty, struct, sys, termios
pid, fd = pty.fork()
if pid == 0:
    os.execvp('docker', sys.argv[1:])
size = lambda rows, columns: fcntl.ioctl(fd, termios.TIOCSWINSZ, struct.pack('HHHH', rows, columns, 0, 0))
size(33, 101)
said = b''
def until(words):
    global said
    while words not in said:
        said += os.read(fd, 4096)
until(b'ready')
size(44, 120)
until(b'resized')
os.write(fd, b'typed\\n')
try:
    while True: said += os.read(fd, 4096)
except OSError: pass
sys.stdout.buffer.write(said)
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))`;
    const script =
      'tty; sleep 1; stty size; echo ready; until [ "$(stty size)" = "44 120" ]; do sleep 0.1; done; echo resized; read x; echo "<$x> $TERM"; exit 9';
    const docker = ['docker', '-H', daemon.host, 'exec', '-it', 'box', 'sh', '-c', script];
    const child = spawn('python3', ['-c', program, ...docker], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => child.kill('SIGKILL'));
    const exit = once(child, 'close');
    let said = '';
    for await (const chunk of child.stdout) said += chunk;
    t.match(said, /\/dev\/pts\/\d+\r\n33 101\r\nready\r\nresized\r\ntyped\r\n<typed> xterm\r\n/);
    t.equal((await exit)[0], 9);
  },

  'resize over the API': async (t, { daemon }) => {
    const terminal = { Tty: true, AttachStdin: true, AttachStdout: true };
    const exec = await makeExec(daemon, 'box', {
      ...terminal,
      // crun sets the size when the process runs already.
      Cmd: [
        'sh',
        '-c',
        'until [ "$(stty size 2>&1 | grep "^[1-9]")" ]; do :; done; stty size; read x; stty size',
      ],
      ConsoleSize: [20, 50],
    });
    const { socket, head, output } = await startExec(daemon, exec, { terminal: true });
    t.match(head, /application\/vnd.docker.raw-stream/);
    t.equal((await daemon.api('POST', `/exec/${exec}/resize?h=21&w=61`)).status, 200);
    await delay(200);
    socket.end('\n');
    t.match((await output).raw.toString(), /^(20 50|21 61)\r\n\r\n21 61\r\n$/);
    // crun sets the size when the process may already run.
    const command = ['sh', '-c', 'sleep 0.2; stty size'];
    const sized = await makeExec(daemon, 'box', { ...terminal, Cmd: command });
    const started = await startExec(daemon, sized, { terminal: true, size: [24, 81] });
    t.equal((await started.output).raw.toString(), '24 81\r\n', 'the size that the start names');
    const plain = await makeExec(daemon, 'box', { Cmd: ['sleep', '100'] });
    await daemon.api('POST', `/exec/${plain}/start`, { Detach: true });
    t.equal((await daemon.api('POST', `/exec/${plain}/resize?h=1&w=1`)).status, 409, 'without a terminal');
    t.equal((await daemon.api('POST', `/exec/${plain}/resize?h=x&w=1`)).status, 400);
    process.kill((await execInspect(daemon, plain)).Pid, 'SIGKILL');
    while ((await execInspect(daemon, plain)).Running) await delay(10);
  },

  'a client that leaves': async (t, { daemon }) => {
    const reads = await makeExec(daemon, 'box', { Cmd: ['cat'], AttachStdin: true, AttachStdout: true });
    const first = await startExec(daemon, reads);
    first.socket.write('x');
    while ((await execInspect(daemon, reads)).Pid === 0) await delay(10);
    first.socket.destroy();
    while ((await execInspect(daemon, reads)).Running) await delay(10);
    t.equal((await execInspect(daemon, reads)).ExitCode, 0, 'its stdin ends');
    const writes = await makeExec(daemon, 'box', {
      Cmd: ['sh', '-c', 'head -c 5000000 /dev/zero; exit 5'],
      AttachStdout: true,
    });
    const second = await startExec(daemon, writes);
    second.socket.destroy();
    while ((await execInspect(daemon, writes)).Running) await delay(10);
    t.equal((await execInspect(daemon, writes)).ExitCode, 5, 'it goes on writing, to nobody');
  },

  'many at once': async (t, { daemon }) => {
    const all = await Promise.all(
      Array.from({ length: 8 }, (_, n) => daemon.docker(['exec', 'box', 'sh', '-c', `echo ${n}; exit ${n}`])),
    );
    t.same(
      all.map(({ stdout, code }) => [stdout, code]),
      all.map((_, n) => [`${n}\n`, n]),
    );
  },

  'the container ends first': async (t, { daemon, runtime }) => {
    for (const end of [['kill'], ['rm', '-f']]) {
      await daemon.docker(['run', '-d', '--network', 'none', '--name', 'short', 'busybox', 'sleep', '1000']);
      const exec = await makeExec(daemon, 'short', { Cmd: ['sleep', '1000'], AttachStdout: true });
      const unused = await makeExec(daemon, 'short', { Cmd: ['true'] });
      const { output } = await startExec(daemon, exec);
      while ((await execInspect(daemon, exec)).Pid === 0) await delay(10);
      const { Pid } = await execInspect(daemon, exec);
      t.equal((await daemon.docker([...end, 'short'])).code, 0);
      await output;
      t.match(await execInspect(daemon, exec), { Running: false, ExitCode: 137 }, `${runtime} ${end}`);
      t.notOk(existsSync(`/proc/${Pid}`));
      const { status } = await daemon.api('POST', `/exec/${unused}/start`, {});
      t.equal(status, end[0] === 'kill' ? 409 : 404, 'one that waits for its start');
      await daemon.docker(['rm', '-f', 'short']);
    }
  },

  'a restart of the daemon': async (t, { daemon, id }) => {
    const exec = await makeExec(daemon, 'box', { Cmd: ['sleep', '1000'] });
    await daemon.api('POST', `/exec/${exec}/start`, { Detach: true });
    const { Pid } = await execInspect(daemon, exec);
    await daemon.restart();
    t.equal((await daemon.api('GET', `/exec/${exec}/json`)).status, 404, 'forgotten');
    t.ok(existsSync(`/proc/${Pid}`), 'its process goes on');
    t.equal((await daemon.docker(['exec', 'box', 'echo', 'hi'])).stdout, 'hi\n');
    await daemon.docker(['kill', 'box']);
    t.notOk(existsSync(`/proc/${Pid}`), 'and ends with the container');
    await daemon.docker(['start', 'box']);
    t.equal((await daemon.docker(['exec', id, 'echo', 'hi'])).stdout, 'hi\n', 'after another start');
  },
};

async function execIds(daemon: TestDaemon): Promise<readonly string[] | null> {
  return ((await daemon.api('GET', '/containers/box/json')).body as { ExecIDs: string[] | null }).ExecIDs;
}

async function hostname(daemon: TestDaemon): Promise<string | undefined> {
  return (await daemon.docker(['exec', 'box', 'hostname'])).stdout.trim();
}

/** Only the container's own conmon works in our directories, and no exec has files; both go a moment after the end. */
async function nothingLeft(t: Test, { daemon, runtime, id }: Scene): Promise<void> {
  const task = join(daemon.execRoot, 'drivers', `runtime-${runtime}`, 'tasks', id);
  const left = () => ({ files: entries(join(task, 'exec')), processes: workingBelow(join(task, 'exec')) });
  for (let tries = 0; tries < 100 && left().files.length + left().processes.length > 0; tries++)
    await delay(20);
  t.same(left(), { files: [], processes: [] });
  t.equal(workingBelow(daemon.execRoot).length, 1, 'the conmon of the container');
}

function entries(dir: string): readonly string[] {
  return existsSync(dir) ? readdirSync(dir) : [];
}
