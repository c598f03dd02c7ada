/** Which cgroups a machine has, and what that means for the runtimes. */
import type { Outcome } from './checks.ts';
import { exists, type MachineEdges, read } from './edges.ts';

const ROOT = 'sys/fs/cgroup';
/** What containers' limits and their end rest on. */
const NEEDED = ['memory', 'pids', 'cpu'];

export function cgroups(edges: MachineEdges): Outcome {
  const controllers = read(edges, `${ROOT}/cgroup.controllers`);
  if (controllers !== undefined) return unified(controllers.trim().split(/\s+/));
  const lacking = NEEDED.filter((name) => !exists(edges, `${ROOT}/${name}/cgroup.procs`));
  if (lacking.length === NEEDED.length)
    return { status: 'missing', detail: 'none mounted at /sys/fs/cgroup' };
  if (lacking.length > 0) return lacks('v1', lacking);
  return { status: 'ok', detail: describeFirst(read(edges, `${ROOT}/unified/cgroup.controllers`)) };
}

function unified(controllers: readonly string[]): Outcome {
  const lacking = NEEDED.filter((name) => !controllers.includes(name));
  return lacking.length > 0 ? lacks('v2', lacking) : { status: 'ok', detail: 'v2' };
}

function lacks(version: string, controllers: readonly string[]): Outcome {
  return { status: 'missing', detail: `${version} without the controllers ${controllers.join(', ')}` };
}

/** `beside`: the controllers of a v2 mount beside the v1 hierarchies. */
function describeFirst(beside: string | undefined): string {
  if (beside === undefined) return 'v1';
  if (beside.trim() === '') return 'hybrid: v1, with a v2 mount for tracking only';
  return `hybrid: v1, with controllers on the v2 side (${beside.trim()}); crun refuses that, so gantryd hides the v2 side from it`;
}
