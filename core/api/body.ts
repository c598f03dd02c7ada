/** Reads a JSON request body as Docker does: its Content-Type checked, its size bounded, its faults in Docker's words. */
import type { IncomingMessage } from 'node:http';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const MAX_BODY_BYTES = 8 * 1024 * 1024;

export async function readBody(req: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > MAX_BODY_BYTES) {
      throw new HostError(
        'InvalidArgument',
        'BODY_TOO_LARGE',
        `request body is larger than ${MAX_BODY_BYTES} bytes`,
      );
    }
    chunks.push(chunk);
  }
  return Buffer.concat(chunks);
}

/** The body as JSON, or undefined when there is none. */
export async function readJson(req: IncomingMessage): Promise<unknown> {
  const bytes = await readBody(req);
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
