/** `docker update` on crun and runc: what the kernel then says, what inspect shows, and an update that a crash cut off. Needs root. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { isUnifiedCgroup } from '@gantry/plugin-sdk/oci/default-spec.ts';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

t.jobs = 2;
t.setTimeout(120_000);
for (const runtime of ['crun', 'runc']) {
  t.test(runtime, { buffered: true }, async (t) => {
    const daemon = await startTestDaemon(t, { args: ['--default-runtime', runtime] });
    await daemon.loadBusybox();
    await t.test('of a running container', (t) => running(t, daemon));
    await t.test('of a paused one, and of one that does not run', (t) => notRunning(t, daemon));
    if (runtime === 'crun') {
      await t.test('refused', (t) => refused(t, daemon));
      await t.test('cut off by a crash', (t) => cutOff(t, daemon));
    }
  });
}

const MEGABYTE = 1024 * 1024;

/** Files of the cgroup: name with version 1, and with version 2. */
const FILES = {
  memory: ['memory/memory.limit_in_bytes', 'memory.max'],
  pids: ['pids/pids.max', 'pids.max'],
  quota: ['cpu/cpu.cfs_quota_us', 'cpu.max'],
  cpus: ['cpuset/cpuset.cpus', 'cpuset.cpus'],
} as const;

async function seen(daemon: TestDaemon, name: string): Promise<Record<keyof typeof FILES, string>> {
  const entries = Object.entries(FILES).map(async ([what, [one, two]]) => {
    const file = `/sys/fs/cgroup/${isUnifiedCgroup() ? two : one}`;
    const { stdout } = await daemon.docker(['exec', name, 'cat', file]);
    return [what, stdout.trim().split(' ')[0]];
  });
  return Object.fromEntries(await Promise.all(entries)) as Record<keyof typeof FILES, string>;
}

async function hostConfig(daemon: TestDaemon, name: string): Promise<Record<string, unknown>> {
  const { body } = await daemon.api('GET', `/containers/${name}/json`);
  return (body as { HostConfig: Record<string, unknown> }).HostConfig;
}

async function run(daemon: TestDaemon, name: string, options: readonly string[] = []): Promise<void> {
  const args = ['run', '-d', '--network', 'none', '--name', name, ...options, 'busybox', 'sleep', '100000'];
  const { code, stderr } = await daemon.docker(args);
  if (code !== 0) throw new Error(stderr);
}

async function running(t: Test, daemon: TestDaemon): Promise<void> {
  await run(daemon, 'box', ['-m', '40m', '--pids-limit', '50']);
  const update = async (...options: readonly string[]) =>
    t.match(
      await daemon.docker(['update', ...options, 'box']),
      { code: 0, stdout: 'box\n' },
      options.join(' '),
    );

  await update('-m', '20m', '--pids-limit', '60');
  t.match(await seen(daemon, 'box'), { memory: String(20 * MEGABYTE), pids: '60' });
  await update('-m', '60m', '--memory-swap', '90m');
  await update('--cpus', '0.5', '--cpuset-cpus', '0');
  t.match(await seen(daemon, 'box'), {
    memory: String(60 * MEGABYTE),
    pids: '60',
    quota: '50000',
    cpus: '0',
  });
  await update('--pids-limit', '-1');
  t.match((await seen(daemon, 'box')).pids, /^(max|4194304)$/);
  await update('--restart', 'on-failure:3');
  t.match(await hostConfig(daemon, 'box'), {
    Memory: 60 * MEGABYTE,
    MemorySwap: 90 * MEGABYTE,
    NanoCpus: 500_000_000,
    CpusetCpus: '0',
    RestartPolicy: { Name: 'on-failure', MaximumRetryCount: 3 },
  });
  await daemon.docker(['restart', '-t', '0', 'box']);
  t.match(await seen(daemon, 'box'), {
    memory: String(60 * MEGABYTE),
    pids: 'max',
    quota: '50000',
    cpus: '0',
  });
  await daemon.docker(['rm', '-f', 'box']);
}

async function notRunning(t: Test, daemon: TestDaemon): Promise<void> {
  await run(daemon, 'box', ['--pids-limit', '50']);
  await daemon.docker(['pause', 'box']);
  t.equal((await daemon.docker(['update', '--pids-limit', '51', 'box'])).code, 0);
  await daemon.docker(['unpause', 'box']);
  t.equal((await seen(daemon, 'box')).pids, '51');
  await daemon.docker(['kill', 'box']);
  t.equal((await daemon.docker(['update', '--pids-limit', '52', 'box'])).code, 0);
  await daemon.docker(['start', 'box']);
  t.equal((await seen(daemon, 'box')).pids, '52');
  await daemon.docker(['rm', '-f', 'box']);
}

