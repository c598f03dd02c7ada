/** What a client sends, on its way to a process. */
import type { Duplex, Writable } from 'node:stream';
import { DetachKeys } from './detach-keys.ts';

/** conmon drops what is longer. */
const STDIN_PACKET = 8_192;

/** How a client's input came to its end: it half-closed, it asked to be let go, or it or the process has gone. */
export type StdinEnd = 'ended' | 'detached' | 'failed';

/**
 * One packet at a time, each awaited: packets that the kernel joins are cut by their reader. With `detachKeys` the input
 * is watched for them; what comes after them is left in the client's stream.
 */
export async function pumpStdin(
  client: Duplex,
  task: Writable,
  detachKeys: Buffer | undefined,
): Promise<StdinEnd> {
  const keys = detachKeys && new DetachKeys(detachKeys);
  try {
    // Not by the client's own iterator, which ends the client with it: there may be output to come.
    for await (const chunk of client.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      const { through, detached } = keys?.take(chunk) ?? { through: chunk, detached: false };
      await send(task, through);
      if (detached) return 'detached';
    }
    if (keys) await send(task, keys.rest());
    task.end();
    return 'ended';
  } catch {
    task.destroy();
    return 'failed';
  }
}

async function send(task: Writable, bytes: Buffer): Promise<void> {
  for (let at = 0; at < bytes.length; at += STDIN_PACKET) {
    await written(task, bytes.subarray(at, at + STDIN_PACKET));
  }
}

function written(stream: Writable, bytes: Buffer): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  stream.write(bytes, (error) => (error ? reject(error) : resolve()));
  return promise;
}
