/** The keys by which a client at a terminal leaves, and the container runs on: `ctrl-p,ctrl-q`, `a`, `DEL`. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export const DEFAULT_DETACH_KEYS = 'ctrl-p,ctrl-q';

/** In the order of their codes, 0 to 31. */
const CONTROLS = '@abcdefghijklmnopqrstuvwxyz[\\]^_';
const DEL = 127;

/** The bytes of `keys`; the default's when it is empty. `what` begins the error: `Invalid detach keys`. */
export function detachSequence(keys: string, what = 'Invalid detach keys'): Buffer {
  const codes = (keys || DEFAULT_DETACH_KEYS).split(',').map(codeOf);
  if (codes.every((code) => code !== undefined)) return Buffer.from(codes);
  throw new HostError('InvalidArgument', 'INVALID_DETACH_KEYS', `${what} (${keys}) provided`, {
    hint: 'a letter, ctrl-LETTER, ctrl-@ to ctrl-_ or DEL, several with commas between them',
  });
}

function codeOf(key: string): number | undefined {
  const byte = Buffer.from(key)[0];
  if (byte !== undefined && Buffer.byteLength(key) === 1) return byte;
  if (key === 'DEL') return DEL;
  const code = /^ctrl-.$/.test(key) ? CONTROLS.indexOf(key.slice(-1)) : -1;
  return code < 0 ? undefined : code;
}

/**
 * Watches a client's input for the sequence, over any number of packets. What begins like it is held back until it is
 * decided; a key that breaks it off goes through with what was held and begins none anew, as in Docker.
 */
export class DetachKeys {
  readonly #sequence: Buffer;
  #matched = 0;

  constructor(sequence: Buffer) {
    this.#sequence = sequence;
  }

  /** What goes through. After `detached` what follows the sequence is dropped. */
  take(chunk: Buffer): { readonly through: Buffer; readonly detached: boolean } {
    if (this.#matched === 0 && chunk.indexOf(this.#sequence[0] ?? 0) < 0) {
      return { through: chunk, detached: false };
    }
    const held = this.#sequence.subarray(0, this.#matched);
    for (const [index, byte] of chunk.entries()) {
      this.#matched = byte === this.#sequence[this.#matched] ? this.#matched + 1 : 0;
      if (this.#matched < this.#sequence.length) continue;
      const kept = held.length + index + 1 - this.#matched;
      return { through: Buffer.concat([held, chunk]).subarray(0, kept), detached: true };
    }
    const whole = Buffer.concat([held, chunk]);
    return { through: whole.subarray(0, whole.length - this.#matched), detached: false };
  }

  /** What is held back when the input ends. */
  rest(): Buffer {
    return this.#sequence.subarray(0, this.#matched);
  }
}
