/** Execs over the raw API: what Docker's clients do with the connection of a start. */
import { once } from 'node:events';
import { connect, type Socket } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { TestDaemon } from '../../fixtures/daemon.ts';

export interface ExecInspect {
  readonly Running: boolean;
  readonly ExitCode: number | null;
  readonly Pid: number;
}

/** Makes one and answers its id. */
export async function makeExec(daemon: TestDaemon, container: string, body: object): Promise<string> {
  const { status, body: answer, text } = await daemon.api('POST', `/containers/${container}/exec`, body);
  if (status !== 201) throw new Error(`create exec: ${status} ${text}`);
  return (answer as { Id: string }).Id;
}

export async function execInspect(daemon: TestDaemon, id: string): Promise<ExecInspect> {
  const { status, body, text } = await daemon.api('GET', `/exec/${id}/json`);
  if (status !== 200) throw new Error(`inspect exec: ${status} ${text}`);
  return body as ExecInspect;
}

export interface Output {
  readonly raw: Buffer;
  /** Taken out of Docker's frames. */
  readonly stdout: Buffer;
  readonly stderr: Buffer;
}

export interface Started {
  readonly socket: Socket;
  /** Status and headers, to the empty line. */
  readonly head: string;
  /** All that came after the head, when the daemon has ended the stream. */
  readonly output: Promise<Output>;
  /** What came after the head so far. */
  readonly soFar: () => Buffer;
}

export interface StartOptions {
  readonly upgrade?: boolean;
  readonly terminal?: boolean;
  readonly version?: string;
  readonly size?: readonly [rows: number, columns: number];
  /** Sends head and body apart. */
  readonly inPieces?: boolean;
}

/** Resolves when the head of the answer is there. */
export async function startExec(
  daemon: TestDaemon,
  id: string,
  options: StartOptions = {},
): Promise<Started> {
  const { upgrade = true, terminal = false, version = '1.51', size } = options;
  const body = JSON.stringify({ Detach: false, Tty: terminal, ...(size && { ConsoleSize: size }) });
  const lines = [
    `POST /v${version}/exec/${id}/start HTTP/1.1`,
    'Host: docker',
    'Content-Type: application/json',
    `Content-Length: ${body.length}`,
    ...(upgrade ? ['Connection: Upgrade', 'Upgrade: tcp'] : []),
  ];
  const socket = connect({ path: daemon.socket, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(`${lines.join('\r\n')}\r\n\r\n${options.inPieces ? body.slice(0, 5) : body}`);
  if (options.inPieces) {
    await delay(50);
    socket.write(body.slice(5));
  }
  return answerOf(socket);
}

export interface AttachOptions {
  readonly upgrade?: boolean;
  /** Leaves in one packet with the head. */
  readonly input?: string;
}

/** `query`: `stream=1&stdin=1&stdout=1`. Resolves when the head of the answer is there. */
export async function attach(
  daemon: TestDaemon,
  container: string,
  query: string,
  { upgrade = true, input = '' }: AttachOptions = {},
): Promise<Started> {
  const lines = [
    `POST /v1.51/containers/${container}/attach?${query} HTTP/1.1`,
    'Host: docker',
    ...(upgrade ? ['Connection: Upgrade', 'Upgrade: tcp'] : []),
  ];
  const socket = connect({ path: daemon.socket, allowHalfOpen: true });
  await once(socket, 'connect');
  socket.write(`${lines.join('\r\n')}\r\n\r\n${input}`);
  return answerOf(socket);
}

function answerOf(socket: Socket): Promise<Started> {
  const { promise: head, resolve: headIsThere, reject } = Promise.withResolvers<Started>();
  const { promise: output, resolve } = Promise.withResolvers<Output>();
  let said = Buffer.alloc(0);
  const chunks: Buffer[] = [];
  let length = -1;
  socket.on('data', (chunk: Buffer) => {
    if (length >= 0) return void chunks.push(chunk);
    said = Buffer.concat([said, chunk]);
    const end = said.indexOf('\r\n\r\n');
    if (end < 0) return;
    length = end + 4;
    chunks.push(said.subarray(length));
    const soFar = () => Buffer.concat(chunks);
    headIsThere({ socket, head: said.subarray(0, length).toString(), output, soFar });
  });
  socket.once('error', reject);
  socket.once('end', () => {
    reject(new Error('the stream ended before its head'));
    socket.end();
    const raw = Buffer.concat(chunks);
    resolve({ raw, ...unframed(raw) });
  });
  return head;
}

function unframed(raw: Buffer): { stdout: Buffer; stderr: Buffer } {
  const parts: Record<number, Buffer[]> = { 1: [], 2: [] };
  for (let at = 0; at + 8 <= raw.length; ) {
    const end = at + 8 + raw.readUInt32BE(at + 4);
    parts[raw[at] ?? 0]?.push(raw.subarray(at + 8, end));
    at = end;
  }
  return { stdout: Buffer.concat(parts[1] ?? []), stderr: Buffer.concat(parts[2] ?? []) };
}
