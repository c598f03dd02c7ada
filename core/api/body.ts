/** Reads a JSON request body as Docker does: its Content-Type checked, its size bounded, its faults in Docker's words. */
import type { IncomingMessage } from 'node:http';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const MAX_BODY_BYTES = 8 * 1024 * 1024;

/** By events: an async iterator costs more than all the rest of a small request. */
export function readBody(req: IncomingMessage): Promise<Buffer> {
  const { promise, resolve, reject } = Promise.withResolvers<Buffer>();
  const chunks: Buffer[] = [];
  let size = 0;
  req.on('data', (chunk: Buffer) => {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) reject(tooLarge());
    else chunks.push(chunk);
  });
  req.on('end', () => resolve(chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks)));
  req.on('error', reject);
  req.on('close', () => reject(new HostError('Canceled', 'CANCELED', 'the client left')));
  return promise;
}

function tooLarge(): HostError {
  const message = `request body is larger than ${MAX_BODY_BYTES} bytes`;
  return new HostError('InvalidArgument', 'BODY_TOO_LARGE', message);
}

/** The body as JSON, or undefined when there is none. `read` fetches its bytes. */
export async function readJson(req: IncomingMessage, read = readBody): Promise<unknown> {
  const { 'content-length': length, 'transfer-encoding': coding } = req.headers;
  if (coding === undefined && (length === undefined || length === '0')) return undefined;
  const bytes = await read(req);
  if (bytes.length === 0) return undefined;
  checkContentType(req.headers['content-type']);
  try {
    return JSON.parse(bytes.toString('utf8'));
  } catch (error) {
    throw new HostError('InvalidArgument', 'INVALID_JSON', `invalid JSON: ${(error as Error).message}`);
  }
}

/** An object, or the error that Docker gives for its absence. */
export function requireObject(body: unknown): Readonly<Record<string, unknown>> {
  if (body === undefined) throw new HostError('InvalidArgument', 'INVALID_JSON', 'invalid JSON: EOF');
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new HostError('InvalidArgument', 'INVALID_JSON', 'invalid JSON: an object is expected');
  }
  return body as Readonly<Record<string, unknown>>;
}

function checkContentType(header: string | undefined): void {
  const type = header?.split(';')[0]?.trim().toLowerCase();
  if (type === 'application/json') return;
  throw new HostError(
    'InvalidArgument',
    'UNSUPPORTED_CONTENT_TYPE',
    `unsupported Content-Type header (${type ?? ''}): must be 'application/json'`,
  );
}
