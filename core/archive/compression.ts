/** Plain bytes of a stream, whatever it is compressed with; told by its first bytes, as Docker does. */
import { spawn } from 'node:child_process';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { createGunzip, createZstdDecompress } from 'node:zlib';
import { HostError, isHostError } from '@gantry/plugin-sdk/errors.ts';
import { splitZstdFrames } from './zstd-frames.ts';

export type Compression = 'none' | 'gzip' | 'zstd' | 'xz' | 'bzip2';

const MAGIC: readonly (readonly [Compression, readonly number[]])[] = [
  ['gzip', [0x1f, 0x8b]],
  ['zstd', [0x28, 0xb5, 0x2f, 0xfd]],
  ['xz', [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ['bzip2', [0x42, 0x5a, 0x68]],
];

const MAGIC_BYTES = 6;
const CHUNK_BYTES = 256 * 1024;

export function compressionOf(start: Uint8Array): Compression {
  // A zstd stream may open with a skippable frame, 0x184d2a50 to 5f.
  if (start[1] === 0x2a && start[2] === 0x4d && start[3] === 0x18 && ((start[0] ?? 0) & 0xf0) === 0x50)
    return 'zstd';
  return MAGIC.find(([, magic]) => magic.every((byte, at) => start[at] === byte))?.[0] ?? 'none';
}

/** Errors: InvalidArgument for damaged data, FailedPrecondition when the program for it is not installed. */
export async function* decompress(
  source: AsyncIterable<Uint8Array>,
  onCompression?: (compression: Compression) => void,
): AsyncGenerator<Buffer, void> {
  const { start, whole } = await peek(source);
  const compression = compressionOf(start);
  onCompression?.(compression);
  if (compression === 'none') yield* whole;
  else yield* through(compression, compression === 'zstd' ? splitZstdFrames(whole) : whole);
}

async function* through(
  compression: Exclude<Compression, 'none'>,
  whole: AsyncIterable<Buffer>,
): AsyncGenerator<Buffer, void> {
  const decoder = decoderFor(compression);
  let fault: unknown;
  const fed = pipeline(Readable.from(whole), decoder.input).catch((error: NodeJS.ErrnoException) => {
    // A decoder that gave up closes its input; why it did is what its output says.
    if (error.code !== 'EPIPE') fault = error;
  });
  try {
    yield* decoder.output;
    await decoder.finished;
  } catch (error) {
    throw asArchiveError(compression, fault ?? error);
  } finally {
    decoder.stop();
    await fed;
  }
}

interface Decoder {
  readonly input: NodeJS.WritableStream;
  readonly output: AsyncIterable<Buffer>;
  /** Rejects when the output ended before its time. */
  readonly finished: Promise<void>;
  stop(): void;
}

function decoderFor(compression: Exclude<Compression, 'none'>): Decoder {
  if (compression === 'xz' || compression === 'bzip2') return programDecoder(compression);
  const options = { chunkSize: CHUNK_BYTES };
  const stream = compression === 'gzip' ? createGunzip(options) : createZstdDecompress(options);
  return { input: stream, output: stream, finished: Promise.resolve(), stop: () => stream.destroy() };
}

/** A decompressor that Node lacks, as a process of the distribution's. */
function programDecoder(program: 'xz' | 'bzip2'): Decoder {
  const child = spawn(program, ['-dc'], { stdio: ['pipe', 'pipe', 'pipe'] });
  const words: Buffer[] = [];
  child.stderr.on('data', (chunk: Buffer) => words.push(chunk));
  const finished = new Promise<void>((resolve, reject) => {
    child.once('error', (cause) => reject(missingProgram(program, cause)));
    child.once('close', (code) => {
      if (code === 0) resolve();
      else reject(badData(program, Buffer.concat(words).toString().trim()));
    });
  });
  finished.catch(() => undefined); // looked at only once the output has ended
  return { input: child.stdin, output: child.stdout, finished, stop: () => child.kill('SIGKILL') };
}

function missingProgram(program: string, cause: unknown): HostError {
  return new HostError('FailedPrecondition', 'DECOMPRESSOR_MISSING', `decompress: cannot run "${program}"`, {
    cause,
    hint: `install the package that holds "${program}"`,
  });
}

function asArchiveError(compression: string, error: unknown): unknown {
  if (isHostError(error) || !(error instanceof Error)) return error;
  const { code = '' } = error as NodeJS.ErrnoException;
  return /^(Z_|ZSTD_)/.test(code) ? badData(compression, error.message, error) : error;
}

function badData(compression: string, why: string, cause?: unknown): HostError {
  return new HostError('InvalidArgument', 'COMPRESSION_INVALID', `decompress ${compression}: ${why}`, {
    cause,
  });
}

async function peek(
  source: AsyncIterable<Uint8Array>,
): Promise<{ start: Buffer; whole: AsyncIterable<Buffer> }> {
  const chunks = source[Symbol.asyncIterator]();
  let start = Buffer.alloc(0);
  let isDone = false;
  while (start.length < MAGIC_BYTES && !isDone) {
    const next = await chunks.next();
    isDone = next.done === true;
    if (!next.done) start = Buffer.concat([start, next.value]);
  }
  const whole = async function* (): AsyncGenerator<Buffer, void> {
    try {
      if (start.length > 0) yield start;
      for (let next = await chunks.next(); !next.done; next = await chunks.next())
        yield Buffer.from(next.value.buffer, next.value.byteOffset, next.value.byteLength);
    } finally {
      await chunks.return?.();
    }
  };
  return { start, whole: whole() };
}
