/**
 * Clients attached to containers. One may attach before the container starts: it is connected after the task is made
 * and before its process runs, so that no byte is missed.
 */
import type { Duplex, Writable } from 'node:stream';
import type { StdioEndpoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { connectSeqpacket } from '@gantry/plugin-sdk/system/seqpacket.ts';

export interface AttachRequest {
  readonly stdin: boolean;
  readonly stdout: boolean;
  readonly stderr: boolean;
  /** With a terminal the bytes are raw; without one they come in frames that tell stdout from stderr. */
  readonly terminal: boolean;
  /** The client's stream ends no sooner than this settles: then what is asked about the process is known. */
  readonly until?: Promise<unknown>;
}

/** conmon drops what is longer. */
const STDIN_PACKET = 8_192;

export class Attachments {
  readonly #waiting = new Map<string, Set<Attachment>>();

  /** Connects the client now, or at the start when there is no endpoint yet. */
  async attach(
    id: string,
    client: Duplex,
    request: AttachRequest,
    endpoint: StdioEndpoint | undefined,
  ): Promise<void> {
    const attachment = new Attachment(client, request);
    if (endpoint) return attachment.connect(endpoint);
    const waiting = this.#waiting.get(id) ?? new Set();
    this.#waiting.set(id, waiting.add(attachment));
    client.once('close', () => waiting.delete(attachment));
  }

  /** Connects what the client sends, and nothing that the container writes. */
  async attachInput(client: Duplex, endpoint: StdioEndpoint): Promise<void> {
    client.on('error', () => {});
    const task = await connectSeqpacket(endpoint.path);
    task.on('error', () => {}).resume();
    client.once('close', () => task.destroy());
    void pumpStdin(client, task);
  }

  /** Connects everybody who attached before the start. */
  async connect(id: string, endpoint: () => Promise<StdioEndpoint>): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (!waiting?.size) return;
    this.#waiting.delete(id);
    const where = await endpoint();
    await Promise.all([...waiting].map((attachment) => attachment.connect(where)));
  }

  /** Lets go of everybody who waits for a start that failed. */
  drop(id: string): void {
    for (const attachment of this.#waiting.get(id) ?? []) attachment.end();
    this.#waiting.delete(id);
  }
}

class Attachment {
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
    if (this.#request.stdin) void pumpStdin(this.#client, task);
    else this.#client.resume();
  }

  end(): void {
    const end = () => void this.#client.end();
    if (this.#request.until) void this.#request.until.then(end, end);
    else end();
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

/** One packet at a time, each awaited: packets that the kernel joins are cut by their reader. */
async function pumpStdin(client: Duplex, task: Writable): Promise<void> {
  try {
    // Not by the client's own iterator, which ends the client with it: there may be output to come.
    for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      for (let at = 0; at < chunk.length; at += STDIN_PACKET) {
        await written(task, chunk.subarray(at, at + STDIN_PACKET));
      }
    }
    task.end();
  } catch {
    task.destroy();
  }
}

function written(stream: Writable, bytes: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  return promise;
}
