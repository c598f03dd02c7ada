/** `docker top` and `docker stats`, by the docker command and over the API. Needs root. */
import { readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import t from 'tap';
import { processTable } from '../../core/controllers/container/top.ts';
import { startTestDaemon } from '../fixtures/daemon.ts';

const MIB = 1024 * 1024;

t.setTimeout(120_000);
const daemon = await startTestDaemon(t);
await daemon.loadBusybox();
const BUSY = 'dd if=/dev/zero of=/dev/shm/fill bs=1M count=8 2>/dev/null; sleep 1000 & while :; do :; done';
const run = ['run', '-d', '--network', 'none', '--name', 'busy', '-m', '64m', '--pids-limit', '50'];
const { stdout: made, stderr } = await daemon.docker([...run, 'busybox', 'sh', '-c', BUSY]);
const id = made.trim();
if (!/^\w{64}$/.test(id)) throw new Error(stderr);
await daemon.docker(['create', '--network', 'none', '--name', 'idle', 'busybox', 'true']);

interface Stats {
  readonly id: string;
  readonly name: string;
  readonly read: string;
  readonly preread: string;
  readonly cpu_stats: Cpu;
  readonly precpu_stats: Cpu;
  readonly memory_stats: { usage?: number; limit?: number; stats?: Record<string, number> };
  readonly pids_stats: { current?: number; limit?: number };
  readonly networks?: object;
}
interface Cpu {
  readonly cpu_usage: {
    total_usage: number;
    percpu_usage?: readonly number[];
    usage_in_usermode: number;
  };
  readonly system_cpu_usage?: number;
  readonly online_cpus?: number;
}

async function stats(query: string, name = 'busy'): Promise<Stats> {
  const { status, body, text } = await daemon.api('GET', `/containers/${name}/stats?${query}`);
  if (status !== 200) throw new Error(text);
  return body as Stats;
}

const online = readFileSync('/proc/stat', 'utf8').match(/^cpu\d/gm)?.length;

t.test('one reading has two looks, a second apart', async (t) => {
  await until('memory', async () => ((await stats('stream=0&one-shot=1')).memory_stats.usage ?? 0) > 8 * MIB);
  const now = await stats('stream=false');
  t.match(now, { id, name: '/busy', memory_stats: { limit: 64 * MIB }, pids_stats: { limit: 50 } });
  t.equal(now.pids_stats.current, 2);
  t.equal(now.cpu_stats.online_cpus, online);
  t.ok((now.memory_stats.usage ?? 0) > 8 * MIB, 'the file in /dev/shm');
  t.ok(Object.keys(now.memory_stats.stats ?? {}).some((key) => key.endsWith('inactive_file')));
  const passed = Date.parse(now.read) - Date.parse(now.preread);
  t.ok(passed >= 900, `${passed} ms`);
  const used = now.cpu_stats.cpu_usage.total_usage - now.precpu_stats.cpu_usage.total_usage;
  t.ok(used > 10_000_000, `${used} ns of a loop that does nothing`);
  t.ok((now.cpu_stats.system_cpu_usage ?? 0) > (now.precpu_stats.system_cpu_usage ?? 0));
  t.notOk(now.networks, 'nothing but a loopback');
});

t.test('a single look', async (t) => {
  const now = await stats('stream=false&one-shot=true');
  t.equal(now.precpu_stats.cpu_usage.total_usage, 0);
  t.ok(now.cpu_stats.cpu_usage.total_usage > 0);
  const both = await daemon.api('GET', '/containers/busy/stats?one-shot=1');
  t.match(both, { status: 400, body: { message: 'cannot have stream=true and one-shot=true' } });
  t.equal((await daemon.api('GET', '/containers/nosuch/stats')).status, 404);
});

t.test('zeros for one that does not run', async (t) => {
  const now = await stats('stream=0', 'idle');
  t.match(now, { name: '/idle', read: '0001-01-01T00:00:00Z', memory_stats: {}, pids_stats: {} });
  t.equal(now.cpu_stats.cpu_usage.total_usage, 0);
  t.notOk('system_cpu_usage' in now.cpu_stats);
});

t.test('a stream: many readers see one sampling, and it ends with the container', async (t) => {
  await daemon.docker(['run', '-d', '--network', 'none', '--name', 'short', 'busybox', 'sleep', '1000']);
  const readers = [1, 2, 3, 4].map(() => follow('short'));
  await until('two of each', async () => readers.every(({ seen }) => seen.length >= 3));
  const times = readers.map(({ seen }) => new Set(seen.map(({ read }) => read)));
  const [first = new Set()] = times;
  for (const other of times.slice(1)) {
    t.ok([...other].filter((time) => first.has(time)).length >= 2, 'the same samples');
  }
  await daemon.docker(['kill', 'short']);
  await until('zeros', async () =>
    readers.every(({ seen }) => seen.at(-1)?.memory_stats.usage === undefined),
  );
  await daemon.docker(['rm', 'short']);
  await Promise.all(readers.map(({ ended }) => ended));
});

t.test('the docker command', async (t) => {
  const one = await daemon.docker(['stats', '--no-stream', '--no-trunc', '--format', 'json', 'busy']);
  const shown = JSON.parse(one.stdout) as Record<string, string>;
  t.match(shown, { ID: id, Name: 'busy', PIDs: '2' });
  t.match(shown.MemUsage, /^[\d.]+MiB \/ 64MiB$/);
  t.match(shown.CPUPerc, /^\d+\.\d+%$/);
  t.ok(Number.parseFloat(shown.CPUPerc ?? '') > 1, shown.CPUPerc ?? '');
  const all = await daemon.docker(['stats', '--no-stream', '--all', '--format', '{{.Name}} {{.PIDs}}']);
  t.same(all.stdout.trim().split('\n').sort(), ['busy 2', 'idle 0']);
});

t.test('top', async (t) => {
  const plain = await daemon.docker(['top', 'busy']);
  const [head = '', ...rows] = plain.stdout.trim().split('\n');
  t.match(head, /^UID +PID +PPID +C +STIME +TTY +TIME +CMD/);
  t.equal(rows.length, 2);
  t.match(plain.stdout, /sleep 1000/);
  const chosen = await daemon.docker(['top', 'busy', '-o', 'pid,comm']);
  t.match(chosen.stdout, /^PID +COMMAND\s*\n\d+ +sh\s*\n\d+ +sleep\s*\n$/);
  await daemon.docker(['exec', '-d', 'busy', 'sleep', '77']);
  await until('the exec', async () => (await daemon.docker(['top', 'busy'])).stdout.includes('sleep 77'));
  const forest = await daemon.api('GET', '/containers/busy/top?ps_args=-e%20f');
  t.equal((forest.body as { Processes: unknown[] }).Processes.length, 3, 'an option that takes no pids');

  const rows400: readonly (readonly [string, number, RegExp])[] = [
    ['-o comm', 400, /Couldn't find PID field in ps output/],
    ['-Z?', 400, /./],
    ['-o pid -o comm=PID', 400, /specifying "comm=PID" is not allowed/],
  ];
  for (const [args, status, message] of rows400) {
    const path = `/containers/busy/top?ps_args=${encodeURIComponent(args)}`;
    t.match(await daemon.api('GET', path), { status, body: { message } }, args);
  }
  t.match(await daemon.api('GET', '/containers/idle/top'), {
    status: 409,
    body: { message: /is not running/ },
  });
});

t.test('rows of ps: threads follow their process, the last column keeps its blanks', (t) => {
  const output = 'PID  LWP COMMAND\n 7 - a  b c\n - 71 t\n 8 - x\n - 81 t\n\n';
  t.same(processTable(output, [7]), {
    titles: ['PID', 'LWP', 'COMMAND'],
    rows: [
      ['7', '-', 'a b c'],
      ['-', '71', 't'],
    ],
  });
  t.end();
});

function follow(name: string): { readonly seen: Stats[]; readonly ended: Promise<void> } {
  const seen: Stats[] = [];
  const ended = new Promise<void>((resolve, reject) => {
    const path = `/containers/${name}/stats`;
    request({ socketPath: daemon.socket, path, agent: false }, (answer) => {
      let rest = '';
      answer.setEncoding('utf8').on('data', (text: string) => {
        const lines = (rest + text).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) seen.push(JSON.parse(line) as Stats);
      });
      answer.once('end', resolve).once('error', reject);
    })
      .once('error', reject)
      .end();
  });
  return { seen, ended };
}

async function until(what: string, isSo: () => Promise<boolean>): Promise<void> {
  for (const end = Date.now() + 30_000; !(await isSo()); await delay(20)) {
    if (Date.now() > end) throw new Error(`waited in vain for: ${what}`);
  }
}
