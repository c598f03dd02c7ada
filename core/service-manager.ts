/** Tells the service manager what the daemon is about. Source: sd_notify(3). Without one, nothing is told. */
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { sendDatagram } from '@gantry/plugin-sdk/system/datagram.ts';

export class ServiceManager {
  readonly #socket: string;
  readonly #log: Logger;

  /** `socket`: the path of its socket, '' when there is none. */
  constructor(socket: string, log: Logger) {
    this.#socket = socket;
    this.#log = log;
  }

  ready(status: string): void {
    this.#tell('READY=1', `STATUS=${status}`);
  }

  /** To be followed by `ready`. */
  reloading(): void {
    this.#tell('RELOADING=1', `MONOTONIC_USEC=${process.hrtime.bigint() / 1_000n}`);
  }

  stopping(): void {
    this.#tell('STOPPING=1', 'STATUS=stops; containers go on');
  }

  #tell(...lines: readonly string[]): void {
    if (this.#socket === '') return;
    try {
      sendDatagram(this.#socket, `${lines.join('\n')}\n`);
    } catch (error) {
      // The daemon serves all the same; a manager that waits for it will say that it heard nothing.
      this.#log.warn({ error: messageChain(error) }, 'the service manager was not told');
    }
  }
}
