/** Waits for an engine's API. */
import http from 'node:http';

export function ping(socketPath: string): Promise<boolean> {
  const { promise, resolve } = Promise.withResolvers<boolean>();
  const request = http.get({ socketPath, path: '/_ping', timeout: 2_000 }, (response) => {
    response.resume();
    resolve(response.statusCode === 200);
  });
  request.once('error', () => resolve(false));
  request.once('timeout', () => request.destroy());
  return promise;
}

/** Resolves with the milliseconds it took. Throws after `limitMs`. */
export async function untilAnswers(socketPath: string, limitMs: number): Promise<number> {
  const begun = performance.now();
  while (!(await ping(socketPath))) {
    if (performance.now() - begun > limitMs)
      throw new Error(`no answer on ${socketPath} after ${limitMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
  return performance.now() - begun;
}