async function refused(t: Test, daemon: TestDaemon): Promise<void> {
  await run(daemon, 'box', ['-m', '20m', '--cpus', '0.5', '--rm']);
  const before = await hostConfig(daemon, 'box');
  const rows: readonly (readonly [object, number, RegExp])[] = [
    [{ Memory: 1 }, 400, /^Minimum memory limit allowed is 6MB$/],
    [
      { Memory: 100 * MEGABYTE },
      409,
      /^Cannot update container \w{64}: Memory limit should be smaller than already set/,
    ],
    [
      { CpuQuota: 5000 },
      409,
      /^Cannot update container \w{64}: Conflicting options: CPU Quota cannot be updated/,
    ],
    [{ CpuPeriod: 5000 }, 409, /CPU Period cannot be updated as NanoCPUs has already been set$/],
    [
      { RestartPolicy: { Name: 'always' } },
      409,
      /Restart policy cannot be updated because AutoRemove is enabled/,
    ],
    [{ RestartPolicy: { Name: 'x' } }, 400, /^invalid restart policy: unknown policy 'x'/],
    [{ CpusetCpus: 'x' }, 400, /^Invalid value x for cpuset cpus/],
    [{ Memory: 'much' }, 400, /Memory must be integer/],
    // The kernel's refusal: the parent's cgroup has no real-time to give.
    [
      { CpuRealtimeRuntime: 10_000, CpuRealtimePeriod: 20_000 },
      500,
      /^Cannot update container \w{64}: update task/,
    ],
  ];
  const realtime = await supportsRealtime(daemon);
  for (const [body, status, message] of rows) {
    if ('CpuRealtimePeriod' in body && !realtime) continue;
    t.match(
      await daemon.api('POST', '/containers/box/update', body),
      { status, body: { message } },
      JSON.stringify(body),
    );
  }
  t.same(await hostConfig(daemon, 'box'), before, 'nothing has changed');
  t.match(await daemon.api('POST', '/containers/box/update', {}), { status: 200, body: { Warnings: [] } });
  t.equal((await daemon.api('POST', '/containers/nosuch/update', {})).status, 404);
  await daemon.docker(['rm', '-f', 'box']);
}

/** Elsewhere the option is refused before the kernel is asked. */
async function supportsRealtime(daemon: TestDaemon): Promise<boolean> {
  const { code } = await daemon.docker(['exec', 'box', 'test', '-e', '/sys/fs/cgroup/cpu/cpu.rt_runtime_us']);
  return code === 0;
}

/** The daemon dies between the record and the task, at each of the points there are; the next one ends what was begun. */
async function cutOff(t: Test, daemon: TestDaemon): Promise<void> {
  await run(daemon, 'box', ['--pids-limit', '50']);
  const [trace, order] = [join(daemon.dir, 'points'), join(daemon.dir, 'order')];
  await daemon.restart({ env: { GANTRY_FAILPOINT_TRACE: trace, GANTRY_FAILPOINT_ORDER: order } });
  t.equal((await daemon.docker(['update', '--pids-limit', '51', 'box'])).code, 0);
  const points = readFileSync(trace, 'utf8').trim().split('\n');
  t.ok(points.length >= 4, 'before and after each of two writes', { points });
  for (const [index, point] of points.entries()) {
    await dieAt(daemon, order, index + 1);
    await daemon.docker(['update', '--pids-limit', String(60 + index), 'box']);
    t.equal((await daemon.exited).signal, 'SIGKILL', point);
    await daemon.restart();
    const { PidsLimit } = await hostConfig(daemon, 'box');
    t.equal((await seen(daemon, 'box')).pids, String(PidsLimit), `died ${point}: record and kernel agree`);
  }
  await daemon.docker(['rm', '-f', 'box']);
}

async function dieAt(daemon: TestDaemon, order: string, point: number): Promise<void> {
  writeFileSync(order, String(point));
  process.kill(daemon.pid, 'SIGUSR2');
  const until = Date.now() + 30_000;
  while (existsSync(order)) {
    if (Date.now() > until) throw new Error('the order was not taken');
    await delay(10);
  }
}
