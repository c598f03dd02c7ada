/**
 * Snapshot contract, `gantry.snapshot.v1`: image layers as copy-on-write file systems.
 *
 * Life of a layer: `prepareLayer` answers an empty staging directory; the caller unpacks the layer into it, already in
 * the form the answer names; `commitLayer` makes it permanent under its diff id; `removeLayer` when no image has it.
 * Life of a snapshot: `prepare` stacks layers under a new writable one; `mount` puts it at a path; `unmount`; `remove`.
 * Every call may be repeated after a crash: preparing what is there, or removing what is not, is harmless.
 */
import type { CallContext, ExtensionPoint } from '../extension-point.ts';

/**
 * `overlay`: whiteouts become 0:0 character devices and opaque directories carry `trusted.overlay.opaque=y`.
 * `apply`: the directory already holds the parents' content; whiteouts delete from it.
 */
export type LayerForm = 'overlay' | 'apply';

export interface FileChange {
  /** `/etc/passwd`, of the snapshot's root. A byte string: each character is one byte, since a name need not be UTF-8. */
  readonly path: string;
  readonly kind: 'added' | 'changed' | 'deleted';
}

export interface SnapshotDriver {
  /** `layers`: diff ids, bottom first, this one last (`sha256:` and 64 hex digits). An unfinished staging is emptied. */
  prepareLayer(
    layer: { layers: readonly string[] },
    call: CallContext,
  ): Promise<{ dir: string; form: LayerForm }>;
  /** Durable on return. Repeating it for a committed layer is harmless. */
  commitLayer(layer: { layers: readonly string[] }, call: CallContext): Promise<void>;
  hasLayer(layer: { layers: readonly string[] }, call: CallContext): Promise<{ present: boolean }>;
  /** Also discards an unfinished staging of that layer. Harmless when there is neither. */
  removeLayer(layer: { layers: readonly string[] }, call: CallContext): Promise<void>;
  /**
   * Every layer, as `removeLayer` takes it: with all below it, or as one diff id alone where the driver keeps a layer
   * once, whatever it is stacked on.
   */
  listLayers(
    none: Readonly<Record<string, never>>,
    call: CallContext,
  ): Promise<readonly (readonly string[])[]>;

  /** `key`: the caller's name of the snapshot, `[a-z0-9-]+`. `volatile`: may be lost in a power cut, so need not sync. */
  prepare(
    snapshot: { key: string; layers: readonly string[]; volatile: boolean; readOnly?: boolean },
    call: CallContext,
  ): Promise<void>;
  /** Mounts the snapshot at `target` (an existing directory). Mounting what is mounted there already is harmless. */
  mount(snapshot: { key: string; target: string }, call: CallContext): Promise<void>;
  unmount(snapshot: { key: string; target: string }, call: CallContext): Promise<void>;
  remove(snapshot: { key: string }, call: CallContext): Promise<void>;
  list(none: Readonly<Record<string, never>>, call: CallContext): Promise<readonly string[]>;
  /**
   * What was written into the snapshot, compared with its layers, in any order: of what was added everything, of what was
   * deleted the topmost directory alone. A directory is there when it was changed itself, or something in it was added or
   * deleted. The snapshot may be mounted and in use. Errors: NotFound.
   */
  changes(snapshot: { key: string }, call: CallContext): Promise<readonly FileChange[]>;
  /** Bytes and inodes that the writable layer holds. */
  usage(snapshot: { key: string }, call: CallContext): Promise<{ sizeBytes: number; inodes: number }>;
}

export const snapshotPoint: ExtensionPoint<SnapshotDriver> = {
  id: 'gantry.snapshot.v1',
  word: 'snapshot',
  methods: {
    prepareLayer: 'required',
    commitLayer: 'required',
    hasLayer: 'required',
    removeLayer: 'required',
    listLayers: 'required',
    prepare: 'required',
    mount: 'required',
    unmount: 'required',
    remove: 'required',
    list: 'required',
    changes: 'required',
    usage: 'required',
  },
};
