/**
 * What log drivers are given of a journal: whole lines, cut where Docker cuts long ones. A line that was begun a moment
 * ago waits for its end, so that it is one entry as a rule.
 */
import { closeSync, openSync, read } from 'node:fs';
import { promisify } from 'node:util';
import type { LogEntry } from '@gantry/plugin-sdk/contracts/log.ts';
import { type CriEntry, entryTime, parseEntries, type StreamNumber } from '@gantry/plugin-sdk/logs/cri.ts';

const readAt = promisify(read);
const BATCH_BYTES = 64 * 1024;
/** Docker's longest entry. */
export const LINE_BYTES = 16 * 1024;
/** How long the end of a line is waited for. */
export const LINE_WAIT_MS = 100;

export interface Batch {
  readonly entries: readonly LogEntry[];
  /** For each entry where its segment is to be read on from, when no more than it was taken. */
  readonly ends: readonly number[];
  /** Where it is to be read on from when all were. */
  readonly next: number;
  /** A line that was begun is waited for. */
  readonly waits: boolean;
}

interface OpenLine {
  readonly id: string;
  readonly ordinal: number;
}

/** Reads on in one journal; it remembers lines that were handed out without their end. */
export class BatchReader {
  #buffer: Buffer | undefined;
  readonly #open = new Map<StreamNumber, OpenLine>();
  #lines = 0;

  /** Lets go of memory, until it is read on. */
  rest(): void {
    this.#buffer = undefined;
  }

  /**
   * The entries refer to memory that the next call writes over. `final`: nothing comes any more, so nothing is waited
   * for. Undefined when there is nothing to be read from there on.
   */
  async read(file: string, offset: number, final: boolean): Promise<Batch | undefined> {
    this.#buffer ??= Buffer.allocUnsafeSlow(BATCH_BYTES);
    const bytes = await bytesOf(file, offset, this.#buffer);
    if (bytes.length === 0) return undefined;
    const { entries, rest } = parseEntries(bytes);
    const isFull = bytes.length === BATCH_BYTES;
    // What has no newline in so many bytes is no log, nor is what has none at the end of all.
    const parsed = rest === 0 && isFull ? BATCH_BYTES : final && !isFull ? bytes.length : rest;
    const held = final ? undefined : this.#heldFrom(entries, isFull);
    const cut = held === undefined ? entries : entries.slice(0, held);
    const end = held === undefined ? parsed : (entries[held]?.start ?? parsed);
    return { ...this.#join(cut, offset, end), next: offset + end, waits: held !== undefined };
  }

  /** Index of the first piece of a line whose end is waited for; undefined when there is none. */
  #heldFrom(entries: readonly CriEntry[], isFull: boolean): number | undefined {
    let first: number | undefined;
    for (const stream of [1, 2] as const) {
      const begun = beginningOfOpenLine(entries, stream);
      const last = entries.findLast((entry) => entry.stream === stream);
      if (begun === undefined || last === undefined) continue;
      const isYoung = Date.now() - Date.parse(entryTime(last)) < LINE_WAIT_MS;
      if ((isYoung || isFull) && begun > 0) first = Math.min(first ?? begun, begun);
      else if (isYoung && !isFull) first = 0;
    }
    return first;
  }

  #join(entries: readonly CriEntry[], offset: number, end: number): Pick<Batch, 'entries' | 'ends'> {
    const joined: LogEntry[] = [];
    const ends: number[] = [];
    const begun = new Map<StreamNumber, { readonly pieces: CriEntry[]; readonly first: number }>();
    for (const [index, entry] of entries.entries()) {
      const { stream, partial } = entry;
      const line = begun.get(stream) ?? { pieces: [], first: index };
      line.pieces.push(entry);
      if (partial) {
        begun.set(stream, line);
        continue;
      }
      begun.delete(stream);
      const firstOpen = Math.min(...[...begun.values()].map(({ first }) => first), index + 1);
      const upTo = offset + (entries[firstOpen]?.start ?? end);
      const whole = this.#lineOf(line.pieces);
      joined.push(...whole);
      ends.push(...whole.map(() => upTo));
    }
    for (const { pieces } of begun.values()) {
      const half = this.#lineOf(pieces);
      joined.push(...half);
      ends.push(...half.map(() => offset + end));
    }
    return { entries: joined, ends };
  }

  /** One line, or what is there of it, as one entry or several. */
  #lineOf(pieces: readonly CriEntry[]): LogEntry[] {
    const [first] = pieces as [CriEntry];
    const isWhole = !pieces.at(-1)?.partial;
    const source = first.stream === 1 ? 'stdout' : 'stderr';
    const time = entryTime(first);
    const text = pieces.length === 1 ? textOf(first) : Buffer.concat(pieces.map(textOf));
    if (isWhole && text.length < LINE_BYTES && !this.#open.has(first.stream))
      return [{ source, time, line: text }];
    const cuts: LogEntry[] = [];
    let at = 0;
    for (; text.length - at >= LINE_BYTES; at += LINE_BYTES) {
      const partial = this.#nextPartial(first.stream, false);
      cuts.push({ source, time, line: text.subarray(at, at + LINE_BYTES), partial });
    }
    if (isWhole || at < text.length) {
      cuts.push({ source, time, line: text.subarray(at), partial: this.#nextPartial(first.stream, isWhole) });
    }
    return cuts;
  }

  #nextPartial(stream: StreamNumber, last: boolean): NonNullable<LogEntry['partial']> {
    const { id, ordinal } = this.#open.get(stream) ?? {
      id: `${Date.now().toString(16)}${this.#lines++}`,
      ordinal: 1,
    };
    if (last) this.#open.delete(stream);
    else this.#open.set(stream, { id, ordinal: ordinal + 1 });
    return { id, ordinal, last };
  }
}

function beginningOfOpenLine(entries: readonly CriEntry[], stream: StreamNumber): number | undefined {
  let begun: number | undefined;
  for (let index = entries.length - 1; index >= 0; index -= 1) {
    const entry = entries[index] as CriEntry;
    if (entry.stream !== stream) continue;
    if (!entry.partial) break;
    begun = index;
  }
  return begun;
}

function textOf({ bytes, text, end, partial }: CriEntry): Buffer {
  return bytes.subarray(text, partial ? end : end - 1);
}

async function bytesOf(file: string, offset: number, target: Buffer): Promise<Buffer> {
  let fd: number;
  try {
    fd = openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return Buffer.alloc(0);
    throw error;
  }
  try {
    const { bytesRead } = await readAt(fd, target, 0, BATCH_BYTES, offset);
    return target.subarray(0, bytesRead);
  } finally {
    closeSync(fd);
  }
}
