/**
 * Puts blobs and manifests into a repository. A blob is not sent when the registry has it, or can take it from another of
 * its repositories; a small one goes in one piece, a big one in chunks, of which only the broken one is sent again.
 * Source: OCI distribution specification, "Push".
 */
import type { Readable } from 'node:stream';
import { isKind } from '@gantry/plugin-sdk/errors.ts';
import { badAnswer, statusOf, unreachable } from './failure.ts';
import type { ManifestDocument } from './manifest.ts';
import type { Repository } from './repository.ts';
import { withRetries } from './retry.ts';
import { type Answer, locationIn, readAnswer } from './transport.ts';

export interface UploadBlob {
  readonly digest: string;
  readonly sizeBytes: number;
  /** Bytes `start` up to and without `end`. */
  open(start: number, end: number): Readable;
}

export interface UploadCall {
  /** Repositories of the same registry that may have the blob. */
  readonly mountFrom?: readonly string[];
  /** So many bytes have been taken. */
  readonly onProgress?: (sentBytes: number) => void;
  readonly signal: AbortSignal;
}

export type Uploaded =
  | { readonly how: 'present' | 'sent' }
  | { readonly how: 'mounted'; readonly from: string };

/** Blobs up to this go in one request. */
const WHOLE_BYTES = 16 << 20;
const CHUNK_BYTES = 16 << 20;
const SMALLEST_CHUNK_BYTES = 1 << 20;

/** The registry has thrown away what it had of a blob, as the distribution's does after a broken chunk. */
class LostUpload extends Error {}

export async function upload(repository: Repository, blob: UploadBlob, call: UploadCall): Promise<Uploaded> {
  const { attempts, backoffMs } = repository.settings;
  return withRetries({ attempts, backoffMs, signal: call.signal }, async () => {
    if (await isThere(repository, blob.digest, call.signal)) return { how: 'present' };
    for (const from of call.mountFrom ?? []) {
      if (await isMounted(repository, blob.digest, from, call.signal)) return { how: 'mounted', from };
    }
    await send(repository, blob, call).catch((error: unknown) => {
      throw error instanceof LostUpload ? unreachable(error.message, error.cause) : error;
    });
    return { how: 'sent' };
  });
}

/** `reference`: a tag, or the manifest's own digest. */
export async function putManifest(
  repository: Repository,
  reference: string,
  { mediaType, bytes, digest }: ManifestDocument,
  signal: AbortSignal,
): Promise<void> {
  const { attempts, backoffMs } = repository.settings;
  await withRetries({ attempts, backoffMs, signal }, async () => {
    const answer = await repository.ask({
      what: `push manifest ${reference}`,
      method: 'PUT',
      url: `manifests/${reference}`,
      headers: { 'Content-Type': mediaType },
      body: { sizeBytes: bytes.length, open: () => bytes },
      expect: [200, 201, 202],
      signal,
    });
    await readAnswer(answer);
    const taken = answer.headers['docker-content-digest'];
    if (typeof taken === 'string' && taken.startsWith('sha256:') && taken !== digest)
      throw badAnswer(`push manifest ${reference}`, `the registry took it for ${taken}, it is ${digest}`);
  });
}

async function isThere(repository: Repository, digest: string, signal: AbortSignal): Promise<boolean> {
  const ask = {
    what: `look for ${digest}`,
    method: 'HEAD' as const,
    url: `blobs/${digest}`,
    expect: [200, 404],
  };
  const answer = await repository.ask({ ...ask, signal });
  answer.body.resume();
  return answer.status === 200;
}

/** A registry that cannot mount opens an upload instead, which is not gone on with: it ends by itself. */
async function isMounted(
  repository: Repository,
  digest: string,
  from: string,
  signal: AbortSignal,
): Promise<boolean> {
  const query = new URLSearchParams({ mount: digest, from });
  try {
    const answer = await repository.ask({
      what: `mount ${digest} from ${from}`,
      method: 'POST',
      url: `blobs/uploads/?${query}`,
      body: NOTHING,
      expect: [201, 202],
      signal,
    });
    await readAnswer(answer);
    if (answer.status === 202) await forget(repository, answer, signal);
    return answer.status === 201;
  } catch (error) {
    if (isKind(error, 'Unavailable', 'Canceled')) throw error;
    return false; // it may not be read from there
  }
}

async function forget(repository: Repository, answer: Answer, signal: AbortSignal): Promise<void> {
  const url = uploadLocation(answer);
  await repository
    .ask({ what: 'cancel upload', method: 'DELETE', url, expect: [202, 204, 200], signal })
    .then(readAnswer)
    .catch(() => undefined);
}

