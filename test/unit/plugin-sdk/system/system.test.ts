/** The parts of plugin-sdk/system that need no privilege. */
import { spawn as nodeSpawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { foreign, syscall } from '@gantry/plugin-sdk/system/libc.ts';
import { createMemfd, sealedCopy } from '@gantry/plugin-sdk/system/memfd.ts';
import {
  isMountPoint,
  mount,
  mounts,
  parseMountinfo,
  umount2,
  unmountAll,
} from '@gantry/plugin-sdk/system/mount.ts';
import { KeptMountNamespace } from '@gantry/plugin-sdk/system/mount-namespace.ts';
import { onProcessEnd, processStartTime, signalIf } from '@gantry/plugin-sdk/system/pidfd.ts';
import { readMemfd, run } from '@gantry/plugin-sdk/system/run.ts';
import { canCompile, compileSeccomp, type SeccompSection } from '@gantry/plugin-sdk/system/seccomp.ts';
import { connectSeqpacket, MAX_PACKET_BYTES, untilAccepted } from '@gantry/plugin-sdk/system/seqpacket.ts';
import { spawn } from '@gantry/plugin-sdk/system/spawn.ts';
import t from 'tap';

t.test('libc: a failed call is an error as Node makes them', async (t) => {
  const expected = { code: 'ENOENT', errno: -2, syscall: 'umount2', path: '/nonexistent' };
  t.throws(() => umount2('/nonexistent', 0), expected);
  await t.rejects(
    umount2.async('/nonexistent', 0),
    new Error("ENOENT: no such file or directory, umount2 '/nonexistent'"),
  );
  t.throws(() => syscall<[number]>('int close(int fd)')(-1), { code: 'EBADF', syscall: 'close' });
  t.equal(foreign<[], number>('int getpid(void)')(), process.pid);
});

t.test('mount: reads mountinfo', async (t) => {
  const rows: [line: string, expected: object][] = [
    [
      '36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue',
      {
        id: 36,
        parent: 35,
        root: '/mnt1',
        target: '/mnt2',
        type: 'ext3',
        source: '/dev/root',
        propagation: 'slave',
      },
    ],
    [
      '40 36 0:5 / /a\\040b\\134c rw shared:7 master:1 - tmpfs x\\011y rw',
      { target: '/a b\\c', source: 'x\ty', propagation: 'shared' },
    ],
    [
      '41 36 0:6 / /o rw - overlay overlay rw,lowerdir=/l1:/l2,upperdir=/u',
      { superOptions: ['rw', 'lowerdir=/l1:/l2', 'upperdir=/u'], propagation: 'private', options: ['rw'] },
    ],
    ['42 36 0:7 / /u rw unbindable - proc proc rw', { propagation: 'unbindable', type: 'proc' }],
  ];
  for (const [line, expected] of rows) t.match(parseMountinfo(`${line}\n`)[0], expected);
  t.ok(mounts().some((entry) => entry.target === '/proc'));
  t.strictSame(
    [isMountPoint('/proc'), isMountPoint('/nonexistent'), isMountPoint(t.testdir())],
    [true, false, false],
  );
  await unmountAll('/nonexistent');
});

t.test('spawn: answers how a program ended', async (t) => {
  const rows: [script: string, expected: object][] = [
    ['exit 0', { code: 0, signal: null }],
    ['exit 42', { code: 42, signal: null }],
    ['kill -9 $$', { code: null, signal: 9 }],
  ];
  for (const [script, expected] of rows) t.match(await run('/bin/sh', ['-c', script]), expected, script);
  t.throws(() => spawn('/nonexistent', []), { code: 'ENOENT', syscall: 'posix_spawn' });
});

t.test('spawn: gives exactly the descriptors, environment and directory that are named', async (t) => {
  const leak = openSync('/dev/null', 'r');
  const [one, two] = [createMemfd('one'), createMemfd('two')];
  t.teardown(() => {
    for (const fd of [leak, one, two]) closeSync(fd);
  });
  const script =
    'ls /proc/self/fd >&4; pwd >&4; echo $A $HOME >&4; grep -E "^Sig(Blk|Ign)" /proc/self/status >&4; echo to-three >&3';
  // Each source is the target of another, which dup2 in order would overwrite.
  const child = spawn('/bin/sh', ['-c', script], {
    cwd: '/usr',
    env: { A: 'b=c' },
    fds: ['null', 'null', 'null', two, one],
  });
  t.match(await child.exited, { code: 0 });
  t.equal(readMemfd(two), 'to-three\n');
  // `ls` holds the directory it lists as 5.
  t.equal(
    readMemfd(one),
    '0\n1\n2\n3\n4\n5\n/usr\nb=c\nSigBlk:\t0000000000000000\nSigIgn:\t0000000000000000\n',
  );
});

t.test('spawn: does not take children of node:child_process, nor lose its own', async (t) => {
  const theirs = Array.from({ length: 10 }, () => once(nodeSpawn('/bin/sh', ['-c', 'exit 7']), 'exit'));
  const ours = Array.from({ length: 10 }, () => run('/bin/sh', ['-c', 'exit 5']));
  t.strictSame(
    (await Promise.all(theirs)).map(([code]) => code),
    Array(10).fill(7),
  );
  t.strictSame(
    (await Promise.all(ours)).map(({ code }) => code),
    Array(10).fill(5),
  );
});

t.test('run: returns the output whole, and ends with its caller', async (t) => {
  const { stdout, stderr } = await run('/bin/sh', ['-c', 'head -c 1000000 /dev/zero; echo err >&2']);
  t.strictSame([stdout.length, stderr], [1_000_000, 'err\n']);
  const caller = new AbortController();
  const running = run('/bin/sleep', ['1000'], { signal: caller.signal });
  caller.abort();
  t.match(await running, { code: null, signal: 9 });
  await t.rejects(run('/bin/true', [], { signal: caller.signal }), /aborted/);
});

t.test('memfd: a sealed copy runs and cannot be written', async (t) => {
  const copy = sealedCopy('/bin/echo', 'echo');
  t.teardown(copy.close);
  t.equal((await run(copy.path, ['hi'])).stdout, 'hi\n');
  t.throws(() => writeSync(copy.fd, 'x', 0), { code: 'EPERM' });
});

t.test('pidfd: sees the end of a process that is no child', async (t) => {
  const parent = nodeSpawn('/bin/sh', ['-c', 'sleep 1000 & echo $!; wait'], {
    stdio: ['ignore', 'pipe', 'ignore'],
  });
  const [line] = (await once(parent.stdout, 'data')) as [Buffer];
  const pid = Number(line);
  t.match(processStartTime(pid), /^\d+$/);
  const end = onProcessEnd(pid);
  const canceled = onProcessEnd(pid);
  canceled.cancel();
  canceled.cancel();
  const reaped = once(parent, 'exit');
  process.kill(pid);
  await end.ended;
  await reaped;
  t.equal(processStartTime(pid), undefined);
  await onProcessEnd(pid).ended;
});

t.test('pidfd: signals the one process that is meant', async (t) => {
  const child = spawn('/bin/sleep', ['100']);
  t.notOk(signalIf(child.pid, 9, () => false));
  t.ok(processStartTime(child.pid), 'it lives');
  t.ok(signalIf(child.pid, 15, () => true));
  t.strictSame(await child.exited, { code: null, signal: 15 });
  t.notOk(
    signalIf(child.pid, 15, () => true),
    'gone',
  );
});

t.test(
  'mount namespace: one that stays shows what was mounted in it, and this process does not see that',
  { skip: process.getuid?.() === 0 ? false : 'needs root' },
  async (t) => {
    const dir = t.testdir({});
    const kept = new KeptMountNamespace(() => mount('tmpfs', dir, 'tmpfs', 0, 'size=64k'));
    t.teardown(() => kept.close());
    const seen = () => run('/bin/grep', ['-c', ` ${dir} `, '/proc/self/mountinfo']);
    for (const _ of [1, 2]) t.equal((await kept.run(seen)).stdout.trim(), '1');
    t.equal((await seen()).stdout.trim(), '0');
    t.throws(() => kept.run(() => readFileSync('/nonexistent')), { code: 'ENOENT' });
    t.equal((await seen()).stdout.trim(), '0', 'back also after an error');
    // Threads that were started meanwhile share its root, with which the kernel would not change the namespace.
    await Promise.all(Array.from({ length: 8 }, () => readFile('/proc/self/stat')));
    t.equal((await kept.run(seen)).stdout.trim(), '1');
  },
);

t.test('seccomp: compiles what the kernel would take, and skips what nobody knows', async (t) => {
  const allow = (names: string[], args?: object[]): SeccompSection =>
    ({
      defaultAction: 'SCMP_ACT_ERRNO',
      syscalls: [{ names, action: 'SCMP_ACT_ALLOW', ...(args && { args }) }],
    }) as SeccompSection;
  const program = compileSeccomp(allow(['read']));
  t.equal(program.length % 8, 0);
  t.strictSame(compileSeccomp(allow(['read', 'no_such_call'])), program);
  const same = [0, 1].map((value) => ({ index: 0, value, op: 'SCMP_CMP_EQ' }));
  t.ok(compileSeccomp(allow(['socket'], same)).length > program.length);
  t.throws(
    () => compileSeccomp(allow(['socket'], [{ index: 0, value: 0, op: 'EQ' }])),
    /unknown operator "EQ"/,
  );
  t.throws(() => compileSeccomp({ defaultAction: 'NONE' }), /unknown action "NONE"/);
  t.throws(
    () => compileSeccomp({ ...allow([]), architectures: ['SCMP_ARCH_PDP11'] }),
    /unknown architecture/,
  );
  t.strictSame(
    [
      canCompile(allow([])),
      canCompile({ defaultAction: 'SCMP_ACT_NOTIFY' }),
      canCompile({ ...allow([]), flags: ['X'] }),
    ],
    [true, false, false],
  );
});

t.test(
  'seqpacket: keeps packets apart, splits what is long, survives a reset, at a path of any length',
  async (t) => {
    const dir = join(t.testdir(), 'd'.repeat(120));
    mkdirSync(dir);
    await t.rejects(connectSeqpacket(join(dir, 'socket')), /^ENOENT: .*connect/);
    // Says three packets and leaves input unread, which resets the connection behind them; then echoes sizes.
    const server = nodeSpawn('python3', ['-c', SERVER, dir], { stdio: ['ignore', 'pipe', 'inherit'] });
    t.teardown(() => server.kill());
    await once(server.stdout, 'data');
    const reset = await connectSeqpacket(join(dir, 'socket'));
    reset.write('unread');
    await once(server.stdout, 'data');
    t.strictSame(await packetsOf(reset), ['a', 'bb', 'ccc']);
    const sizes = await connectSeqpacket(join(dir, 'socket'), { packetBytes: 100 });
    sizes.end(Buffer.alloc(250));
    t.strictSame(await packetsOf(sizes), ['100', '100', '50']);
  },
);

t.test(
  'seqpacket: packets taken into memory of the caller, and who is accepted when',
  { skip: process.platform === 'linux' ? false : 'Linux only' },
  async (t) => {
    const dir = t.testdir({});
    const program = ['-c', LATE_SERVER, dir];
    const server = nodeSpawn('python3', program, { stdio: ['pipe', 'pipe', 'inherit'] });
    t.teardown(() => server.kill('SIGKILL'));
    await once(server.stdout, 'data');
    const stream = await connectSeqpacket(join(dir, 'late'));
    const begun = performance.now();
    await untilAccepted('late', 100);
    t.ok(performance.now() - begun >= 99, 'nobody has accepted it');
    server.stdin.write('accept\n');
    await untilAccepted('late', 30_000);

    const memory = Buffer.alloc(MAX_PACKET_BYTES);
    const taken: string[] = [];
    let free = 2;
    const ended = new Promise<void>((resolve) => {
      stream.takePackets({
        room: () => (free > 0 ? memory : undefined),
        received: (length) => {
          free--;
          taken.push(memory.toString('latin1', 0, length));
        },
        flush: () => taken.push('|'),
        end: resolve,
      });
    });
    server.stdin.end('send\n');
    while (taken.filter((one) => one !== '|').length < 2) await once(server.stdout, 'data');
    t.notOk(taken.includes('ccc'), 'no room for the third');
    free = 5;
    stream.resumeTaking();
    await ended;
    t.same(
      taken.filter((one) => one !== '|'),
      ['a', 'bb', 'ccc'],
    );
    stream.destroy();
  },
);

const LATE_SERVER = `
import os, socket, sys, time
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind('./late'); s.listen(4)
print('listening', flush=True)
sys.stdin.readline()
c, _ = s.accept()
sys.stdin.readline()
for p in (b'a', b'bb', b'ccc'): c.send(p)
c.close()
while True:
  print('.', flush=True); time.sleep(0.01)
`;

const SERVER = `
import os, socket, sys
os.chdir(sys.argv[1])
s = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET); s.bind('socket'); s.listen(4)
print('listening', flush=True)
c, _ = s.accept()
for p in (b'a', b'bb', b'ccc'): c.send(p)
c.recv(1, socket.MSG_PEEK); c.close()
print('closed', flush=True)
c, _ = s.accept()
while True:
  b = c.recv(65536)
  if not b: break
  c.send(str(len(b)).encode())
c.close()
`;

async function packetsOf(stream: AsyncIterable<Buffer>): Promise<string[]> {
  const packets: string[] = [];
  for await (const packet of stream) packets.push(String(packet));
  return packets;
}

t.test('no descriptor is left open', async (t) => {
  const open = () => readdirSync('/proc/self/fd').length;
  const before = open();
  for (let turn = 0; turn < 20; turn++) await run('/bin/true', []);
  t.ok(open() <= before);
});
