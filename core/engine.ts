/** What the API is served from: the controllers, and the facts about this daemon. */
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { Defaults } from './config/defaults.ts';
import type { DaemonOptions } from './config/options/read.ts';
import type { Containers } from './controllers/container/containers.ts';
import type { Execs } from './controllers/container/execs.ts';
import type { ContainerFiles } from './controllers/container/files.ts';
import type { Pulls } from './controllers/image/pull.ts';
import type { Pushes } from './controllers/image/push.ts';
import type { Registries } from './controllers/image/registries.ts';
import type { Images } from './controllers/image.ts';
import type { StatsSampler } from './controllers/stats/sampler.ts';
import type { Volumes } from './controllers/volume/volumes.ts';
import type { EventLog } from './events/event-log.ts';
import type { DriverHost } from './host/driver-host.ts';
import type { ContentStore } from './images/content.ts';
import type { Locks } from './store/locks.ts';
import type { Replay } from './store/replay.ts';
import type { Store } from './store/store.ts';

export interface Engine {
  readonly version: string;
  readonly id: string;
  readonly host: DriverHost;
  readonly store: Store;
  readonly locks: Locks;
  readonly replay: Replay;
  readonly content: ContentStore;
  readonly containers: Containers;
  readonly execs: Execs;
  readonly files: ContainerFiles;
  readonly images: Images;
  readonly pulls: Pulls;
  readonly pushes: Pushes;
  readonly registries: Registries;
  readonly volumes: Volumes;
  readonly stats: StatsSampler;
  readonly events: EventLog;
  readonly log: Logger;
  readonly dirs: { readonly data: string; readonly exec: string };
  /** What the operator has set. A reload changes it in place, as it does `defaults`. */
  readonly options: DaemonOptions;
  readonly defaults: Defaults;
  readonly cgroupVersion: '1' | '2';
  readonly operatingSystem: string;
  runtimeVersion(): Promise<{ readonly name: string; readonly version: string }>;
}