async function send(repository: Repository, blob: UploadBlob, call: UploadCall): Promise<void> {
  const opened = await repository.ask({
    what: `push ${blob.digest}`,
    method: 'POST',
    url: 'blobs/uploads/',
    body: NOTHING,
    expect: [202],
    signal: call.signal,
  });
  await readAnswer(opened);
  const least = Number(opened.headers['oci-chunk-min-length'] ?? 0) || 0;
  const at = uploadLocation(opened);
  if (blob.sizeBytes <= WHOLE_BYTES && least === 0) {
    try {
      return await finish(repository, blob, at, 0, call);
    } catch (error) {
      // Too much in one piece for something on the way: in smaller ones then, in an upload of its own.
      if (statusOf(error) !== 413 || blob.sizeBytes <= SMALLEST_CHUNK_BYTES) throw error;
      return inChunks(repository, blob, at, SMALLEST_CHUNK_BYTES, call);
    }
  }
  return inChunks(repository, blob, at, Math.max(CHUNK_BYTES, least), call);
}

async function inChunks(
  repository: Repository,
  blob: UploadBlob,
  start: URL,
  chunkBytes: number,
  call: UploadCall,
): Promise<void> {
  let at = start;
  let size = chunkBytes;
  let sent = 0;
  const { attempts, backoffMs } = repository.settings;
  while (sent < blob.sizeBytes) {
    const end = Math.min(sent + size, blob.sizeBytes);
    try {
      const from = sent;
      ({ at, sent } = await withRetries({ attempts, backoffMs, signal: call.signal }, async (attempt) => {
        // After a break only the registry knows how much of the chunk it has.
        const now =
          attempt === 1 ? { at, sent: from } : await progressOf(repository, blob, at, from, call.signal);
        return now.sent >= end ? now : patch(repository, blob, now.at, now.sent, end, call);
      }));
    } catch (error) {
      if (statusOf(error) !== 413 || size <= SMALLEST_CHUNK_BYTES) throw error;
      size = Math.max(SMALLEST_CHUNK_BYTES, size / 2);
      ({ at, sent } = await progressOf(repository, blob, at, sent, call.signal));
    }
    call.onProgress?.(sent);
  }
  await finish(repository, blob, at, sent, call);
}

async function patch(
  repository: Repository,
  blob: UploadBlob,
  url: URL,
  start: number,
  end: number,
  { signal }: UploadCall,
): Promise<{ at: URL; sent: number }> {
  const answer = await repository.ask({
    what: `push ${blob.digest}`,
    method: 'PATCH',
    url,
    headers: { 'Content-Type': 'application/octet-stream', 'Content-Range': `${start}-${end - 1}` },
    body: { sizeBytes: end - start, open: () => blob.open(start, end) },
    expect: [202, 201, 204],
    signal,
  });
  await readAnswer(answer);
  return { at: uploadLocation(answer), sent: takenBytes(answer) ?? end };
}

async function progressOf(
  repository: Repository,
  blob: UploadBlob,
  url: URL,
  known: number,
  signal: AbortSignal,
): Promise<{ at: URL; sent: number }> {
  const what = `ask how far ${blob.digest} is`;
  const answer = await repository
    .ask({ what, method: 'GET', url, expect: [204, 200, 202], signal })
    .catch((error: unknown) => {
      throw isKind(error, 'NotFound') ? new LostUpload(what, { cause: error }) : error;
    });
  await readAnswer(answer);
  const at = answer.headers.location === undefined ? url : uploadLocation(answer);
  return { at, sent: takenBytes(answer) ?? known };
}

/** The last request, with the rest of the blob; it names the digest, which the registry verifies. */
async function finish(
  repository: Repository,
  blob: UploadBlob,
  at: URL,
  sent: number,
  { signal, onProgress }: UploadCall,
): Promise<void> {
  const url = new URL(at);
  url.searchParams.set('digest', blob.digest);
  const rest = blob.sizeBytes - sent;
  const answer = await repository.ask({
    what: `push ${blob.digest}`,
    method: 'PUT',
    url,
    headers: { 'Content-Type': 'application/octet-stream' },
    body: rest === 0 ? NOTHING : { sizeBytes: rest, open: () => blob.open(sent, blob.sizeBytes) },
    expect: [201, 204],
    signal,
  });
  await readAnswer(answer);
  onProgress?.(blob.sizeBytes);
}

const NOTHING = { sizeBytes: 0, open: () => Buffer.alloc(0) };

function uploadLocation(answer: Answer): URL {
  const { location } = answer.headers;
  if (location !== undefined) return locationIn(answer, location);
  throw badAnswer('open upload', 'the registry named no place to send to');
}

/** `0-1023` is 1024 bytes. A registry that has none says `0-0`, as one that has a single byte: then the caller counts. */
function takenBytes({ headers }: Answer): number | undefined {
  const range = headers.range;
  const last = Number(/^(?:bytes=)?0-(\d+)$/.exec(typeof range === 'string' ? range : '')?.[1] ?? Number.NaN);
  if (Number.isNaN(last)) return undefined;
  return last === 0 ? 0 : last + 1;
}
