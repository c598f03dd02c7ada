/**
 * What a process writes, on its way to a client: packets are received into the very memory that is written to the
 * client, in frames or raw, and that memory is used again when it has gone out. So a fast writer makes no garbage, and
 * a slow reader holds two slabs and the process up.
 */
import { Socket } from 'node:net';
import type { Duplex } from 'node:stream';
import { MAX_PACKET_BYTES, type PacketSink } from '@gantry/plugin-sdk/system/seqpacket.ts';

export interface OutputShape {
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** Raw, as of a terminal; else in Docker's frames. */
  readonly terminal: boolean;
}

const HEAD_BYTES = 8;
const SLAB_BYTES = 2 * MAX_PACKET_BYTES;
/** Of one client, written and not gone out yet. */
const SLABS_IN_FLIGHT = 2;
const SLABS_KEPT = 8;

/** Slabs that nobody uses now. */
const spare: Buffer[] = [];

export class OutputPump implements PacketSink {
  readonly #client: Duplex;
  readonly #shape: OutputShape;
  readonly #onRoom: () => void;
  readonly #onEnd: () => void;
  #slab: Buffer | undefined;
  #filled = 0;
  #inFlight = 0;

  /** `onRoom` runs when there is room again after there was none. */
  constructor(
    client: Duplex,
    shape: OutputShape,
    on: { readonly room: () => void; readonly end: () => void },
  ) {
    this.#client = client;
    this.#shape = shape;
    this.#onRoom = on.room;
    this.#onEnd = on.end;
  }

  /** The packet's first byte, which tells its stream, falls on the last of the frame's head. */
  room(): Buffer | undefined {
    const head = this.#shape.terminal ? 0 : HEAD_BYTES - 1;
    if (this.#slab && SLAB_BYTES - this.#filled < head + MAX_PACKET_BYTES) this.flush();
    if (!this.#slab) {
      if (this.#inFlight >= SLABS_IN_FLIGHT) return undefined;
      this.#slab = spare.pop() ?? Buffer.allocUnsafeSlow(SLAB_BYTES);
    }
    return this.#slab.subarray(this.#filled + head);
  }

  received(length: number): void {
    const slab = this.#slab as Buffer;
    const at = this.#filled;
    const { terminal, stdout, stderr } = this.#shape;
    const stream = slab[terminal ? at : at + HEAD_BYTES - 1] === 2 ? 1 : 2;
    if (stream === 1 ? !stdout : !stderr) return;
    if (terminal) {
      slab.copyWithin(at, at + 1, at + length);
      this.#filled += length - 1;
    } else {
      writeHead(slab, at, stream, length - 1);
      this.#filled += HEAD_BYTES + length - 1;
    }
  }

  flush(): void {
    const slab = this.#slab;
    if (!slab) return;
    this.#slab = undefined;
    if (this.#filled === 0) {
      giveBack(slab);
      return;
    }
    // Other streams than sockets may keep what they have been given, longer than they say.
    const lends = this.#client instanceof Socket;
    const bytes = slab.subarray(0, this.#filled);
    this.#filled = 0;
    this.#inFlight++;
    this.#client.write(lends ? bytes : Buffer.from(bytes), () => {
      if (lends) giveBack(slab);
      if (this.#inFlight-- === SLABS_IN_FLIGHT) this.#onRoom();
    });
    if (!lends) giveBack(slab);
  }

  end(): void {
    this.flush();
    this.#onEnd();
  }
}

function giveBack(slab: Buffer): void {
  if (spare.length < SLABS_KEPT) spare.push(slab);
}

/** Docker's frame: stream number (1 is stdout), three zeros, length as 32 bits big endian, then the bytes. */
export function frameOf(stream: 1 | 2, bytes: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(HEAD_BYTES + bytes.length);
  writeHead(frame, 0, stream, bytes.length);
  bytes.copy(frame, HEAD_BYTES);
  return frame;
}

function writeHead(into: Buffer, at: number, stream: 1 | 2, length: number): void {
  into.writeUInt32BE(stream << 24, at);
  into.writeUInt32BE(length, at + 4);
}
