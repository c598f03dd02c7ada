/** What the steps of a container's life share. */
import type { TaskSpec } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { Defaults } from '../../config/defaults.ts';
import type { EventLog } from '../../events/event-log.ts';
import type { Locks } from '../../store/locks.ts';
import type { ContainerRecord } from '../../store/record-types.ts';
import type { Store } from '../../store/store.ts';
import type { Drivers } from '../drivers.ts';
import type { Images } from '../image.ts';
import type { LogDelivery } from '../logs/delivery.ts';
import type { Volumes } from '../volume/volumes.ts';
import type { Attachments } from './attachments.ts';
import type { Copies } from './copies.ts';
import type { HealthChecks } from './health.ts';
import type { ContainerNames } from './names.ts';
import type { Restarts } from './restarts.ts';
import type { Waiters } from './waiters.ts';

export interface ContainerContext {
  readonly store: Store;
  readonly locks: Locks;
  readonly drivers: Drivers;
  readonly volumes: Volumes;
  readonly images: Images;
  readonly names: ContainerNames;
  readonly events: EventLog;
  readonly waiters: Waiters;
  readonly restarts: Restarts;
  readonly health: HealthChecks;
  readonly attachments: Attachments;
  readonly copies: Copies;
  readonly logs: LogDelivery;
  /** Specifications of tasks about to be created, by id; the ledger keeps only the id. */
  readonly taskSpecs: Map<string, TaskSpec>;
  readonly log: Logger;
  /** `<data root>/containers` and `<exec root>/containers`. */
  readonly rootDir: string;
  readonly stateDir: string;
  /** Aborts when the daemon stops; containers go on. */
  readonly stopping: AbortSignal;
  /** Removes a directory under `stateDir`, with what may be left in it; nothing there is success. */
  readonly rmStateDir: (dir: string) => Promise<void>;
  readonly defaults: Defaults;
}

/** Docker's refusal of what wants a process. `subject`: how the sentence begins. */
export function isRestarting(subject: 'container' | 'Container', id: string): HostError {
  const message = `${subject} ${id} is restarting, wait until the container is running`;
  return new HostError('Conflict', 'CONTAINER_RESTARTING', message);
}

export const ZERO_TIME = '0001-01-01T00:00:00Z';

/** The record in memory; throws what a writer that lost the race must say. */
export function setState(record: ContainerRecord, state: Partial<ContainerRecord['state']>): ContainerRecord {
  return { ...record, state: { ...record.state, ...state } };
}
