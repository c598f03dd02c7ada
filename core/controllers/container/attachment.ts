/** One client attached to a process: what it sends goes there, what the process writes comes back. */
import type { Duplex } from 'node:stream';
import type { StdioEndpoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { connectSeqpacket } from '@gantry/plugin-sdk/system/seqpacket.ts';
import { OutputPump, type OutputShape } from './output-pump.ts';
import { pumpStdin } from './stdin-pump.ts';

export interface AttachRequest extends OutputShape {
  readonly stdin: boolean;
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
    const on = {
      room: () => task.resumeTaking(),
      end: () => {
        task.destroy();
        this.end();
      },
    };
    task.takePackets(new OutputPump(this.#client, this.#request, on));
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
    task.destroy();
    this.#client.resume().end();
  }
}
