/**
 * The file that keeps events over a restart of the daemon: one a line, in order. It is written off the way of requests
 * and not synced, so a crash may lose the last moment's, and a line cut off at its end; both are no harm to what follows.
 */
import { type FileHandle, mkdir, open, readFile, rename, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { type EventMessage, parseEvent } from './event.ts';

const BATCH_MS = 20;

export class EventFile {
  readonly #file: string;
  readonly #keep: number;
  readonly #log: Logger;
  #handle: FileHandle;
  /** Lines in the file. */
  #count: number;
  #waiting: string[] = [];
  #timer: NodeJS.Timeout | undefined;
  #writing: Promise<void> = Promise.resolve();

  private constructor(file: string, keep: number, log: Logger, handle: FileHandle, count: number) {
    this.#file = file;
    this.#keep = keep;
    this.#log = log;
    this.#handle = handle;
    this.#count = count;
  }

  /** The file with its last `keep` events, oldest first. What cannot be read is left out. */
  static async open(
    file: string,
    keep: number,
    log: Logger,
  ): Promise<{ readonly file: EventFile; readonly events: readonly EventMessage[] }> {
    await mkdir(path.dirname(file), { recursive: true, mode: 0o700 });
    const lines = (await readFile(file, 'utf8').catch(() => '')).split('\n');
    const events = lines
      .map(parseEvent)
      .filter((event) => event !== undefined)
      .slice(-keep);
    // One line more for the end of the last: else a line was cut off, to which none may be added.
    if (events.length !== lines.length - 1 || lines.at(-1) !== '')
      await rewrite(
        file,
        events.map(({ text }) => text),
      );
    const handle = await open(file, 'a', 0o600);
    return { file: new EventFile(file, keep, log, handle, events.length), events };
  }

  append(text: string): void {
    this.#waiting.push(text);
    // A disk that hangs must not fill the memory, and older ones would not be kept anyway.
    if (this.#waiting.length > 2 * this.#keep) this.#waiting = this.#waiting.slice(-this.#keep);
    this.#timer ??= setTimeout(() => this.#flush(), BATCH_MS).unref();
  }

  async close(): Promise<void> {
    this.#flush();
    await this.#writing;
    await this.#handle.close();
  }

  /** What waits goes in one write, after the one before it. */
  #flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#writing = this.#writing.then(() => this.#write());
  }

  async #write(): Promise<void> {
    const lines = this.#waiting;
    this.#waiting = [];
    if (lines.length === 0) return;
    try {
      await this.#handle.appendFile(`${lines.join('\n')}\n`);
      this.#count += lines.length;
      if (this.#count > 4 * this.#keep) await this.#shorten();
    } catch (error) {
      this.#log.warn({ file: this.#file, error: messageChain(error) }, 'events not kept');
    }
  }

  async #shorten(): Promise<void> {
    const lines = (await readFile(this.#file, 'utf8')).split('\n').slice(0, -1).slice(-this.#keep);
    await rewrite(this.#file, lines);
    const old = this.#handle;
    this.#handle = await open(this.#file, 'a', 0o600);
    this.#count = lines.length;
    await old.close();
  }
}

async function rewrite(file: string, lines: readonly string[]): Promise<void> {
  await writeFile(`${file}.new`, lines.map((line) => `${line}\n`).join(''), { mode: 0o600 });
  await rename(`${file}.new`, file);
}
