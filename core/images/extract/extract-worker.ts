/** The worker thread that unpacks layers: one job at a time, from a file to a directory. */
import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { setPriority } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { asHostError, HostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { decompress } from '../../archive/compression.ts';
import { readTar } from '../../archive/tar-reader.ts';
import { extractLayer } from './extract-layer.ts';
import type { Extracted, ExtractJob, ExtractMessage } from './extractor.ts';

const READ_BYTES = 1 << 20;
const WORKER_NICENESS = 2;

/** Errno of a file system call that only the archive's content can cause, given a directory of our own. */
const ARCHIVE_FAULTS = new Set(['ENAMETOOLONG', 'ENOTDIR', 'EISDIR', 'EINVAL', 'ELOOP', 'EMLINK', 'ERANGE']);
const FULL = new Set(['ENOSPC', 'EDQUOT']);

async function extract(job: ExtractJob, onRead: (bytes: number) => void): Promise<Extracted> {
  const hash = createHash('sha256');
  let sizeBytes = 0;
  const counted = async function* () {
    for await (const chunk of createReadStream(job.blobPath, { highWaterMark: READ_BYTES })) {
      yield chunk as Buffer;
      onRead((chunk as Buffer).length);
    }
  };
  const hashed = async function* () {
    for await (const chunk of decompress(counted())) {
      hash.update(chunk);
      sizeBytes += chunk.length;
      yield chunk;
    }
  };
  await extractLayer(readTar(hashed()), job);
  return { diffId: `sha256:${hash.digest('hex')}`, sizeBytes };
}

function classified(error: unknown): HostError {
  const { code = '', message = '' } = error instanceof Error ? (error as NodeJS.ErrnoException) : {};
  if (ARCHIVE_FAULTS.has(code))
    return new HostError('InvalidArgument', 'LAYER_INVALID', `extract layer: ${message}`);
  if (FULL.has(code)) return new HostError('ResourceExhausted', 'DISK_FULL', `extract layer: ${message}`);
  return asHostError(error);
}

function post(message: ExtractMessage): void {
  parentPort?.postMessage(message);
}

// Of this thread alone: whoever asks the daemon something goes before.
setPriority(0, WORKER_NICENESS);

parentPort?.on('message', async (job: ExtractJob) => {
  try {
    post({ done: await extract(job, (readBytes) => post({ readBytes })) });
  } catch (error) {
    const failure = classified(error);
    const { kind, code, hint, details } = failure;
    post({ failed: { kind, code, hint, details, message: messageChain(failure) } });
  }
});
