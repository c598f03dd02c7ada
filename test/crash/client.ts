/** The Engine API as the sweep needs it: one request, one answer, and an own error for a daemon that is gone. */
import { Agent, request as httpRequest } from 'node:http';

export interface Answer {
  readonly status: number;
  readonly text: string;
}

/** The daemon went away before it answered: nobody knows what it did. */
export class Cut extends Error {}

const ANSWER_MS = 30_000;

export class Client {
  readonly #socketPath: string;
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 64 });

  constructor(socketPath: string) {
    this.#socketPath = socketPath;
  }

  /** `body`: JSON, or a tar's bytes. Throws Cut. */
  ask(
    method: string,
    path: string,
    body?: object | Buffer,
    { onHead }: { onHead?: () => void } = {},
  ): Promise<Answer> {
    const bytes = body === undefined || Buffer.isBuffer(body) ? body : Buffer.from(JSON.stringify(body));
    const type = Buffer.isBuffer(body) ? 'application/x-tar' : 'application/json';
    const headers = bytes ? { 'Content-Type': type, 'Content-Length': bytes.length } : {};
    const options = { socketPath: this.#socketPath, agent: this.#agent, method, path, headers };
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const request = httpRequest({ ...options, signal: AbortSignal.timeout(ANSWER_MS) }, (response) => {
      let text = '';
      onHead?.();
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      response.once('error', (error) => reject(cut(method, path, error)));
      response.once('end', () => resolve({ status: response.statusCode ?? 0, text }));
    });
    request.once('error', (error) => reject(cut(method, path, error)));
    request.end(bytes);
    return promise;
  }

  /** The JSON of a successful answer. Throws Cut, and an Error that quotes any other status. */
  async get<T>(path: string): Promise<T> {
    const { status, text } = await this.ask('GET', path);
    if (status !== 200) throw new Error(`GET ${path}: ${status} ${text.trim()}`);
    return JSON.parse(text) as T;
  }

  close(): void {
    this.#agent.destroy();
  }
}

function cut(method: string, path: string, error: Error): Error {
  if (error.name === 'TimeoutError' || error.name === 'AbortError') {
    return new Error(`${method} ${path}: no answer in ${ANSWER_MS} ms`);
  }
  return new Cut(`${method} ${path}: ${error.message}`, { cause: error });
}
