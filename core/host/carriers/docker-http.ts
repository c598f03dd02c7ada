/**
 * Docker's plugin protocol, from the caller's side: `POST /Kind.Method`, byte for byte what Docker sends, and what its
 * answers mean. Errors: Unknown `DRIVER_ERROR` (the plugin's own words, unchanged), Unknown `DRIVER_BAD_ANSWER`,
 * Unavailable `DRIVER_UNAVAILABLE` (nothing was sent), Unavailable `DRIVER_CONNECTION_LOST` (the outcome is unknown).
 */
import { once } from 'node:events';
import { request as httpRequest, type IncomingMessage } from 'node:http';
import type { Socket } from 'node:net';
import type { Readable } from 'node:stream';
import { HostError, isHostError } from '@gantry/plugin-sdk/errors.ts';
import type { WireMethod } from '@gantry/plugin-sdk/wire/method.ts';
import { fieldOf, parseFirstJson, readMessage } from '@gantry/plugin-sdk/wire/read.ts';
import type { PluginAddress } from '../plugin-address.ts';
import { dial } from './dial.ts';
import { type AnswerLimits, type HttpAnswer, MalformedAnswer } from './http-answer.ts';
import { ConnectionLost } from './http-connection.ts';
import { DialFailed, HttpPool } from './http-pool.ts';

/** Bodies of refusals are for people: longer ones are web pages. */
const MAX_REFUSAL = 4096;
const USER_AGENT = 'Go-http-client/1.1';
const ACCEPT = 'application/vnd.docker.plugins.v1.2+json';

export class DockerHttp {
  readonly plugin: string;
  readonly address: PluginAddress;
  readonly #pool: HttpPool;

  constructor(plugin: string, address: PluginAddress, limits?: AnswerLimits) {
    this.plugin = plugin;
    this.address = address;
    this.#pool = new HttpPool((signal) => dial(address, signal), limits);
  }

  /** Sends one request in wire form and answers the message that comes back, as its schema reads it. */
  async call(method: WireMethod, request: object, signal: AbortSignal): Promise<unknown> {
    const answer = await this.#exchange(method, request, signal);
    if (answer.status !== 200) throw this.#refused(method, answer);
    if (method.reply === 'ignored') return undefined;
    const json = this.#parse(method, answer.body.toString('utf8'));
    const error = method.errorField === 'none' ? undefined : fieldOf(json, method.errorField);
    if (typeof error === 'string' && error !== '') throw this.#error(method, error, 200);
    const read = readMessage(method.answer, json);
    if (read.faults === undefined) return read.value;
    throw this.#badAnswer(method, read.faults.join('; '));
  }

  /** Sends one request and answers the body as it comes, once a 200 is there. `signal` ends only the wait for that. */
  async stream(method: WireMethod, request: object, signal: AbortSignal): Promise<Readable> {
    const socket = await this.#dialled(method, signal);
    const asked = httpRequest({
      createConnection: () => socket,
      method: 'POST',
      path: `/${method.name}`,
      headers: { Host: this.address.hostHeader, Accept: ACCEPT, 'User-Agent': USER_AGENT },
    });
    asked.end(bodyText(method, request));
    try {
      const [answer] = (await once(asked, 'response', { signal })) as [IncomingMessage];
      if (answer.statusCode === 200) return answer;
      const body = await textOf(answer);
      throw this.#refused(method, { status: answer.statusCode ?? 0, body, reusable: false });
    } catch (error) {
      socket.destroy();
      if (isHostError(error)) throw error;
      if (signal.aborted) throw signal.reason;
      throw this.#transportError(method, new ConnectionLost((error as Error).message, false, error));
    }
  }

  close(): void {
    this.#pool.close();
  }

  async #dialled(method: WireMethod, signal: AbortSignal): Promise<Socket> {
    try {
      return await dial(this.address, signal);
    } catch (error) {
      if (signal.aborted) throw signal.reason;
      const { code, message } = error as NodeJS.ErrnoException;
      throw this.#transportError(method, new DialFailed(`connect: ${code ?? message}`, { cause: error }));
    }
  }

  async #exchange(method: WireMethod, request: object, signal: AbortSignal): Promise<HttpAnswer> {
    try {
      return await this.#pool.exchange(requestText(this.address.hostHeader, method, request), signal);
    } catch (error) {
      throw this.#transportError(method, error);
    }
  }

  #parse(method: WireMethod, body: string): unknown {
    if (body.trim() === '') throw this.#badAnswer(method, 'the answer is empty');
    try {
      return parseFirstJson(body);
    } catch (error) {
      throw this.#badAnswer(method, `the answer is not JSON: ${JSON.stringify(body.slice(0, 80))}`, error);
    }
  }

  /** A status other than 200: the text of its `Err`, else its whole body, behind the method's name. */
  #refused(method: WireMethod, { status, body }: HttpAnswer): HostError {
    const text = body.toString('utf8', 0, MAX_REFUSAL);
    return this.#error(method, `${method.name}: ${errIn(text) ?? text}`, status);
  }

  #error(method: WireMethod, text: string, status: number): HostError {
    const details = { plugin: this.plugin, method: method.name, status };
    return new HostError('Unknown', 'DRIVER_ERROR', text, { details });
  }

  #badAnswer(method: WireMethod, fault: string, cause?: unknown): HostError {
    const message = `plugin "${this.plugin}": ${method.name}: ${fault}`;
    return new HostError('Unknown', 'DRIVER_BAD_ANSWER', message, { cause, details: this.#details(method) });
  }

  #transportError(method: WireMethod, error: unknown): unknown {
    const details = this.#details(method);
    const message = `plugin "${this.plugin}": ${method.name}: ${(error as Error).message}`;
    if (error instanceof MalformedAnswer) return this.#badAnswer(method, error.message, error);
    if (error instanceof DialFailed) {
      const hint = `start the plugin that listens at ${this.address.url}`;
      return new HostError('Unavailable', 'DRIVER_UNAVAILABLE', message, {
        cause: error.cause,
        hint,
        details,
      });
    }
    if (error instanceof ConnectionLost) {
      return new HostError('Unavailable', 'DRIVER_CONNECTION_LOST', message, { cause: error.cause, details });
    }
    return error;
  }

  #details(method: WireMethod): Readonly<Record<string, unknown>> {
    return { plugin: this.plugin, method: method.name, address: this.address.url };
  }
}

function requestText(host: string, method: WireMethod, request: object): string {
  const body = bodyText(method, request);
  return (
    `POST /${method.name} HTTP/1.1\r\nHost: ${host}\r\nUser-Agent: ${USER_AGENT}\r\n` +
    `Content-Length: ${Buffer.byteLength(body)}\r\n` +
    `Accept: ${ACCEPT}\r\n\r\n${body}`
  );
}

function bodyText(method: WireMethod, request: object): string {
  if (method.body === 'none') return '';
  return method.body === 'empty-object' ? '{}\n' : `${JSON.stringify(request)}\n`;
}

function errIn(text: string): string | undefined {
  try {
    const error = fieldOf(parseFirstJson(text), 'Err');
    return typeof error === 'string' && error !== '' ? error : undefined;
  } catch {
    return undefined;
  }
}

async function textOf(answer: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of answer as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    chunks.push(chunk);
    if (bytes > MAX_REFUSAL) break;
  }
  return Buffer.concat(chunks);
}
