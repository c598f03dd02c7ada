/** Log entries as Docker's clients get them. */
import { type CriEntry, entryTime, type StreamNumber } from '@gantry/plugin-sdk/logs/cri.ts';

export interface LogShape {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** With a terminal the bytes are raw; without one they come in frames that tell stdout from stderr. */
  readonly terminal: boolean;
  readonly timestamps: boolean;
  /** Goes before the text of each line, with a space after it. */
  readonly details?: string | undefined;
  /** Times as `utcText` gives them. A line belongs to the time of its first piece. */
  readonly since?: string | undefined;
  readonly until?: string | undefined;
}

interface Piece {
  readonly entry: CriEntry;
  readonly prefix: string;
}

const FRAME_BYTES = 8;

/** Keeps for each stream whether a line has begun, so that its later pieces follow the first. */
export class LogEncoder {
  readonly #shape: LogShape;
  readonly #headBytes: number;
  /** Set while a line is open: whether it is shown. */
  readonly #open = new Map<StreamNumber, boolean>();
  #ended = false;

  constructor(shape: LogShape) {
    this.#shape = shape;
    this.#headBytes = shape.terminal ? 0 : FRAME_BYTES;
  }

  /** True once a line was later than `until`: nothing comes any more. */
  get ended(): boolean {
    return this.#ended;
  }

  encode(entries: readonly CriEntry[]): Buffer {
    const pieces: Piece[] = [];
    let length = 0;
    for (const entry of entries) {
      const prefix = this.#prefixOf(entry);
      if (this.#ended) break;
      if (prefix === undefined) continue;
      pieces.push({ entry, prefix });
      length += this.#headBytes + prefix.length + entry.end - entry.text;
    }
    return this.#write(pieces, Buffer.allocUnsafe(length));
  }

  /** What goes before the entry's text, or undefined for one that is not shown. */
  #prefixOf(entry: CriEntry): string | undefined {
    const { stream, partial } = entry;
    const open = this.#open.get(stream);
    const prefix = open === undefined ? this.#begin(entry) : open ? '' : undefined;
    if (partial) this.#open.set(stream, prefix !== undefined);
    else if (open !== undefined) this.#open.delete(stream);
    return prefix;
  }

  #begin(entry: CriEntry): string | undefined {
    const { stdout, stderr, timestamps, details, since, until } = this.#shape;
    const time = timestamps || since || until ? entryTime(entry) : '';
    if (until !== undefined && time > until) this.#ended = true;
    if (since !== undefined && time < since) return undefined;
    if (!(entry.stream === 1 ? stdout : stderr)) return undefined;
    return `${timestamps ? `${time} ` : ''}${details === undefined ? '' : `${details} `}`;
  }

  /** Docker's frame: stream number, three zeros, length as 32 bits big endian, then the bytes. */
  #write(pieces: readonly Piece[], target: Buffer): Buffer {
    let at = 0;
    for (const { entry, prefix } of pieces) {
      if (this.#headBytes > 0) {
        target.writeUInt32BE(entry.stream << 24, at);
        target.writeUInt32BE(prefix.length + entry.end - entry.text, at + 4);
        at += FRAME_BYTES;
      }
      if (prefix) at += target.write(prefix, at, 'latin1');
      at += entry.bytes.copy(target, at, entry.text, entry.end);
    }
    return target;
  }
}
