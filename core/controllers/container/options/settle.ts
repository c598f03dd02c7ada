/** Everything that a create request says of the container's confinement, checked, and with what Docker adds to it. */
import type { Defaults } from '../../../config/defaults.ts';
import type { ContainerRecord } from '../../../store/record-types.ts';
import { checkExtraHosts } from '../etc/extra-hosts.ts';
import { checkDns } from '../etc/resolv-conf.ts';
import type { HostConfigBody } from '../request.ts';
import { checkCapabilities } from './capabilities.ts';
import { checkDevices } from './devices.ts';
import { invalidOption } from './fields.ts';
import { initOf } from './init.ts';
import { settleNamespaces } from './namespaces.ts';
import { settleResources } from './resources.ts';
import { settleSecurity } from './security.ts';
import { settleShm } from './shm.ts';
import { checkSysctls } from './sysctls.ts';
import { checkUlimits } from './ulimits.ts';

export interface SettledOptions {
  readonly hostConfig: HostConfigBody;
  readonly warnings: readonly string[];
}

export interface OptionSources {
  /** The container of a name, for `--ipc container:NAME`. */
  readonly find: (name: string) => ContainerRecord | undefined;
  readonly defaults: Defaults;
}

/** Errors: InvalidArgument in Docker's words; FailedPrecondition and NotImplemented for what cannot be had here. */
export function settleOptions(given: HostConfigBody, { find, defaults }: OptionSources): SettledOptions {
  const warnings: string[] = [];
  const resources = settleResources(given, { warnings, update: false });
  const namespaces = settleNamespaces(given, find, defaults);
  const settled = {
    ...given,
    ...resources,
    ...namespaces,
    ...settleShm(given, defaults),
  };
  checkCapabilities(given);
  checkOomScore(given);
  checkUlimits(given);
  checkSysctls(given, { ...namespaces, ...(given.NetworkMode && { NetworkMode: given.NetworkMode }) });
  checkDevices(given);
  checkExtraHosts(given.ExtraHosts ?? []);
  checkDns(given);
  checkOfOtherSystems(given);
  initOf(settled, defaults);
  return { hostConfig: { ...settled, ...settleSecurity(settled, defaults) }, warnings };
}

function checkOomScore({ OomScoreAdj = 0 }: HostConfigBody): void {
  if (OomScoreAdj >= -1000 && OomScoreAdj <= 1000) return;
  throw invalidOption(`Invalid value ${OomScoreAdj}, range for oom score adj is [-1000, 1000]`);
}

/** Options of Windows, and of storage that the snapshots here do not have. */
function checkOfOtherSystems({ Isolation, StorageOpt }: HostConfigBody): void {
  if (Isolation && Isolation !== 'default')
    throw invalidOption(`invalid isolation (${Isolation}): linux only supports 'default'`);
  if (Object.keys(StorageOpt ?? {}).length > 0)
    throw invalidOption("--storage-opt is supported only for overlay over xfs with 'pquota' mount option");
}
