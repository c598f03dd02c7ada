/** Containers' files: what routes call for `docker cp`, `diff`, `export` and `commit`. */
import type { FileChange } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import type { PathStat } from '../../trees/jobs.ts';
import {
  exportContainer,
  readPath,
  statPath,
  type TakeChunk,
  type WriteOptions,
  writePath,
} from './archive.ts';
import { containerChanges } from './changes.ts';
import { type CommitRequest, commitContainer } from './commit.ts';
import type { ContainerContext } from './context.ts';

/** Paths are byte strings. */
export class ContainerFiles {
  readonly #ctx: ContainerContext;

  constructor(ctx: ContainerContext) {
    this.#ctx = ctx;
  }

  stat(reference: string, path: string, signal: AbortSignal): Promise<PathStat> {
    return statPath(this.#ctx, reference, path, signal);
  }

  read(
    reference: string,
    path: string,
    to: Parameters<typeof readPath>[3],
    signal: AbortSignal,
  ): Promise<void> {
    return readPath(this.#ctx, reference, path, to, signal);
  }

  write(
    reference: string,
    path: string,
    input: AsyncIterable<Buffer>,
    options: WriteOptions,
    signal: AbortSignal,
  ): Promise<void> {
    return writePath(this.#ctx, reference, path, input, options, signal);
  }

  exportAll(reference: string, output: TakeChunk, signal: AbortSignal): Promise<void> {
    return exportContainer(this.#ctx, reference, output, signal);
  }

  /** Answers the image's id. */
  commit(reference: string, request: CommitRequest, signal: AbortSignal): Promise<string> {
    return commitContainer(this.#ctx, reference, request, signal);
  }

  changes(reference: string, signal: AbortSignal): Promise<readonly FileChange[]> {
    return containerChanges(this.#ctx, reference, signal);
  }
}
