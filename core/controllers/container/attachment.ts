/** One client attached to a process: what it sends goes there, what the process writes comes back. */
import type { Duplex, Writable } from 'node:stream';
import type { StdioEndpoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { connectSeqpacket } from '@gantry/plugin-sdk/system/seqpacket.ts';
import { pumpStdin } from './stdin-pump.ts';

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** The bytes are raw, as those of a terminal; else they come in frames that tell stdout from stderr. */
  readonly terminal: boolean;
  /** The client's stream ends no sooner than this settles: then what is asked about the process is known. */
  readonly until?: Promise<unknown>;
  /** Input that lets the client go, and not the process; none is looked for without. */
  readonly detachKeys?: Buffer | undefined;
  readonly onDetach?: () => void;
  /** The client is let go when its input has ended: it would wait for a process whose stdin stays open. */
  readonly endsWithStdin?: boolean;
}

export class Attachment {
  readonly #client: Duplex;
  readonly #request: AttachRequest;

  constructor(client: Duplex, request: AttachRequest) {
    this.#client = client;
    this.#request = request;
    client.on('error', () => {});
  }

  async connect(endpoint: StdioEndpoint): Promise<void> {
    const task = await connectSeqpacket(endpoint.path);
    task.on('error', () => this.end());
    task.on('data', (packet: Buffer) => {
      const frame = this.#frame(packet);
      if (frame && !this.#client.write(frame)) pauseUntilDrained(task, this.#client);
    });
    task.once('end', () => this.end());
    this.#client.once('close', () => task.destroy());
    if (this.#client.destroyed) task.destroy();
    if (this.#request.stdin) void this.#pump(task);
    else this.#client.resume();
  }

  end(): void {
    const end = () => void this.#client.end();
    if (this.#request.until) void this.#request.until.then(end, end);
    else end();
  }

  async #pump(task: Duplex): Promise<void> {
    const { detachKeys, onDetach, endsWithStdin } = this.#request;
    const how = await pumpStdin(this.#client, task, detachKeys);
    if (how === 'detached') onDetach?.();
    if (how === 'detached' || (how === 'ended' && endsWithStdin)) this.#leave(task);
  }

  /** Lets go of both sides, whatever the process does. */
  #leave(task: Duplex): void {
    task.removeAllListeners('data').destroy();
    this.#client.resume().end();
  }

  #frame(packet: Buffer): Buffer | undefined {
    const stream = packet[0] === 2 ? 1 : 2;
    if (stream === 1 ? !this.#request.stdout : !this.#request.stderr) return undefined;
    const bytes = packet.subarray(1);
    return this.#request.terminal ? bytes : frameOf(stream, bytes);
  }
}

/** Docker's frame: stream number (1 is stdout), three zeros, length as 32 bits big endian, then the bytes. */
export function frameOf(stream: 1 | 2, bytes: Buffer): Buffer {
  const frame = Buffer.allocUnsafe(8 + bytes.length);
  frame.writeUInt32BE(stream << 24, 0);
  frame.writeUInt32BE(bytes.length, 4);
  bytes.copy(frame, 8);
  return frame;
}

function pauseUntilDrained(source: Duplex, target: Writable): void {
  source.pause();
  target.once('drain', () => source.resume());
}
