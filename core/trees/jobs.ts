/** What the main thread and the threads that walk trees say to each other. Paths and names are byte strings (latin1). */
import type { FileChange } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { ErrorKind } from '@gantry/plugin-sdk/errors.ts';
import type { RootMount } from '@gantry/plugin-sdk/system/root-view.ts';

/** Where a tree is; opened by the thread, and held by it until the job ends. */
export type RootSpec =
  | {
      readonly kind: 'process';
      readonly pid: number;
      /** Of that process, since numbers are given out again. */
      readonly startTime: string;
      /** Without what is mounted in its root file system. */
      readonly alone: boolean;
    }
  | { readonly kind: 'directory'; readonly dir: string; readonly mounts: readonly RootMount[] };

/** What a write must not touch, by paths inside the root. */
export interface WriteRules {
  readonly readOnlyRoot: boolean;
  readonly mounts: readonly { readonly target: string; readonly readOnly: boolean }[];
}

export type TreeJob = { readonly root: RootSpec } & (
  | { readonly kind: 'stat'; readonly path: string }
  /** A tar of a file or directory, under the last name of `path`. */
  | { readonly kind: 'read'; readonly path: string }
  /** A tar of everything. */
  | { readonly kind: 'export' }
  /** A layer's tar. */
  | { readonly kind: 'layer'; readonly changes: readonly FileChange[] }
  /** Unpacks a tar, plain or compressed, into the directory `path`. */
  | {
      readonly kind: 'write';
      readonly path: string;
      readonly rules: WriteRules;
      readonly keepKinds: boolean;
      /** Everything gets this owner, `USER[:GROUP]`; else that of the archive. */
      readonly user: string;
    }
);

export interface PathStat {
  /** Byte string. */
  readonly name: string;
  readonly sizeBytes: number;
  /** As stat(2) has it, kind and all. */
  readonly mode: number;
  readonly mtimeNs: bigint;
  /** Of a link: the path in the root that it leads to in the end, as a byte string; else ''. */
  readonly linkTarget: string;
}

export type ToThread =
  | { readonly job: TreeJob }
  | { readonly chunk: Uint8Array }
  | { readonly ended: true }
  | { readonly taken: true }
  | { readonly abort: true };

export type FromThread =
  | { readonly opened: PathStat | undefined }
  | { readonly chunk: Uint8Array }
  | { readonly taken: true }
  | { readonly done: true }
  | { readonly failed: Failure };

/** A HostError's parts: the class itself does not cross the border between threads. */
export interface Failure {
  readonly kind: ErrorKind;
  readonly code: string;
  readonly message: string;
}
