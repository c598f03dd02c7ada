/** `--cpus`, `--cpu-shares`, `--cpu-quota`, `--cpuset-cpus` and their kin. */
import { availableParallelism } from 'node:os';
import Type, { type Static } from 'typebox';
import { invalidOption, type Section, type Settling, text, whole } from './fields.ts';
import type { HostSupport } from './host-support.ts';
import { unsupported } from './memory.ts';

export const CPU_FIELDS = {
  NanoCpus: whole,
  CpuShares: whole,
  CpuPeriod: whole,
  CpuQuota: whole,
  CpuRealtimePeriod: whole,
  CpuRealtimeRuntime: whole,
  CpusetCpus: text,
  CpusetMems: text,
  /** Of Windows; Docker ignores the first and warns of the second. */
  CpuCount: whole,
  CpuPercent: whole,
};
const Fields = Type.Object(CPU_FIELDS);
export type CpuOptions = Static<typeof Fields>;

const NANO = 1e9;
/** In microseconds; what `--cpus` is a share of. */
const DEFAULT_PERIOD = 100_000;

export function settleCpu(given: CpuOptions, support: HostSupport, { warnings }: Settling): CpuOptions {
  const { NanoCpus = 0, CpuPercent = 0 } = given;
  let { CpuShares = 0, CpuPeriod = 0, CpuQuota = 0 } = given;
  if (NanoCpus > 0 && CpuPeriod > 0)
    throw invalidOption('Conflicting options: Nano CPUs and CPU Period cannot both be set');
  if (NanoCpus > 0 && CpuQuota > 0)
    throw invalidOption('Conflicting options: Nano CPUs and CPU Quota cannot both be set');
  if (NanoCpus > 0 && !support.cpuQuota) {
    throw invalidOption(
      'NanoCPUs can not be set, as your kernel does not support CPU CFS scheduler or the cgroup is not mounted',
    );
  }
  const count = availableParallelism();
  if (NanoCpus < 0 || NanoCpus > count * NANO) {
    throw invalidOption(
      `Range of CPUs is from 0.01 to ${count}.00, as there are only ${count} CPUs available`,
    );
  }
  if (CpuShares < 0) throw invalidOption('shares: invalid argument');
  if (CpuShares > 0 && !support.cpuShares) {
    warnings.push('Your kernel does not support CPU shares or the cgroup is not mounted. Shares discarded.');
    CpuShares = 0;
  }
  if ((CpuPeriod !== 0 || CpuQuota !== 0) && !support.cpuQuota) {
    warnings.push('Your kernel does not support CPU CFS scheduler. CPU period/quota discarded.');
    [CpuPeriod, CpuQuota] = [0, 0];
  }
  if (CpuPeriod !== 0 && (CpuPeriod < 1_000 || CpuPeriod > 1_000_000)) {
    throw invalidOption(
      'CPU cfs period can not be less than 1ms (i.e. 1000) or larger than 1s (i.e. 1000000)',
    );
  }
  if (CpuQuota > 0 && CpuQuota < 1_000)
    throw invalidOption('CPU cfs quota can not be less than 1ms (i.e. 1000)');
  if (CpuPercent > 0) warnings.push('linux does not support CPU percent. Percent discarded.');
  const realtime = settleRealtime(given, support);
  const sets = settleSets(given, support, warnings);
  return { ...given, CpuShares, CpuPeriod, CpuQuota, CpuPercent: 0, ...realtime, ...sets };
}

function settleRealtime(
  { CpuRealtimePeriod = 0, CpuRealtimeRuntime = 0 }: CpuOptions,
  support: HostSupport,
): CpuOptions {
  if ((CpuRealtimePeriod > 0 || CpuRealtimeRuntime > 0) && !support.cpuRealtime) {
    throw invalidOption('kernel does not support CPU real-time scheduler');
  }
  if (CpuRealtimePeriod !== 0 && CpuRealtimeRuntime > CpuRealtimePeriod)
    throw invalidOption('cpu real-time runtime cannot be higher than cpu real-time period');
  return { CpuRealtimePeriod, CpuRealtimeRuntime };
}

function settleSets(
  { CpusetCpus = '', CpusetMems = '' }: CpuOptions,
  support: HostSupport,
  warnings: string[],
): CpuOptions {
  if ((CpusetCpus || CpusetMems) && !support.cpuset) {
    warnings.push(unsupported('cpuset', 'Cpuset discarded.'));
    return { CpusetCpus: '', CpusetMems: '' };
  }
  const missing = (wanted: string, there: string, what: string) => {
    const set = new Set(numbersOf(there, what));
    return numbersOf(wanted, what).some((number) => !set.has(number));
  };
  if (missing(CpusetCpus, support.cpus, 'cpus')) {
    throw invalidOption(
      `Requested CPUs are not available - requested ${CpusetCpus}, available: ${support.cpus}`,
    );
  }
  if (missing(CpusetMems, support.memoryNodes, 'mems')) {
    throw invalidOption(
      `Requested memory nodes are not available - requested ${CpusetMems}, available: ${support.memoryNodes}`,
    );
  }
  return { CpusetCpus, CpusetMems };
}

/** Numbers of what a kernel can have of CPUs and memory nodes, so that a range cannot be without end. */
const MOST = 8_192;

/** `0-3,7` → 0, 1, 2, 3, 7. Errors: InvalidArgument. */
export function numbersOf(list: string, what: string): readonly number[] {
  if (list === '') return [];
  return list.split(',').flatMap((part) => {
    const [, first = '', last = first] = /^(\d{1,4})(?:-(\d{1,4}))?$/.exec(part) ?? [];
    const count = Number(last) - Number(first) + 1;
    if (first === '' || count < 1 || Number(last) >= MOST)
      throw invalidOption(`Invalid value ${list} for cpuset ${what}: invalid format: ${list}`);
    return Array.from({ length: count }, (_, index) => Number(first) + index);
  });
}

/** The OCI `cpu` section; undefined when nothing is set. */
export function cpuResources(options: CpuOptions): Section | undefined {
  const { NanoCpus, CpuShares, CpuRealtimePeriod, CpuRealtimeRuntime, CpusetCpus, CpusetMems } = options;
  const section = {
    ...(CpuShares && { shares: CpuShares }),
    ...(NanoCpus
      ? { period: DEFAULT_PERIOD, quota: Math.floor((NanoCpus * DEFAULT_PERIOD) / NANO) }
      : {
          ...(options.CpuPeriod && { period: options.CpuPeriod }),
          ...(options.CpuQuota && { quota: options.CpuQuota }),
        }),
    ...(CpuRealtimePeriod && { realtimePeriod: CpuRealtimePeriod }),
    ...(CpuRealtimeRuntime && { realtimeRuntime: CpuRealtimeRuntime }),
    ...(CpusetCpus && { cpus: CpusetCpus }),
    ...(CpusetMems && { mems: CpusetMems }),
  };
  return Object.keys(section).length > 0 ? section : undefined;
}
