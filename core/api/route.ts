/** A row of the route table, and what its handler is given. Handlers know only the newest shape of the API. */
import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export type RowKind = 'json' | 'stream' | 'hijack' | 'websocket' | 'tar';

export interface Row {
  /** `volume.create`: names the row to the steps in core/api/versions. */
  readonly name: string;
  readonly method: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE';
  /** Express path; `*name` takes slashes. */
  readonly path: string;
  /** API version that the path came with; older clients get 404. */
  readonly since?: string;
  readonly until?: string;
  readonly kind: RowKind;
  readonly handler: (call: Call) => Promise<Answer | undefined>;
}

export interface Answer {
  readonly status?: number;
  readonly headers?: Readonly<Record<string, string>>;
  /** JSON; absent for an empty body. */
  readonly body?: unknown;
}

export interface Call {
  readonly version: string;
  readonly params: Readonly<Record<string, string>>;
  readonly query: Query;
  /** Parsed JSON of `json` and `hijack` rows; undefined when there was none. */
  readonly body: unknown;
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** Aborts when the client leaves. */
  readonly signal: AbortSignal;
  /** `hijack` rows: takes the connection over, with the head that Docker's clients expect. */
  readonly hijack: (contentType: string) => Hijacked;
}

export interface Hijacked {
  readonly stream: Duplex;
  /** False when the client's stdin cannot arrive: it sent no `Upgrade`, and its body in chunks. */
  readonly upgraded: boolean;
}

/** Query parameters as Docker reads them: the last of several, and its words for true. */
export class Query {
  readonly #params: URLSearchParams;

  constructor(params: URLSearchParams) {
    this.#params = params;
  }

  text(name: string): string {
    return this.#params.get(name) ?? '';
  }

  has(name: string): boolean {
    return this.#params.has(name);
  }

  all(name: string): readonly string[] {
    return this.#params.getAll(name);
  }

  /** A whole number, 0 when it is not given. Errors: InvalidArgument. */
  whole(name: string): number {
    const text = this.text(name);
    if (/^-?\d*$/.test(text)) return Number(text);
    throw new HostError(
      'InvalidArgument',
      'INVALID_NUMBER',
      `invalid value for ${name}: "${text}" is not a whole number`,
    );
  }

  flag(name: string): boolean {
    const value = this.text(name).trim().toLowerCase();
    return !['', '0', 'no', 'false', 'none'].includes(value);
  }
}
