/**
 * Mount contract, `gantry.mount.v1`: what one `-v` or `--mount` of a container means.
 *
 * `resolve` is pure planning: it answers the OCI mount and the effects that must exist before it can be made. The core
 * records the effects, makes them, and fills in what they learn; the driver itself changes nothing.
 */
import type { CallContext, ExtensionPoint } from '../extension-point.ts';

/** As the OCI runtime specification's `mounts` element. */
export interface OciMount {
  readonly destination: string;
  readonly type: string;
  readonly source: string;
  readonly options: readonly string[];
}

/** One mount of a container, in the shape of the Engine API's `Mounts` with our words. */
export interface MountRequest {
  readonly type: 'bind' | 'tmpfs' | 'volume' | 'image';
  /** Host path, volume name or image reference; absent for tmpfs. */
  readonly source?: string;
  readonly target: string;
  readonly readOnly: boolean;
  readonly bind?: {
    readonly propagation?: string;
    readonly nonRecursive?: boolean;
    /** Make a missing source directory, as `-v` does and `--mount` does not. */
    readonly createSource?: boolean;
    readonly readOnlyNonRecursive?: boolean;
  };
  readonly tmpfs?: {
    readonly sizeBytes?: number;
    readonly mode?: number;
    readonly options?: readonly string[];
  };
  readonly volume?: { readonly driver: string; readonly mountId: string; readonly subpath?: string };
  /** Diff ids of the image's layers, bottom first. */
  readonly image?: { readonly id: string; readonly layers: readonly string[]; readonly subpath?: string };
}

/** Something that must exist outside the store before the mount can be made. `kind` names a file in core/effects. */
export type MountEffect =
  | {
      readonly kind: 'volume-mount';
      readonly driver: string;
      readonly name: string;
      readonly mountId: string;
    }
  | { readonly kind: 'host-directory'; readonly path: string }
  /** Image layers, read-only, mounted where the core likes. */
  | { readonly kind: 'snapshot-view'; readonly layers: readonly string[] };

export interface ResolvedMount {
  readonly mount: OciMount;
  readonly effects: readonly MountEffect[];
  /** The mount's source is what this effect learns (a volume's mountpoint), with `subpath` resolved beneath it. */
  readonly sourceFrom?: { readonly effect: number; readonly subpath?: string };
}

export interface MountDriver {
  /** Errors: InvalidArgument (a bind source that is absent, unknown propagation), NotFound. Harmless to repeat. */
  resolve(request: MountRequest, call: CallContext): Promise<ResolvedMount>;
}

export const mountPoint: ExtensionPoint<MountDriver> = {
  id: 'gantry.mount.v1',
  word: 'mount',
  methods: { resolve: 'required' },
};
