/**
 * What this machine's cgroups can limit, on version 1, version 2 and a mixture of both, which counts as version 1. As in
 * Docker, a limit that it cannot set is left out with a warning.
 */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { mounts } from '@gantry/plugin-sdk/system/mount.ts';

export interface HostSupport {
  /** Version 2 alone. */
  readonly unified: boolean;
  readonly memoryLimit: boolean;
  readonly swapLimit: boolean;
  readonly memoryReservation: boolean;
  readonly memorySwappiness: boolean;
  readonly oomKillDisable: boolean;
  readonly cpuShares: boolean;
  readonly cpuQuota: boolean;
  readonly cpuRealtime: boolean;
  readonly cpuset: boolean;
  /** Lists as the kernel writes them: `0-3,7`. */
  readonly cpus: string;
  readonly memoryNodes: string;
  readonly blockWeight: boolean;
  readonly blockWeightDevice: boolean;
  readonly blockThrottle: boolean;
  readonly pidsLimit: boolean;
}

const ROOT = '/sys/fs/cgroup';

let known: HostSupport | undefined;

/** Looked up once: it changes with the kernel only. */
export function hostSupport(): HostSupport {
  known ??= existsSync(path.join(ROOT, 'cgroup.controllers')) ? unifiedSupport(ROOT) : versionOneSupport();
  return known;
}

function versionOneSupport(): HostSupport {
  const hierarchies = mounts().filter(({ type }) => type === 'cgroup');
  const at = (controller: string, file: string) => {
    const found = hierarchies.find(({ superOptions }) => superOptions.includes(controller));
    return found && path.join(found.target, file);
  };
  const has = (controller: string, file: string) => {
    const found = at(controller, file);
    return found !== undefined && existsSync(found);
  };
  return {
    unified: false,
    memoryLimit: has('memory', 'memory.limit_in_bytes'),
    swapLimit: has('memory', 'memory.memsw.limit_in_bytes'),
    memoryReservation: has('memory', 'memory.soft_limit_in_bytes'),
    memorySwappiness: has('memory', 'memory.swappiness'),
    oomKillDisable: has('memory', 'memory.oom_control'),
    cpuShares: has('cpu', 'cpu.shares'),
    cpuQuota: has('cpu', 'cpu.cfs_quota_us'),
    cpuRealtime: has('cpu', 'cpu.rt_period_us'),
    cpuset: has('cpuset', 'cpuset.cpus'),
    cpus: read(at('cpuset', 'cpuset.cpus')),
    memoryNodes: read(at('cpuset', 'cpuset.mems')),
    blockWeight: has('blkio', 'blkio.weight') || has('blkio', 'blkio.bfq.weight'),
    blockWeightDevice: has('blkio', 'blkio.weight_device') || has('blkio', 'blkio.bfq.weight_device'),
    blockThrottle: has('blkio', 'blkio.throttle.read_bps_device'),
    pidsLimit: at('pids', '') !== undefined,
  };
}

export function unifiedSupport(root: string): HostSupport {
  const controllers = new Set(read(path.join(root, 'cgroup.controllers')).split(' '));
  return {
    unified: true,
    memoryLimit: controllers.has('memory'),
    swapLimit: controllers.has('memory') && limitsSwap(root),
    memoryReservation: controllers.has('memory'),
    memorySwappiness: false,
    oomKillDisable: false,
    cpuShares: controllers.has('cpu'),
    cpuQuota: controllers.has('cpu'),
    cpuRealtime: false,
    cpuset: controllers.has('cpuset'),
    cpus: read(path.join(root, 'cpuset.cpus.effective')),
    memoryNodes: read(path.join(root, 'cpuset.mems.effective')),
    blockWeight: controllers.has('io'),
    blockWeightDevice: controllers.has('io'),
    blockThrottle: controllers.has('io'),
    pidsLimit: controllers.has('pids'),
  };
}

/** The root itself has no limits, so some group below it tells. */
function limitsSwap(root: string): boolean {
  const groups = readdirSync(root, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  const inside = groups.map(({ name }) => path.join(root, name));
  const withMemory = inside.find((dir) => existsSync(path.join(dir, 'memory.current')));
  return withMemory === undefined || existsSync(path.join(withMemory, 'memory.swap.max'));
}

function read(file: string | undefined): string {
  try {
    return file === undefined ? '' : readFileSync(file, 'utf8').trim();
  } catch {
    return '';
  }
}
