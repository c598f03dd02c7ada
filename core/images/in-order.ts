/**
 * Unpacks layers bottom first; where each is independent of those below, the next begins while the one before is still
 * unpacked. The first failure is thrown once all have ended.
 */
export async function inOrder<T>(
  items: readonly T[],
  areIndependent: () => boolean,
  unpack: (item: T, index: number) => Promise<{ readonly done: Promise<void> }>,
): Promise<void> {
  const underWay: Promise<void>[] = [];
  try {
    for (const [index, item] of items.entries()) {
      const { done } = await unpack(item, index);
      done.catch(() => {}); // told below
      underWay.push(done);
      if (!areIndependent()) await done;
    }
    await Promise.all(underWay);
  } finally {
    await Promise.allSettled(underWay);
  }
}
