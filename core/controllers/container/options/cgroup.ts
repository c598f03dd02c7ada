/** `--cgroup-parent`: where a container's cgroup is, in every hierarchy. */
import path from 'node:path';
import { text } from './fields.ts';

export const CGROUP_FIELDS = { CgroupParent: text };

export interface CgroupDefaults {
  readonly cgroupParent?: string;
}

const PARENT = '/gantry';

/** Absolute, so that nothing depends on where the daemon itself was put. */
export function cgroupsPathOf(
  id: string,
  { CgroupParent }: { readonly CgroupParent?: string },
  { cgroupParent }: CgroupDefaults = {},
): string {
  return path.posix.join('/', CgroupParent || cgroupParent || PARENT, id);
}
