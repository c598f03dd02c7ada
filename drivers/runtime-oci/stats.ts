/** What a task uses, read from its cgroups (version 1, 2, or both mounted) and its network namespace. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import type { BlockCounter, InterfaceCounters, TaskStats } from '@gantry/plugin-sdk/contracts/runtime.ts';

const ROOT = '/sys/fs/cgroup';
const NS_PER_TICK = 10_000_000;
const NS_PER_US = 1_000;
/** Version 1 says this, rounded down to a page, where there is no limit. */
const UNLIMITED = 2 ** 62;

/** `cgroup`: the path in every hierarchy; `pid`: the task's first process. */
export function taskStats(cgroup: string, pid: number): TaskStats {
  const stats = isUnified() ? unifiedStats(join(ROOT, cgroup)) : legacyStats(cgroup);
  const networks = networksOf(pid);
  return networks ? { ...stats, networks } : stats;
}

/** Pids of all that is in the cgroup and below it. */
export function processesOf(cgroup: string): readonly number[] {
  return membersBelow(isUnified() ? join(ROOT, cgroup) : join(ROOT, 'pids', cgroup));
}

function membersBelow(dir: string): readonly number[] {
  const own = text(join(dir, 'cgroup.procs')).split('\n').filter(Boolean).map(Number);
  const below = existsSync(dir) ? readdirSync(dir, { withFileTypes: true }) : [];
  return [
    ...own,
    ...below.filter((entry) => entry.isDirectory()).flatMap(({ name }) => membersBelow(join(dir, name))),
  ];
}

function isUnified(): boolean {
  return existsSync(join(ROOT, 'cgroup.controllers'));
}

function unifiedStats(dir: string): TaskStats {
  const cpu = keyed(join(dir, 'cpu.stat'));
  const io = ioStat(text(join(dir, 'io.stat')));
  return {
    cpu: {
      total: (cpu.usage_usec ?? 0) * NS_PER_US,
      user: (cpu.user_usec ?? 0) * NS_PER_US,
      kernel: (cpu.system_usec ?? 0) * NS_PER_US,
      periods: cpu.nr_periods ?? 0,
      throttledPeriods: cpu.nr_throttled ?? 0,
      throttled: (cpu.throttled_usec ?? 0) * NS_PER_US,
    },
    memory: {
      usage: number(join(dir, 'memory.current')) ?? 0,
      ...given('maxUsage', number(join(dir, 'memory.peak'))),
      ...given('limit', number(join(dir, 'memory.max'))),
      ...given('failures', keyed(join(dir, 'memory.events')).max),
      stats: keyed(join(dir, 'memory.stat')),
    },
    processes: processCount(dir),
    blocks: io,
  };
}

function legacyStats(cgroup: string): TaskStats {
  const at = (controller: string, file: string) => join(ROOT, controller, cgroup, file);
  const ticks = keyed(at('cpuacct', 'cpuacct.stat'));
  const throttling = keyed(at('cpu', 'cpu.stat'));
  const limit = number(at('memory', 'memory.limit_in_bytes'));
  const perCpu = text(at('cpuacct', 'cpuacct.usage_percpu')).trim();
  return {
    cpu: {
      total: number(at('cpuacct', 'cpuacct.usage')) ?? 0,
      user: (ticks.user ?? 0) * NS_PER_TICK,
      kernel: (ticks.system ?? 0) * NS_PER_TICK,
      ...(perCpu !== '' && { perCpu: perCpu.split(/\s+/).map(Number) }),
      periods: throttling.nr_periods ?? 0,
      throttledPeriods: throttling.nr_throttled ?? 0,
      throttled: throttling.throttled_time ?? 0,
    },
    memory: {
      usage: number(at('memory', 'memory.usage_in_bytes')) ?? 0,
      ...given('maxUsage', number(at('memory', 'memory.max_usage_in_bytes'))),
      ...given('failures', number(at('memory', 'memory.failcnt'))),
      ...given('limit', limit !== undefined && limit < UNLIMITED ? limit : undefined),
      stats: keyed(at('memory', 'memory.stat')),
    },
    processes: processCount(join(ROOT, 'pids', cgroup)),
    blocks: {
      bytes: blockFile(at, 'io_service_bytes_recursive'),
      operations: blockFile(at, 'io_serviced_recursive'),
    },
  };
}

