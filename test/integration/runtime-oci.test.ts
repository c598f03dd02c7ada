/** The OCI runtime driver on real containers, with crun and with runc. Needs root. */
import { spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import type { RuntimeDriver, TaskSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { type ErrorKind, isKind } from '@gantry/plugin-sdk/errors.ts';
import type { HostContext } from '@gantry/plugin-sdk/extension-point.ts';
import { capabilitiesFor, defaultSpec } from '@gantry/plugin-sdk/oci/default-spec.ts';
import { seccompFor } from '@gantry/plugin-sdk/oci/seccomp-profile.ts';
import { connectSeqpacket } from '@gantry/plugin-sdk/system/seqpacket.ts';
import t, { type Test } from 'tap';
import { runtimeOci } from '../../drivers/runtime-oci/module.ts';

const call = { signal: new AbortController().signal };
const base = mkdtempSync(join(tmpdir(), 'runtime-oci-'));
const rootfs = join(base, 'rootfs');
mkdirSync(join(rootfs, 'bin'), { recursive: true });
cpSync('/bin/busybox', join(rootfs, 'bin/busybox'));
for (const name of ['sh', 'cat', 'sleep', 'grep', 'echo', 'stty', 'true'])
  symlinkSync('busybox', join(rootfs, 'bin', name));
writeFileSync(join(rootfs, 'plain'), 'no program');
t.teardown(() => rmSync(base, { recursive: true, force: true }));

class Host implements HostContext {
  readonly log = { debug() {}, info() {}, warn() {}, error() {} };
  readonly rootDir: string;
  readonly stateDir: string;
  readonly signal = call.signal;
  readonly #deferred: (() => void | Promise<void>)[] = [];

  constructor(name: string) {
    this.rootDir = join(base, name, 'root');
    this.stateDir = join(base, name, 'state');
    mkdirSync(this.rootDir, { recursive: true });
    mkdirSync(this.stateDir, { recursive: true });
  }

  async getByName<T>(): Promise<T> {
    throw new Error('this driver needs no other');
  }

  defer(release: () => void | Promise<void>): void {
    this.#deferred.unshift(release);
  }

  async stop(): Promise<void> {
    for (const release of this.#deferred) await release();
  }
}

async function fails(t: Test, kind: ErrorKind, promise: Promise<unknown>): Promise<void> {
  const error = await promise.then(
    () => undefined,
    (error: unknown) => error,
  );
  t.ok(isKind(error, kind), `fails with ${kind}`, { error });
}

let count = 0;

function taskOf(
  args: readonly string[],
  options: Partial<TaskSpec> & { terminal?: boolean; memory?: number } = {},
): TaskSpec {
  const id = `gantry-test-${process.pid}-${++count}`;
  const { terminal = false, memory, ...rest } = options;
  const capabilities = capabilitiesFor([], []);
  const pieces = defaultSpec({ cgroupsPath: `/gantry-test/${id}` });
  return {
    id,
    stdin: false,
    stdinOnce: false,
    logPath: join(base, `${id}.log`),
    ...rest,
    spec: {
      ...pieces,
      root: { path: rootfs, readonly: false },
      hostname: 'box',
      process: {
        terminal,
        user: { uid: 0, gid: 0 },
        args,
        env: ['PATH=/bin'],
        cwd: '/',
        capabilities: { bounding: capabilities, effective: capabilities, permitted: capabilities },
      },
      linux: {
        ...pieces.linux,
        ...(memory && { resources: { ...pieces.linux.resources, memory: { limit: memory } } }),
        seccomp: seccompFor(capabilities),
      },
    },
  };
}

/** What the log holds, by stream; a partial line has no newline. */
function logOf(task: TaskSpec, stream = 'stdout'): string {
  const lines = readFileSync(task.logPath, 'utf8').split('\n').filter(Boolean);
  const parsed = lines.map((line) => /^\S+ (\S+) ([FP]) (.*)$/.exec(line));
  return parsed
    .filter((found) => found?.[1] === stream)
    .map((found) => `${found?.[3]}${found?.[2] === 'F' ? '\n' : ''}`)
    .join('');
}

async function outputOf(stream: Duplex): Promise<{ stdout: string; stderr: string }> {
  const parts: Record<number, Buffer[]> = { 2: [], 3: [] };
  for await (const packet of stream as AsyncIterable<Buffer>) parts[packet[0] ?? 0]?.push(packet.subarray(1));
  return {
    stdout: Buffer.concat(parts[2] ?? []).toString(),
    stderr: Buffer.concat(parts[3] ?? []).toString(),
  };
}

function childOf(host: Host, task: TaskSpec): number {
  const { pid } = JSON.parse(readFileSync(join(host.stateDir, 'tasks', task.id, 'conmon.json'), 'utf8'));
  return pid;
}

function leftovers(task: TaskSpec): string[] {
  const roots = [
    '/sys/fs/cgroup',
    ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name)),
  ];
  return roots
    .flatMap((root) => [join(root, 'gantry-test', task.id), join(root, 'gantry-test-conmon', task.id)])
    .filter((path) => existsSync(path));
}

function removeParents(): void {
  const roots = [
    '/sys/fs/cgroup',
    ...readdirSync('/sys/fs/cgroup').map((name) => join('/sys/fs/cgroup', name)),
  ];
  for (const dir of roots.flatMap((root) => [join(root, 'gantry-test'), join(root, 'gantry-test-conmon')])) {
    if (existsSync(dir)) spawnSync('rmdir', [dir]);
  }
}

t.teardown(removeParents);

for (const name of ['crun', 'runc']) {
  t.test(name, async (t) => {
    const host = new Host(name);
    const module = runtimeOci({ runtime: `/usr/bin/${name}`, conmonCgroup: '/gantry-test-conmon' });
    const driver = await module.start(host);
    t.teardown(() => host.stop());

    const made: TaskSpec[] = [];

    /** Creates a task that is deleted at the end of the test, whatever happens in it. */
    const create = async (t: Test, ...parts: Parameters<typeof taskOf>): Promise<TaskSpec> => {
      const task = taskOf(...parts);
      made.push(task);
      t.teardown(() => driver.delete(task, call));
      await driver.create(task, call);
      return task;
    };
    const attach = async (task: TaskSpec) => connectSeqpacket((await driver.attach(task, call)).path);

    t.test('shows output to a client and in the log', async (t) => {
      const task = await create(t, ['sh', '-c', 'echo hello; echo oops >&2; exit 7']);
      t.strictSame((await driver.state(task, call)).status, 'created');
      const output = outputOf(await attach(task));
      await driver.start(task, call);
      t.strictSame(await output, { stdout: 'hello\n', stderr: 'oops\n' });
      const exit = await driver.wait(task, call);
      t.match(exit, { code: 7, oomKilled: false, at: /^\d{4}-\d\d-\d\dT[\d:]{8}\.\d{9}Z$/ });
      t.strictSame([logOf(task), logOf(task, 'stderr')], ['hello\n', 'oops\n']);
      t.strictSame(await driver.state(task, call), { status: 'stopped', exit });
    });

    t.test('reports how a process ended', async (t) => {
      for (const code of [0, 1, 126, 255]) {
        const task = await create(t, ['sh', '-c', `exit ${code}`]);
        await driver.start(task, call);
        t.equal((await driver.wait(task, call)).code, code);
      }
      const task = await create(t, ['sleep', '1000']);
      await driver.start(task, call);
      t.match(await driver.state(task, call), { status: 'running', pid: Number });
      await driver.signal({ ...task, signal: 9 }, call);
      t.equal((await driver.wait(task, call)).code, 137);
      await fails(t, 'FailedPrecondition', driver.signal({ ...task, signal: 9 }, call));
      await fails(t, 'FailedPrecondition', driver.attach(task, call));
    });

    t.test('passes stdin byte for byte and closes it with its one client', async (t) => {
      const task = await create(t, ['cat'], { stdin: true, stdinOnce: true });
      const stream = await attach(task);
      const input = Buffer.from(Array.from({ length: 3_000_000 }, (_, index) => 32 + ((index * 7919) % 90)));
      const output = outputOf(stream);
      await driver.start(task, call);
      stream.end(input);
      t.ok((await output).stdout === input.toString(), 'the same 3 MB');
      t.equal((await driver.wait(task, call)).code, 0);
    });

    t.test('keeps stdin open for the next client', async (t) => {
      const task = await create(t, ['cat'], { stdin: true });
      await driver.start(task, call);
      for (const word of ['one', 'two']) {
        const stream = await attach(task);
        stream.write(`${word}\n`);
        const [packet] = (await once(stream, 'data')) as [Buffer];
        t.equal(packet.subarray(1).toString(), `${word}\n`);
        stream.destroy();
      }
      await driver.signal({ ...task, signal: 15 }, call);
      await driver.signal({ ...task, signal: 9 }, call).catch(() => {});
      await driver.wait(task, call);
    });

    t.test('gives a terminal and sets its size', async (t) => {
      const task = await create(t, ['sh', '-c', 'read x; stty size; echo "$x"'], {
        terminal: true,
        stdin: true,
      });
      const stream = await attach(task);
      const output = outputOf(stream);
      await driver.start(task, call);
      await driver.resize({ ...task, rows: 33, columns: 101 }, call);
      stream.write('typed\n');
      t.match((await output).stdout, /33 101\r\ntyped\r\n/);
      t.equal((await driver.wait(task, call)).code, 0);
      const plain = await create(t, ['true']);
      await fails(t, 'FailedPrecondition', driver.resize({ ...plain, rows: 1, columns: 1 }, call));
    });

    t.test('confines the process', async (t) => {
      const task = await create(t, [
        'grep',
        '-E',
        '^(Seccomp|CapBnd|CapEff|NoNewPrivs|Sig(Blk|Ign)):',
        '/proc/self/status',
      ]);
      await driver.start(task, call);
      await driver.wait(task, call);
      const status = Object.fromEntries(
        logOf(task)
          .split('\n')
          .filter(Boolean)
          .map((line) => line.split(/:\s+/)),
      );
      t.match(status, { Seccomp: '2', CapBnd: '00000000a80425fb', CapEff: '00000000a80425fb' });
      t.match(status, { SigBlk: '0000000000000000', SigIgn: '0000000000000000' });
    });

    t.test('sees a container killed for its use of memory', async (t) => {
      const task = await create(t, ['sh', '-c', 'x=aaaaaaaa; while true; do x=$x$x; done'], {
        memory: 16 << 20,
      });
      await driver.start(task, call);
      t.match(await driver.wait(task, call), { code: 137, oomKilled: true });
    });

    t.test('says that a command cannot be executed', async (t) => {
      const rows: [args: string[], code: string][] = [
        [['nosuch'], 'COMMAND_NOT_FOUND'],
        [['/bin/nosuch'], 'COMMAND_NOT_FOUND'],
        [['/bin'], 'COMMAND_NOT_EXECUTABLE'],
        [['/plain'], 'COMMAND_NOT_EXECUTABLE'],
      ];
      for (const [args, code] of rows) {
        const error = await create(t, args).then(
          () => undefined,
          (error: unknown) => error,
        );
        t.match(error, { kind: 'InvalidArgument', code }, args.join(' '));
      }
    });

    t.test('pauses and resumes', async (t) => {
      const task = await create(t, ['sleep', '1000']);
      await driver.start(task, call);
      await driver.pause?.(task, call);
      t.equal((await driver.state(task, call)).status, 'paused');
      await driver.resume?.(task, call);
      t.equal((await driver.state(task, call)).status, 'running');
      await driver.pause?.(task, call);
      await driver.delete(task, call);
    });

    t.test('runs further processes in a task', async (t) => {
      const task = await create(t, ['sleep', '1000']);
      await driver.start(task, call);
      const process = { ...task.spec.process, args: ['sh', '-c', 'cat; echo oops >&2; exit 7'] };
      const exec = { id: task.id, execId: 'one', process, stdin: true };
      const { path } = (await driver.exec?.(exec, call)) ?? { path: '' };
      await fails(t, 'AlreadyExists', driver.exec?.(exec, call) ?? Promise.resolve());
      const stream = await connectSeqpacket(path);
      const output = outputOf(stream);
      t.match(await driver.execStart?.(exec, call), { pid: Number });
      await fails(
        t,
        'FailedPrecondition',
        driver.execResize?.({ ...exec, rows: 1, columns: 1 }, call) ?? Promise.resolve(),
      );
      stream.end('typed');
      t.strictSame(await output, { stdout: 'typed', stderr: 'oops\n' });
      t.match(await driver.execWait?.(exec, call), { code: 7 });
      await driver.execDelete?.(exec, call);
      await driver.execDelete?.(exec, call);
      await fails(t, 'NotFound', driver.execWait?.(exec, call) ?? Promise.resolve());
      await driver.pause?.(task, call);
      await fails(t, 'FailedPrecondition', driver.exec?.(exec, call) ?? Promise.resolve());
      await driver.resume?.(task, call);
    });

    t.test('an exec ends when it is deleted, when its conmon is killed, and with its task', async (t) => {
      const task = await create(t, ['sleep', '1000']);
      await driver.start(task, call);
      const start = async (execId: string) => {
        const process = { ...task.spec.process, args: ['sleep', '1000'] };
        const exec = { id: task.id, execId, process, stdin: false };
        await driver.exec?.(exec, call);
        const { pid } = (await driver.execStart?.(exec, call)) ?? { pid: 0 };
        return { exec, pid, exit: driver.execWait?.(exec, call) };
      };
      const waiting = { id: task.id, execId: 'waiting', process: task.spec.process, stdin: false };
      await driver.exec?.(waiting, call);
      await driver.execDelete?.(waiting, call);
      await fails(t, 'NotFound', driver.execStart?.(waiting, call) ?? Promise.resolve());
      const deleted = await start('deleted');
      await driver.execDelete?.(deleted.exec, call);
      t.notOk(existsSync(`/proc/${deleted.pid}`));
      t.match(await deleted.exit, { code: 137 });
      const orphan = await start('orphan');
      const conmon = readFileSync(join(host.stateDir, 'tasks', task.id, 'exec/orphan/conmon.json'), 'utf8');
      process.kill(JSON.parse(conmon).pid, 'SIGKILL');
      process.kill(orphan.pid, 'SIGKILL');
      t.match(await orphan.exit, { code: 255, unknown: true });
      const last = await start('last');
      await driver.exec?.(waiting, call);
      await driver.delete(task, call);
      t.match(await last.exit, { code: 137 });
      t.notOk(existsSync(`/proc/${last.pid}`));
    });

    t.test('opens a renamed log anew', async (t) => {
      const task = await create(t, ['sh', '-c', 'echo a; read x; echo b'], { stdin: true, stdinOnce: true });
      const stream = await attach(task);
      await driver.start(task, call);
      await once(stream, 'data');
      spawnSync('mv', [task.logPath, `${task.logPath}.1`]);
      await driver.reopenLog?.(task, call);
      while (!existsSync(task.logPath)) await new Promise(setImmediate);
      stream.end('x\n');
      await driver.wait(task, call);
      t.equal(logOf(task), 'b\n');
    });

    t.test('is the same after a restart of the daemon', async (t) => {
      const running = await create(t, ['sh', '-c', 'read x; exit 5'], { stdin: true, stdinOnce: true });
      await driver.start(running, call);
      const ended = await create(t, ['sh', '-c', 'exit 4']);
      await driver.start(ended, call);
      const exit = await driver.wait(ended, call);
      const second: RuntimeDriver = await module.start(host);
      t.strictSame([...(await second.list({}, call))].sort(), [ended.id, running.id].sort());
      t.strictSame(await second.state(ended, call), { status: 'stopped', exit });
      t.equal((await second.state(running, call)).status, 'running');
      const end = second.wait(running, call);
      (await attach(running)).end('x\n');
      t.equal((await end).code, 5);
    });

    t.test('adopts a container whose conmon was killed', async (t) => {
      const task = await create(t, ['sleep', '1000']);
      await driver.start(task, call);
      const end = driver.wait(task, call);
      process.kill(childOf(host, task), 'SIGKILL');
      t.equal((await driver.state(task, call)).status, 'running');
      const exec = { id: task.id, execId: 'in-orphan' };
      const { process: like } = task.spec;
      await driver.exec?.(
        { ...exec, process: { ...like, args: ['sh', '-c', 'exit 6'] }, stdin: false },
        call,
      );
      await driver.execStart?.(exec, call);
      t.equal((await driver.execWait?.(exec, call))?.code, 6, 'a further process still runs in it');
      await driver.signal({ ...task, signal: 9 }, call);
      const exit = await end;
      t.match(exit, { code: 255, unknown: true });
      t.strictSame(await driver.state(task, call), { status: 'stopped', exit });
    });

    t.test('deletes what runs, what was never started, what is gone, and twice', async (t) => {
      const running = await create(t, ['sleep', '1000']);
      await driver.start(running, call);
      const created = await create(t, ['sleep', '1000']);
      const orphan = await create(t, ['sleep', '1000']);
      await driver.start(orphan, call);
      process.kill(childOf(host, orphan), 'SIGKILL');
      for (const task of [running, created, orphan, running, taskOf(['true'])]) {
        await driver.delete(task, call);
        t.strictSame(await driver.state(task, call), { status: 'absent' });
      }
      await fails(t, 'NotFound', driver.start(running, call));
    });

    t.test('deletes what an interrupted creation has left', async (t) => {
      for (const afterMs of [0, 2, 4, 8, 16]) {
        const task = taskOf(['sleep', '1000']);
        t.teardown(() => driver.delete(task, call));
        const canceled = new AbortController();
        const creation = driver.create(task, canceled).catch((error: unknown) => error);
        await new Promise((resolve) => setTimeout(resolve, afterMs));
        canceled.abort();
        await driver.delete(task, call);
        await creation;
        t.strictSame(leftovers(task), [], `after ${afterMs} ms`);
        await driver.create(task, call);
        await driver.delete(task, call);
      }
    });

    t.test('refuses a second task of one id and an id that is no name', async (t) => {
      const task = await create(t, ['sleep', '1000']);
      await fails(t, 'AlreadyExists', driver.create(task, call));
      await fails(t, 'InvalidArgument', driver.create({ ...task, id: '../x' }, call));
    });

    t.test('a signal goes by the pid, and never to who has the number of one that ended', async (t) => {
      const task = await create(t, ['sh', '-c', 'trap "exit 4" 10; echo; while :; do sleep 0.01; done']);
      const out = await attach(task);
      await driver.start(task, call);
      await once(out, 'data');
      await driver.anticipate?.({}, call);
      await driver.signal({ ...task, signal: 10 }, call);
      t.equal((await driver.wait(task, call)).code, 4);
      writeFileSync(join(host.stateDir, 'tasks', task.id, 'pid'), String(process.pid));
      await fails(t, 'FailedPrecondition', driver.signal({ ...task, signal: 9 }, call));
    });

    t.test('stops waiting when the caller leaves', async (t) => {
      const task = await create(t, ['sleep', '1000']);
      const caller = new AbortController();
      const end = driver.wait(task, caller);
      caller.abort();
      await t.rejects(end, /aborted/);
      t.match(await driver.version({}, call), { name });
    });

    t.test('leaves nothing behind', async (t) => {
      t.strictSame(await driver.list({}, call), []);
      t.strictSame(made.flatMap(leftovers), []);
      t.strictSame(readdirSync(join(host.stateDir, 'runtime-root')), []);
    });
  });
}

t.test('cannot start without its programs', async (t) => {
  const host = new Host('missing');
  await fails(t, 'FailedPrecondition', runtimeOci({ runtime: '/nonexistent/crun' }).start(host));
  await fails(t, 'FailedPrecondition', runtimeOci({ conmon: '/bin/true' }).start(host));
  await host.stop();
});
