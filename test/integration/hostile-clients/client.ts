/** A client that behaves as it was told to. */
import { connect } from 'node:net';
import { setTimeout as delay } from 'node:timers/promises';
import type { Hostile } from './requests.ts';

export interface Outcome {
  /** 0 when the client left before there was one. */
  readonly status: number;
  readonly text: string;
  /** Whether the answer, or the end of the connection, came in time. */
  readonly ended: boolean;
}

const LONGEST_MS = 30_000;
/** A client that never reads, or reads a stream that does not end, leaves after that. */
const PATIENCE_MS = 150;

/** Resolves when the connection is over; `endless`: the answer may be a stream that goes on. */
export async function play(socketPath: string, request: Hostile, endless: boolean): Promise<Outcome> {
  const socket = connect(socketPath);
  const chunks: Buffer[] = [];
  const closed = new Promise<void>((done) => socket.once('close', () => done()));
  socket.on('error', () => {}); // the other side may have had enough
  const { manner } = request;
  if (manner !== 'never-reads') {
    socket.on('data', (chunk: Buffer) => {
      chunks.push(chunk);
      if (manner === 'leaves-at-first-byte') socket.destroy();
    });
  }
  const bytes = bytesOf(request);
  if (manner === 'leaves-half-way') {
    socket.write(bytes.subarray(0, Math.floor(bytes.length * 0.7)));
    await delay(5);
    socket.destroy();
  } else socket.write(bytes);
  const leaves = manner === 'never-reads' || manner === 'upgrades' || endless;
  const limit = delay(leaves ? PATIENCE_MS : LONGEST_MS, 'late', { ref: false });
  const late = (await Promise.race([closed, limit])) === 'late';
  socket.destroy();
  await closed;
  const text = Buffer.concat(chunks).toString('latin1');
  return { status: Number(/^HTTP\/1\.1 (\d+)/.exec(text)?.[1] ?? 0), text, ended: leaves || !late };
}

function bytesOf({ method, path, headers, body, manner }: Hostile): Buffer {
  const all: Record<string, string> = { Host: 'docker', ...headers };
  if (manner === 'upgrades') Object.assign(all, { Connection: 'Upgrade', Upgrade: 'tcp' });
  else all.Connection = 'close';
  if (body) all['Content-Length'] = String(body.length);
  const head = Object.entries(all).map(([name, value]) => `${name}: ${value}\r\n`);
  return Buffer.concat([
    Buffer.from(`${method} ${path} HTTP/1.1\r\n${head.join('')}\r\n`, 'utf8'),
    body ?? Buffer.alloc(0),
    ...(manner === 'upgrades' ? [Buffer.from('garbage\x10\x11\0\xff', 'latin1')] : []),
  ]);
}
