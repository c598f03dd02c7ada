/**
 * Volume contract, `gantry.volume.v1`: named storage that containers mount.
 *
 * Life: `create` once per name; any number of `mount` and `unmount` pairs, each with a mount id chosen by the caller and
 * unique to one mount point of one container; `remove` once nobody has it mounted. After a crash of either side the
 * caller repeats what it has no answer for: `mount` with a mount id already mounted answers the same mountpoint and
 * counts once, `unmount` of an unknown mount id and `remove` of an absent name are harmless (NotFound counts as done).
 *
 * Source: Docker's volume plugin protocol (`VolumeDriver.*`).
 */
import type { CallContext, ExtensionPoint } from '../extension-point.ts';

export type VolumeScope = 'local' | 'global';

export interface VolumeView {
  readonly name: string;
  /** Absolute host path, or '' while the driver has nowhere to point at. */
  readonly mountpoint: string;
  /** RFC 3339, absent when the driver does not say. */
  readonly createdAt?: string;
  /** Whatever the driver wants a person to see in `docker volume inspect`. */
  readonly status?: Readonly<Record<string, unknown>>;
}

export interface VolumeDriver {
  /**
   * Makes the volume. `options` is null when the user gave none (Docker plugins can tell null from {}).
   * Errors: InvalidArgument (name or options), AlreadyExists, Unknown (a plugin's own words).
   */
  create(
    volume: { name: string; options: Readonly<Record<string, string>> | null },
    call: CallContext,
  ): Promise<void>;
  /** Destroys the volume and what is in it. Errors: NotFound, Conflict (still mounted), Unknown. */
  remove(volume: { name: string }, call: CallContext): Promise<void>;
  /** Answers the absolute host path that the volume is seen at until `unmount` with the same id. */
  mount(volume: { name: string; mountId: string }, call: CallContext): Promise<{ mountpoint: string }>;
  unmount(volume: { name: string; mountId: string }, call: CallContext): Promise<void>;
  path(volume: { name: string }, call: CallContext): Promise<{ mountpoint: string }>;
  /** Undefined when the driver answers "no such volume" by an empty answer. A plugin's `Err` is thrown as Unknown. */
  get(volume: { name: string }, call: CallContext): Promise<VolumeView | undefined>;
  list(volume: Readonly<Record<string, never>>, call: CallContext): Promise<readonly VolumeView[]>;
  capabilities(volume: Readonly<Record<string, never>>, call: CallContext): Promise<{ scope: VolumeScope }>;
  /**
   * Optional. A driver that has it need not make `create` and `remove` survive a power cut by itself: the host writes the
   * file system's metadata out in time, and after a power cut it calls `restore` for each volume that must be there and
   * repeats `remove` for each that must not. Volumes that are there already are left alone.
   */
  restore?(
    volume: { name: string; options: Readonly<Record<string, string>> | null },
    call: CallContext,
  ): Promise<void>;
}

export const volumePoint: ExtensionPoint<VolumeDriver> = {
  id: 'gantry.volume.v1',
  word: 'volume',
  implementsName: 'VolumeDriver',
  methods: {
    create: 'required',
    remove: 'required',
    mount: 'required',
    unmount: 'required',
    path: 'required',
    get: 'required',
    list: 'required',
    capabilities: 'required',
    restore: 'optional',
  },
};
