/** A stop that ends in time: what is cut off is settled at the next start, as after a crash. */

/** Resolves with whether `stop` was done within `seconds`; negative: for ever. Rejects when `stop` does. */
export async function stopWithin(seconds: number, stop: () => Promise<void>): Promise<boolean> {
  const stopped = stop().then(() => true);
  if (seconds < 0) return stopped;
  const { promise: late, resolve } = Promise.withResolvers<boolean>();
  const timer = setTimeout(() => resolve(false), seconds * 1_000);
  return Promise.race([stopped, late]).finally(() => clearTimeout(timer));
}
