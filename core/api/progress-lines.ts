/**
 * Progress of images as Docker's clients draw it: one JSON object a line. A fault before the first line is a status; later
 * it is a line of its own. What only moves a bar is told a few times a second.
 */
import type { ServerResponse } from 'node:http';
import type { PullProgress } from '../controllers/image/pull.ts';
import type { PushProgress } from '../controllers/image/push.ts';
import type { LayerProgress, LayerState } from '../images/progress.ts';
import { toErrorAnswer } from './errors.ts';

const BAR_MS = 100;

/** Docker's words; `docker load` has its own for what is extracted. */
const STATUS: Readonly<Record<LayerState, string>> = {
  awaited: 'Pulling fs layer',
  waiting: 'Waiting',
  downloading: 'Downloading',
  verifying: 'Verifying Checksum',
  downloaded: 'Download complete',
  extracting: 'Extracting',
  pulled: 'Pull complete',
  known: 'Already exists',
  preparing: 'Preparing',
  pushing: 'Pushing',
  pushed: 'Pushed',
  'known there': 'Layer already exists',
  mounted: 'Mounted from',
};

export class ProgressLines {
  readonly #res: ServerResponse;
  /** When a bar was moved last, by layer and state. */
  readonly #moved = new Map<string, number>();

  constructor(res: ServerResponse) {
    this.#res = res;
  }

  /** Runs `work`, and ends the stream with what became of it. */
  async run(work: () => Promise<void>): Promise<undefined> {
    try {
      await work();
    } catch (error) {
      if (!this.#res.headersSent) throw error;
      const { message } = toErrorAnswer(error).body;
      this.write({ errorDetail: { message }, error: message });
    }
    if (!this.#res.headersSent) this.#begin();
    this.#res.end();
    return undefined;
  }

  write(line: object): void {
    if (this.#res.destroyed) return;
    if (!this.#res.headersSent) this.#begin();
    this.#res.write(`${JSON.stringify(line)}\r\n`);
  }

  layer(progress: LayerProgress, words: Partial<typeof STATUS> = {}): void {
    const { digest, state, currentBytes, totalBytes, from } = progress;
    const isBar = currentBytes !== undefined;
    if (isBar && !this.#mayMove(`${digest} ${state}`, currentBytes === totalBytes)) return;
    const status = words[state] ?? STATUS[state];
    this.write({
      status: from === undefined ? status : `${status} ${from}`,
      progressDetail: isBar ? { current: currentBytes, total: totalBytes } : {},
      id: digest.replace(/^sha256:/, '').slice(0, 12),
    });
  }

  pull(progress: PullProgress): void {
    if (progress.kind === 'layer') this.layer(progress);
    else if (progress.kind === 'found') {
      this.write({ status: `Pulling from ${progress.repository}`, id: progress.reference });
    } else {
      const what = progress.isNew ? 'Downloaded newer image' : 'Image is up to date';
      this.write({ status: `Digest: ${progress.digest}` });
      this.write({ status: `Status: ${what} for ${progress.name}` });
    }
  }

  push(progress: PushProgress): void {
    if (progress.kind === 'layer') this.layer(progress);
    else if (progress.kind === 'repository') {
      this.write({ status: `The push refers to repository [${progress.repository}]` });
    } else {
      const { tag, digest, sizeBytes } = progress;
      this.write({ status: `${tag}: digest: ${digest} size: ${sizeBytes}` });
      this.write({ progressDetail: {}, aux: { Tag: tag, Digest: digest, Size: sizeBytes } });
    }
  }

  /** A client that does not read, or that just has, is spared. */
  #mayMove(key: string, isLast: boolean): boolean {
    const now = performance.now();
    if (!isLast && (this.#res.writableNeedDrain || now - (this.#moved.get(key) ?? -BAR_MS) < BAR_MS))
      return false;
    this.#moved.set(key, now);
    return true;
  }

  #begin(): void {
    this.#res.setHeader('Content-Type', 'application/json');
    this.#res.flushHeaders();
  }
}
