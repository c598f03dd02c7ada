/** `gantry driver logs` and the completion of shells, against a real daemon. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { request } from 'node:http';
import { join, resolve } from 'node:path';
import { volumePoint } from '@gantry/plugin-sdk/contracts/volume.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { serve } from '@gantry/plugin-sdk/serve.ts';
import t from 'tap';
import { startVolumePlugin } from '../fakes/start-volume-plugin.ts';
import { startTestDaemon } from '../fixtures/daemon.ts';

if (process.getuid?.() !== 0) t.plan(0, 'needs root');
t.setTimeout(120_000);

const GANTRY = resolve(import.meta.dirname, '../../core/bin/gantry');

const daemon = await startTestDaemon(t);
const refuse = async (): Promise<never> => {
  throw new HostError('Conflict', 'DISK_FULL', 'no room left', { hint: 'buy a disk' });
};
const far = await serve(
  {
    create: refuse,
    remove: refuse,
    mount: refuse,
    unmount: refuse,
    path: refuse,
    get: async () => undefined,
    list: async () => [],
    capabilities: async () => ({ scope: 'local' as const }),
  },
  { point: volumePoint, wire: 'json-rpc', socket: join(daemon.driverDir, 'far.sock'), version: '9.8.7' },
);
t.teardown(() => far.close());
const rec = await startVolumePlugin({
  socket: join(daemon.pluginDir, 'rec.sock'),
  root: join(daemon.dir, 'rec'),
  record: join(daemon.dir, 'rec.json'),
});
t.teardown(() => rec.kill('SIGKILL'));

/** Runs until it has written what is looked for; answers all it wrote by then. */
async function follow(args: readonly string[], wanted: RegExp, meanwhile: () => unknown): Promise<string> {
  const child = spawn(GANTRY, ['-H', daemon.host, 'driver', 'logs', ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let said = '';
  child.stdout.setEncoding('utf8');
  try {
    for await (const chunk of child.stdout) {
      if (said === '') await meanwhile();
      said += chunk;
      if (wanted.test(said)) break;
    }
    return said;
  } finally {
    if (child.exitCode === null) child.kill('SIGKILL');
  }
}

t.test('driver logs: what it wrote, what failed, in which state it was', async (t) => {
  const created = await daemon.docker(['volume', 'create', '-d', 'far', 'a']);
  t.match(created.stderr, /no room left/);
  far.log.warn({ disk: 'sda', free: 0 }, 'disk is full');
  const all = await follow(['-f', 'far'], /second warning/, () => far.log.error({}, 'second warning'));
  t.match(all, /^\d{4}-\S+Z info {2}ready: implements gantry\.volume\.v1$/m);
  t.match(all, /^\S+ warn {2}create failed: no room left \[DISK_FULL\]$/m);
  t.match(all, /^\S+ warn {2}disk is full disk="sda" free=0$/m);
  t.match(all, /^\S+ error second warning$/m);
  const last = await daemon.gantry(['driver', 'logs', '--tail', '1', '--format', 'json', 'volume/far']);
  t.match(JSON.parse(last.stdout), { level: 'error', message: 'second warning' });
  t.match(await daemon.gantry(['driver', 'logs', '--since', '2099-01-01', 'far']), { code: 0, stdout: '' });
  t.match((await daemon.gantry(['driver', 'ls'])).stdout, /^volume +far +json-rpc +ready/m);
  t.match((await daemon.gantry(['driver', 'inspect', 'far'])).stdout, /9\.8\.7/);

  // Built-in drivers and Docker plugins: the calls that failed.
  t.not((await daemon.docker(['volume', 'create', '-o', 'odd=1', 'odd'])).code, 0);
  t.match(
    (await daemon.gantry(['driver', 'logs', 'volume/local'])).stdout,
    / create failed: .*odd.* \[INVALID_/,
  );
  await daemon.docker(['volume', 'create', '-d', 'rec', 'c']);
  t.match((await daemon.gantry(['driver', 'logs', 'rec'])).stdout, /ready: implements VolumeDriver/);

  t.match(await daemon.gantry(['driver', 'logs', 'fra']), { code: 1, stderr: /did you mean "far"\?/ });
  t.match(await daemon.gantry(['driver', 'logs', '--tail', 'x', 'far']), {
    code: 2,
    stderr: /--tail can be/,
  });
  t.match(await daemon.gantry(['driver', 'logs', '--since', 'then', 'far']), {
    code: 2,
    stderr: /--since can be/,
  });
  t.match(await daemon.api('GET', '/gantry/driver-logs/far?since=x'), { status: 400 });
});

t.test('a reader that does not read costs the daemon nothing, and learns what it lost', async (t) => {
  const asked = request({
    socketPath: daemon.socket,
    path: '/gantry/driver-logs/far?follow=1&tail=1',
    agent: false,
  });
  asked.end();
  const [response] = (await once(asked, 'response')) as [import('node:http').IncomingMessage];
  t.teardown(() => response.destroy());
  response.pause();
  const text = 'x'.repeat(1000);
  const count = 20_000;
  for (let n = 1; n <= count; n++) {
    far.log.info({ n }, text);
    if (n % 500 === 0) await new Promise((turn) => setImmediate(turn));
  }
  // All have arrived when the last has.
  let last = '';
  while (!last.includes(`n=${count}`))
    last = (await daemon.gantry(['driver', 'logs', '-n', '1', 'far'])).stdout;
  let said = '';
  for await (const chunk of response.setEncoding('utf8')) {
    said += chunk;
    if (said.includes(`"n":${count}}`)) break;
  }
  const lines = said
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as { lost?: number });
  const lost = lines.reduce((sum, line) => sum + (line.lost ?? 0), 0);
  t.ok(lost > count / 2, `${lost} lost`);
  const notices = lines.filter((line) => line.lost !== undefined).length;
  t.equal(lines.length - notices - 1 + lost, count, 'each is there or counted as lost');
});

t.test('shells complete names that the daemon knows', async (t) => {
  await daemon.loadBusybox();
  await daemon.docker(['volume', 'create', 'notes']);
  await daemon.docker(['create', '--name', 'web', '--network', 'none', 'busybox', 'true']);
  const bash = (line: string): readonly string[] => {
    const script = `source <(${GANTRY} completion bash)
      COMP_LINE=$1 COMP_POINT=\${#1}; _gantry ${GANTRY}; printf '%s\\n' "\${COMPREPLY[@]}"`;
    const env = { ...process.env, GANTRY_HOST: daemon.host };
    const { stdout } = spawnSync('bash', ['--norc', '-c', script, 'bash', line], { encoding: 'utf8', env });
    return stdout.split('\n').filter(Boolean).sort();
  };
  t.same(bash('gantry driver inspect f'), ['far']);
  t.same(bash('gantry driver logs -f re'), ['rec']);
  t.same(bash('gantry driver why vol'), ['volume/notes', 'volume/c'].sort());
  t.same(bash('gantry driver why con'), ['container/web']);
  t.same(bash('gantry driver why image/busybox:l'), ['latest'], 'bash ends a word at a colon');
  t.same(bash(`gantry --host ${daemon.host} driver inspect f`), ['far']);
  t.same(bash('gantry --host unix:///nowhere driver inspect f'), []);

  process.kill(daemon.pid, 'SIGSTOP');
  try {
    t.same(bash('gantry driver inspect f'), [], 'a daemon that hangs does not hang the shell');
  } finally {
    process.kill(daemon.pid, 'SIGCONT');
  }
});