function processCount(dir: string): TaskStats['processes'] {
  return {
    current: number(join(dir, 'pids.current')) ?? 0,
    ...given('limit', number(join(dir, 'pids.max'))),
  };
}

/** The scheduler that counts differs between kernels; the one of throttling is always there. */
function blockFile(at: (controller: string, file: string) => string, name: string): readonly BlockCounter[] {
  for (const family of ['blkio.bfq', 'blkio', 'blkio.throttle']) {
    const found = text(at('blkio', `${family}.${name}`))
      .split('\n')
      .flatMap((line) => {
        const [, major, minor, op, value] = /^(\d+):(\d+) (\w+) (\d+)$/.exec(line) ?? [];
        return op === undefined
          ? []
          : [{ major: Number(major), minor: Number(minor), op, value: Number(value) }];
      });
    if (found.length > 0) return found;
  }
  return [];
}

/** `254:0 rbytes=1 wbytes=2 rios=3 wios=4 ...`. */
function ioStat(said: string): TaskStats['blocks'] {
  const bytes: BlockCounter[] = [];
  const operations: BlockCounter[] = [];
  for (const line of said.split('\n')) {
    const [, major, minor, rest = ''] = /^(\d+):(\d+) (.*)$/.exec(line) ?? [];
    if (major === undefined) continue;
    const device = { major: Number(major), minor: Number(minor) };
    const values = Object.fromEntries(rest.split(' ').map((pair) => pair.split('=') as [string, string]));
    bytes.push({ ...device, op: 'read', value: Number(values.rbytes ?? 0) });
    bytes.push({ ...device, op: 'write', value: Number(values.wbytes ?? 0) });
    operations.push({ ...device, op: 'read', value: Number(values.rios ?? 0) });
    operations.push({ ...device, op: 'write', value: Number(values.wios ?? 0) });
  }
  return { bytes, operations };
}

/** Undefined for a process in this network namespace, or one that has gone. */
function networksOf(pid: number): Readonly<Record<string, InterfaceCounters>> | undefined {
  try {
    if (readlinkSync(`/proc/${pid}/ns/net`) === readlinkSync('/proc/self/ns/net')) return undefined;
  } catch {
    return undefined;
  }
  const found: Record<string, InterfaceCounters> = {};
  for (const line of text(`/proc/${pid}/net/dev`).split('\n')) {
    const [, name, counters = ''] = /^\s*(\S+?):\s*(.*)$/.exec(line) ?? [];
    if (name === undefined || name === 'lo') continue;
    const at = counters.split(/\s+/).map(Number);
    found[name] = {
      rxBytes: at[0] ?? 0,
      rxPackets: at[1] ?? 0,
      rxErrors: at[2] ?? 0,
      rxDropped: at[3] ?? 0,
      txBytes: at[8] ?? 0,
      txPackets: at[9] ?? 0,
      txErrors: at[10] ?? 0,
      txDropped: at[11] ?? 0,
    };
  }
  return found;
}

/** Lines of `name value`. */
function keyed(path: string): Readonly<Record<string, number>> {
  const found: Record<string, number> = {};
  for (const line of text(path).split('\n')) {
    const [, name, value] = /^(\S+) (\d+)$/.exec(line) ?? [];
    if (name !== undefined) found[name] = Number(value);
  }
  return found;
}

/** Undefined for `max`, and without the file. */
function number(path: string): number | undefined {
  const said = text(path).trim();
  return /^\d+$/.test(said) ? Number(said) : undefined;
}

function given<K extends string>(key: K, value: number | undefined): { readonly [key in K]?: number } {
  return value === undefined ? {} : ({ [key]: value } as { readonly [key in K]?: number });
}

/** '' when it is not there: a controller may be missing, and a task may just end. */
function text(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
