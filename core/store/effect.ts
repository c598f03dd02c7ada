/**
 * An effect: something that Gantry makes outside its own memory, written down before it is made so that whatever
 * happens afterwards it is either wanted and there, or undone.
 */

/** Arguments by kind; every value is fixed before the effect is made, so that undoing works from the record alone. */
export interface EffectArgs {
  volume: { driver: string; name: string; options: Readonly<Record<string, string>> | null };
  'volume-mount': { driver: string; name: string; mountId: string };
  snapshot: { driver: string; key: string; layers: readonly string[]; volatile: boolean; readOnly?: boolean };
  'snapshot-mount': { driver: string; key: string; target: string };
  'host-directory': { path: string; keep: boolean };
  /** `source` is known only when it is made; undoing needs the target alone. */
  'bind-mount': { target: string; source: string; subpath: string };
  'shm-mount': { target: string; sizeBytes: number };
  task: { driver: string; id: string };
  'task-pause': { driver: string; id: string };
  'unpacked-image': { digests: readonly string[] };
}

export type EffectKind = keyof EffectArgs;

export interface Effect<K extends EffectKind = EffectKind> {
  /** Unique among all effects, and derived from the object's id: `volume-mount/<container>/<mount id>`. */
  readonly key: string;
  readonly kind: K;
  readonly args: EffectArgs[K];
  /** Whose it becomes, when that is not the operation's own object. */
  readonly owner?: ObjectName;
  /** What the making taught and others depend on, e.g. a plugin's mountpoint. */
  readonly learned?: unknown;
}

/** `container/<id>`: the object that an effect or an operation belongs to. */
export type ObjectName = `${string}/${string}`;

export interface HeldEffect extends Effect {
  readonly owner: ObjectName;
  /** Boot id for what a restart of the machine voids. */
  readonly boot?: string;
}

export function effect<K extends EffectKind>(kind: K, name: string, args: EffectArgs[K]): Effect<K> {
  return { key: `${kind}/${name}`, kind, args };
}

/**
 * What the ledger knows about one kind. `undo` and `make` may be repeated after any crash. `undo` of what is not there
 * succeeds. A driver that is away throws Unavailable: the effect then stays on the books and is tried again.
 */
export interface EffectHandler<K extends EffectKind> {
  /** Gone after a restart of the machine, so nothing to undo then (mounts, processes, namespaces). */
  readonly endsWithBoot: boolean;
  make(args: EffectArgs[K], signal: AbortSignal): Promise<unknown>;
  probe(args: EffectArgs[K], signal: AbortSignal): Promise<'present' | 'absent'>;
  /**
   * Answers `unsynced` when a power cut could bring back what was undone: the effect then stays on the books until the
   * file system's metadata is written out, so that replay would undo it again.
   */
  undo(args: EffectArgs[K], signal: AbortSignal, learned?: unknown): Promise<undefined | 'unsynced'>;
  /** Called for a wanted effect at the first start after a restart of the machine; brings back what a power cut took. */
  restore(args: EffectArgs[K], signal: AbortSignal, learned?: unknown): Promise<void>;
}

export type EffectHandlers = { readonly [K in EffectKind]: EffectHandler<K> };
