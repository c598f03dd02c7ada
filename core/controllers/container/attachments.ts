/**
 * Clients attached to containers. One may attach before the container starts: it is connected after the task is made
 * and before its process runs, so that no byte is missed.
 */
import { basename } from 'node:path';
import type { Duplex } from 'node:stream';
import type { StdioEndpoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import {
  connectSeqpacket,
  MAX_PACKET_BYTES,
  type PacketSink,
  untilAccepted,
} from '@gantry/plugin-sdk/system/seqpacket.ts';
import { Attachment, type AttachRequest } from './attachment.ts';
import { pumpStdin } from './stdin-pump.ts';

const nowhere = Buffer.alloc(MAX_PACKET_BYTES);
const DISCARD: PacketSink = { room: () => nowhere, received() {}, flush() {}, end() {} };

/** A conmon that hangs does not keep its container from starting. */
const ACCEPTED_MS = 1_000;

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

  /**
   * Connects what the client sends, and nothing that the container writes. Resolves when it is connected; `left` runs
   * when the client's input ends its session.
   */
  async attachInput(
    client: Duplex,
    request: AttachRequest,
    endpoint: StdioEndpoint,
    left: () => void,
  ): Promise<void> {
    client.on('error', () => {});
    const task = await connectSeqpacket(endpoint.path);
    task.on('error', () => {});
    task.takePackets(DISCARD);
    client.once('close', () => task.destroy());
    void pumpStdin(client, task, request.detachKeys).then((how) => {
      if (how === 'detached') request.onDetach?.();
      if (how === 'detached' || (how === 'ended' && request.endsWithStdin)) left();
    });
  }

  /** Connects everybody who attached before the start. */
  async connect(id: string, endpoint: () => Promise<StdioEndpoint>): Promise<void> {
    const waiting = this.#waiting.get(id);
    if (!waiting?.size) return;
    this.#waiting.delete(id);
    const where = await endpoint();
    await Promise.all([...waiting].map((attachment) => attachment.connect(where)));
    // conmon takes one in each of its turns, and may have output for those it has before the last.
    if (waiting.size > 1) await untilAccepted(basename(where.path), ACCEPTED_MS);
  }

  /** Lets go of everybody who waits for a start that failed. */
  drop(id: string): void {
    for (const attachment of this.#waiting.get(id) ?? []) attachment.end();
    this.#waiting.delete(id);
  }
}
