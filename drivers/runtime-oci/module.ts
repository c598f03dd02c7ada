/** Declares the driver. A host can run several: each has its own name, programs and directories. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { type RuntimeDriver, runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';
import { removeEmptyCgroup, trackingHierarchy } from './cgroup.ts';
import { RuntimeOci } from './driver.ts';
import { findConmon, findRuntime } from './programs.ts';
import { SeccompCache } from './seccomp-cache.ts';

export interface RuntimeOciOptions {
  /** Name of the driver at the runtime point; default `oci`. */
  readonly name?: string;
  /** Path of the OCI runtime; by default crun, else runc, from PATH. */
  readonly runtime?: string;
  /** Words before every order to the runtime, such as flags of its own. */
  readonly runtimeArgs?: readonly string[];
  /** Path of conmon; by default from PATH. */
  readonly conmon?: string;
  /** Cgroup below which each conmon gets one of its own; default `/gantry/conmon`. */
  readonly conmonCgroup?: string;
}

export function runtimeOci(options: RuntimeOciOptions = {}): DriverModule<RuntimeDriver> {
  return {
    point: runtimePoint,
    name: options.name ?? 'oci',
    requires: [],
    async start(host) {
      const [runtime, conmon] = await Promise.all([
        findRuntime(options.runtime, options.runtimeArgs),
        findConmon(options.conmon),
      ]);
      host.defer(() => runtime.close());
      const tasksDir = join(host.stateDir, 'tasks');
      const runtimeRoot = join(host.stateDir, 'runtime-root');
      for (const dir of [tasksDir, runtimeRoot]) mkdirSync(dir, { recursive: true, mode: 0o700 });
      const hierarchy = trackingHierarchy();
      const conmonCgroup = options.conmonCgroup ?? '/gantry/conmon';
      if (hierarchy !== undefined) host.defer(() => removeEmptyCgroup(join(hierarchy, conmonCgroup)));
      host.log.debug({ runtime: runtime.name, version: runtime.version }, 'runtime found');
      return new RuntimeOci({
        runtime,
        conmon,
        seccomp: new SeccompCache(join(host.rootDir, 'seccomp')),
        tasksDir,
        runtimeRoot,
        hierarchy,
        conmonCgroup,
      });
    },
  };
}
