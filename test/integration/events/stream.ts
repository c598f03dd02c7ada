/** `GET /events` over the raw API, and what comes of it. */
import { type IncomingHttpHeaders, request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import type { Teardown, TestDaemon } from '../../fixtures/daemon.ts';

export interface Message {
  readonly Type: string;
  readonly Action: string;
  readonly Actor: { readonly ID: string; readonly Attributes: Readonly<Record<string, string>> };
}

export function parsed(line: string): Message {
  return JSON.parse(line) as Message;
}

export interface Stream {
  readonly headers: IncomingHttpHeaders;
  /** Those that have come so far. */
  readonly lines: string[];
}

/** Resolves when the headers are there. */
export async function eventStream(t: Teardown, { socket }: TestDaemon, path: string): Promise<Stream> {
  const { promise, resolve, reject } = Promise.withResolvers<Stream>();
  const asked = request({ socketPath: socket, path, agent: false });
  t.teardown(async () => void asked.destroy());
  asked.on('error', reject).once('response', (response) => {
    const lines: string[] = [];
    let rest = '';
    response.setEncoding('utf8').on('data', (text: string) => {
      const parts = (rest + text).split('\n');
      rest = parts.pop() ?? '';
      lines.push(...parts);
    });
    response.on('error', () => {}); // the daemon is gone before the client
    resolve({ headers: response.headers, lines });
  });
  asked.end();
  return promise;
}

/** Waits until `holds`; fails after half a minute. */
export async function until(holds: () => Promise<boolean>, what = 'what was waited for'): Promise<void> {
  const end = Date.now() + 30_000;
  while (!(await holds())) {
    if (Date.now() > end) throw new Error(`${what} did not come`);
    await delay(30);
  }
}
