/** Pieces that somebody hands over, as something to iterate over. */

/** `produce` gets where to put pieces, and goes on when one has been taken; its error is the iteration's. */
export async function* chunksOf(
  produce: (put: (chunk: Buffer) => Promise<void>) => Promise<void>,
): AsyncGenerator<Buffer, void> {
  let here: { readonly chunk: Buffer; readonly taken: () => void } | undefined;
  let wake = Promise.withResolvers<void>();
  let hasEnded = false;
  const done = produce(async (chunk) => {
    const { promise, resolve } = Promise.withResolvers<void>();
    here = { chunk, taken: resolve };
    wake.resolve();
    await promise;
  }).finally(() => {
    hasEnded = true;
    wake.resolve();
  });
  done.catch(() => {}); // looked at below
  while (!hasEnded || here) {
    await wake.promise;
    wake = Promise.withResolvers<void>();
    const next = here;
    here = undefined;
    if (hasEnded) wake.resolve();
    if (!next) continue;
    yield next.chunk;
    next.taken();
  }
  await done;
}
