/** The shape of every stored record, in our words. Docker's field names live in core/api. */
import type { MountRequest } from '@gantry/plugin-sdk/contracts/mount.ts';

export interface VolumeRecord {
  readonly name: string;
  readonly driver: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As the user gave them; null and {} differ on the wire to plugins. */
  readonly options: Readonly<Record<string, string>> | null;
  readonly scope: 'local' | 'global';
  readonly createdAt: string;
  /** Made without a name by the user, so it goes with its container. */
  readonly anonymous: boolean;
  /** The last mountpoint that the driver told. */
  readonly mountpoint: string;
}

export interface ImageRecord {
  /** Digest of the image's configuration. */
  readonly id: string;
  readonly names: readonly string[];
  /** Where a registry has it: `docker.io/library/busybox@sha256:…`, of the manifest or of an index that names it. */
  readonly digests?: readonly string[];
  /** Id of the image that it was made from here. */
  readonly parent?: string;
  /** Digest of the manifest that names the configuration and the blobs. */
  readonly manifest: string;
  /** Diff ids, bottom first. */
  readonly layers: readonly string[];
  /** Digests of the layer blobs as they came, bottom first. */
  readonly blobs: readonly string[];
  /** Bytes of the layers' tars, uncompressed, bottom first; null where that is not known. */
  readonly layerSizes?: readonly (number | null)[];
  readonly sizeBytes: number;
  readonly createdAt: string;
  readonly loadedAt: string;
  readonly architecture: string;
  readonly os: string;
  readonly config: ImageConfig;
  readonly history: readonly Readonly<Record<string, unknown>>[];
  readonly author?: string;
  readonly comment?: string;
}

/** The OCI image specification's `config` object, with its own field names. */
export interface ImageConfig {
  readonly User?: string;
  readonly Env?: readonly string[];
  readonly Entrypoint?: readonly string[];
  readonly Cmd?: readonly string[];
  readonly WorkingDir?: string;
  readonly Volumes?: Readonly<Record<string, object>>;
  readonly ExposedPorts?: Readonly<Record<string, object>>;
  readonly Labels?: Readonly<Record<string, string>>;
  readonly StopSignal?: string;
  readonly Healthcheck?: unknown;
}

export interface ContainerMount extends MountRequest {
  /** Where the request came from: a label in inspect, and whether `rm -v` takes the volume too. */
  readonly origin: 'bind' | 'mount' | 'image' | 'volumes-from';
  readonly mode: string;
  /** Content of the image at the target is copied into an empty volume. */
  readonly copyUp?: boolean;
}

export interface ContainerState {
  /** `restarting`: has ended, and is started again by its policy; nothing of it is mounted or runs. */
  readonly status: 'created' | 'running' | 'restarting' | 'exited' | 'dead' | 'removing';
  /** Of a running one: its processes are frozen. */
  readonly paused?: boolean;
  readonly pid: number;
  readonly exitCode: number;
  readonly error: string;
  readonly oomKilled: boolean;
  readonly startedAt: string;
  readonly finishedAt: string;
}

/** One run of a health check. */
export interface ProbeResult {
  readonly start: string;
  readonly end: string;
  /** -1 when it did not end by itself. */
  readonly exitCode: number;
  readonly output: string;
}

export interface ContainerHealth {
  readonly status: 'starting' | 'healthy' | 'unhealthy';
  /** Failures in a row. */
  readonly failingStreak: number;
  /** The last five, oldest first. */
  readonly log: readonly ProbeResult[];
}

export interface ContainerRecord {
  readonly id: string;
  readonly name: string;
  readonly createdAt: string;
  readonly imageId: string;
  readonly imageName: string;
  readonly layers: readonly string[];
  readonly snapshotDriver: string;
  readonly runtime: string;
  /** The create request's `Config` and `HostConfig`, checked, as the client sent them. */
  readonly config: Readonly<Record<string, unknown>>;
  readonly hostConfig: Readonly<Record<string, unknown>>;
  readonly process: {
    readonly args: readonly string[];
    readonly env: readonly string[];
    readonly cwd: string;
    readonly user: string;
    readonly terminal: boolean;
    readonly openStdin: boolean;
    readonly stdinOnce: boolean;
  };
  /** Path of the log that people are shown; absent or '' when there is none. */
  readonly logPath?: string;
  readonly autoRemove: boolean;
  /** Of an update that has not reached the task yet: `hostConfig` as it was before. */
  readonly limitsBefore?: ContainerRecord['hostConfig'];
  readonly mounts: readonly ContainerMount[];
  readonly state: ContainerState;
  /** As of the last change of its status; what runs is known better to the daemon. */
  readonly health?: ContainerHealth;
  /** How often its policy has started it again since a person started it. */
  readonly restarts?: number;
  /** Somebody has sent it a signal since it was started by hand: `unless-stopped` does not start it any more. */
  readonly manuallyStopped?: boolean;
  /** Of a running one: its next end is what somebody asked for, and no policy starts it again. */
  readonly endsNext?: boolean;
}

export interface RecordTypes {
  volume: VolumeRecord;
  image: ImageRecord;
  container: ContainerRecord;
}

export type RecordKind = keyof RecordTypes;
