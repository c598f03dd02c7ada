/**
 * Containers whose file systems are made to lead a copy astray: nothing outside is read or written, nothing hangs, and the
 * daemon goes on. Each trap is set while the container runs and is then tried on it running and ended.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { tar } from '../fixtures/tar.ts';

if (process.getuid?.() !== 0) t.plan(0, 'needs root');
t.setTimeout(240_000);

/** A directory of the host that no container was given; its name is as long as `/victim` inside. */
function victim(t: Test): string {
  const dir = mkdtempSync('/tmp/gantry-victim-');
  writeFileSync(join(dir, 'secret'), 'of the host');
  mkdirSync(join(dir, 'dir'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return dir;
}

function untouched(t: Test, dir: string): void {
  t.same(readdirSync(dir).sort(), ['dir', 'secret']);
  t.same(readdirSync(join(dir, 'dir')), []);
  t.equal(readFileSync(join(dir, 'secret'), 'utf8'), 'of the host');
}

async function bench(t: Test, driver: string): Promise<TestDaemon> {
  const daemon = await startTestDaemon(t, { args: ['--storage-driver', driver] });
  await daemon.loadBusybox();
  return daemon;
}

async function ok(t: Test, daemon: TestDaemon, args: readonly string[], input?: Buffer): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(args, input ? { input } : {});
  t.equal(code, 0, `docker ${args.join(' ').slice(0, 200)}: ${stderr}`);
  return stdout;
}

for (const driver of ['overlay', 'vfs']) {
  t.test(`${driver}: links, pipes and devices`, async (t) => {
    const daemon = await bench(t, driver);
    const outside = victim(t);
    const traps = [
      'mkdir /traps && cd /traps && mkfifo pipe && mknod tty c 5 0 && mknod disk b 7 200',
      `ln -s ${outside} abs && ln -s ../../../../../../../../..${outside} dots`,
      'ln -s /proc/1/root root && ln -s loop loop && ln -s /proc/self/fd/3 fd',
      `mkdir -p /shadow${outside}/dir && echo mine > /shadow${outside}/secret`,
    ].join(' && ');
    await ok(t, daemon, ['run', '-d', '--name', 'runs', '--network', 'none', 'busybox', 'sleep', '1000']);
    await ok(t, daemon, ['exec', 'runs', 'sh', '-c', traps]);
    for (const state of ['running', 'ended']) {
      if (state === 'ended') await ok(t, daemon, ['stop', '-t', '0', 'runs']);
      for (const path of ['abs', 'dots', 'root', 'loop', 'fd']) {
        for (const tail of ['/secret', '/dir/x', '/']) {
          const { stdout } = await daemon.docker(['cp', `runs:/traps/${path}${tail}`, '-']);
          t.notMatch(stdout, /of the host/, `${state}: out of ${path}${tail}`);
        }
        const archive = tar([
          { name: 'planted', content: 'x' },
          { name: `${path}/planted`, content: 'x' },
        ]);
        await daemon.docker(['cp', '-', `runs:/traps/${path}`], { input: archive });
        await daemon.docker(['cp', '-', 'runs:/traps'], {
          input: tar([{ name: `${path}/planted`, content: 'x' }]),
        });
      }
      untouched(t, outside);
      const whole = await ok(t, daemon, ['cp', 'runs:/traps', '-']);
      t.match(whole, /traps\/pipe/, `${state}: a pipe is named, not read`);
      t.match(whole, /traps\/disk/);
      t.notMatch(whole, /of the host/);
      t.match(await ok(t, daemon, ['diff', 'runs']), /A \/traps\/pipe/);
      await ok(t, daemon, ['commit', 'runs', `of-${state}`]);
      untouched(t, outside);
    }
  });

  t.test(`${driver}: directories and links that change places while they are copied`, async (t) => {
    const daemon = await bench(t, driver);
    const outside = victim(t);
    const race =
      `mkdir -p /race/a/dir /race/hold; echo in > /race/a/secret; ln -s ${outside} /race/l;` +
      'while :; do mv /race/a /race/hold/a; mv /race/l /race/a; mv /race/a /race/l; mv /race/hold/a /race/a; done';
    await ok(t, daemon, ['run', '-d', '--name', 'racer', '--network', 'none', 'busybox', 'sh', '-c', race]);
    const planted = tar([
      { name: 'a/planted', content: 'x' },
      { name: 'a/dir/planted', content: 'x' },
      { name: 'a/secret', content: 'overwritten' },
      { name: 'a/dir', content: 'a file now' },
    ]);
    const until = Date.now() + 6_000;
    for (let round = 0; Date.now() < until || round < 5; round++) {
      const [out, , , diff] = await Promise.all([
        daemon.docker(['cp', 'racer:/race', '-']),
        daemon.docker(['cp', '-', 'racer:/race'], { input: planted }),
        daemon
          .docker(['cp', 'racer:/race/a/secret', '-'])
          .then(({ stdout }) => t.notMatch(stdout, /of the host/, `round ${round}`)),
        daemon.docker(['diff', 'racer']),
      ]);
      t.notMatch(out.stdout, /of the host/);
      t.notMatch(diff.stdout, /a\/planted.*gantry-victim/);
    }
    untouched(t, outside);
    await ok(t, daemon, ['rm', '-f', 'racer']);
    untouched(t, outside);
  });
}

t.test('who stalls holds only its own place', async (t) => {
  const daemon = await bench(t, 'overlay');
  await ok(t, daemon, ['run', '-d', '--name', 'other', '--network', 'none', 'busybox', 'sleep', '1000']);
  await ok(t, daemon, ['run', '-d', '--name', 'big', '--network', 'none', 'busybox', 'sleep', '1000']);
  await ok(t, daemon, ['exec', 'big', 'sh', '-c', 'dd if=/dev/zero of=/big bs=1M count=64 2>/dev/null']);
  const stalled = [1, 2, 3].map(
    () =>
      new Promise<import('node:http').IncomingMessage>((got, failed) => {
        const path = '/containers/big/archive?path=/big';
        import('node:http').then(({ request }) =>
          request({ socketPath: daemon.socket, path, agent: false }, got).on('error', failed).end(),
        );
      }),
  );
  const answers = await Promise.all(stalled); // and nobody reads them
  t.match(await ok(t, daemon, ['cp', 'other:/etc/passwd', '-']), /root/);
  t.match(await ok(t, daemon, ['exec', 'big', 'echo', 'still here']), /still here/);
  for (const answer of answers) answer.destroy();
  t.match(await ok(t, daemon, ['cp', 'big:/etc/passwd', '-']), /root/, 'whose place comes free again');
  await ok(t, daemon, ['stop', '-t', '0', 'big']);
  t.equal(
    execFileSync('sh', ['-c', `grep -c ${daemon.execRoot} /proc/self/mountinfo || true`])
      .toString()
      .trim(),
    '1',
  );
});
