/**
 * A blob, streamed to where the caller keeps it. A download that breaks goes on from the bytes it has, by a range request;
 * it is given up after some tries in a row that brought nothing. Whether the bytes are the right ones is for the caller to
 * tell, who hashes them; that they are as many as promised is told here.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { HostError, isHostError, isKind } from '@gantry/plugin-sdk/errors.ts';
import { statusOf, unreachable } from './failure.ts';
import type { Descriptor } from './manifest.ts';
import type { Repository } from './repository.ts';
import { pauseBefore } from './retry.ts';
import type { Answer } from './transport.ts';

/** Where the bytes go, in order. */
export interface DownloadTarget {
  /** How many it has already. */
  readonly sizeBytes: number;
  write(chunk: Buffer): Promise<void> | void;
}

/** Errors: NotFound, InvalidArgument for another size than promised, Unavailable, and what `target` throws. */
export async function download(
  repository: Repository,
  blob: Descriptor,
  target: DownloadTarget,
  signal: AbortSignal,
): Promise<void> {
  const { attempts, backoffMs } = repository.settings;
  for (let fruitless = 1; target.sizeBytes < blob.sizeBytes; fruitless++) {
    const before = target.sizeBytes;
    try {
      await part(repository, blob, target, signal);
    } catch (error) {
      signal.throwIfAborted();
      if (isKind(error, 'NotFound') && (await repository.leaveMirror())) continue;
      if (target.sizeBytes > before) fruitless = 1;
      const pauseMs = pauseBefore(error, fruitless, backoffMs);
      if (fruitless >= attempts || pauseMs === undefined) throw error;
      await delay(pauseMs, undefined, { signal });
    }
  }
}

async function part(
  repository: Repository,
  blob: Descriptor,
  target: DownloadTarget,
  signal: AbortSignal,
): Promise<void> {
  const from = target.sizeBytes;
  const answer = await open(repository, blob, from, signal);
  let skip = answer.status === 206 ? 0 : from;
  if (answer.status === 206) checkRange(answer, from, blob.digest);
  try {
    for await (const chunk of answer.body as AsyncIterable<Buffer>) {
      // The whole blob again, from a registry without ranges.
      const wanted = skip > 0 ? chunk.subarray(skip) : chunk;
      skip -= chunk.length - wanted.length;
      if (wanted.length === 0) continue;
      if (target.sizeBytes + wanted.length > blob.sizeBytes) throw wrongSize(blob, 'more');
      await target.write(wanted);
    }
  } catch (error) {
    throw isFromConnection(error) ? unreachable(`pull ${blob.digest}`, error) : error;
  } finally {
    answer.body.destroy();
  }
  if (target.sizeBytes < blob.sizeBytes) {
    // A length that was kept is not a connection that broke.
    const { 'content-length': length } = answer.headers;
    if (length !== undefined) throw wrongSize(blob, `${target.sizeBytes}`);
    throw unreachable(`pull ${blob.digest}`, 'the connection ended too early');
  }
}

function open(
  repository: Repository,
  { digest }: Descriptor,
  from: number,
  signal: AbortSignal,
): Promise<Answer> {
  const ask = { what: `pull ${digest}`, method: 'GET' as const, url: `blobs/${digest}`, signal };
  if (from === 0) return repository.ask({ ...ask, expect: [200] });
  return repository
    .ask({ ...ask, headers: { Range: `bytes=${from}-` }, expect: [200, 206] })
    .catch((error: unknown) => {
      if (statusOf(error) !== 416) throw error;
      return repository.ask({ ...ask, expect: [200] });
    });
}

function checkRange({ headers, body }: Answer, from: number, digest: string): void {
  const range = headers['content-range'] ?? '';
  if (Number(/^bytes (\d+)-/.exec(range)?.[1] ?? Number.NaN) === from) return;
  body.destroy();
  throw unreachable(
    `pull ${digest}`,
    `the registry sent "${range}" where bytes from ${from} on were asked for`,
  );
}

function isFromConnection(error: unknown): boolean {
  const { code = '' } = error as NodeJS.ErrnoException;
  return !isHostError(error) && /^(ECONN|EPIPE|ETIMEDOUT|ERR_STREAM|HPE_|ERR_SSL)/.test(code);
}

function wrongSize({ digest, sizeBytes }: Descriptor, got: string): HostError {
  return new HostError(
    'InvalidArgument',
    'SIZE_MISMATCH',
    `pull ${digest}: got ${got} bytes, expected ${sizeBytes}`,
  );
}
