/**
 * Clients that send nonsense by the thousand, leave half way or never read. The daemon answers each, or ends it; what it
 * says is in Docker's shape; it fails by no fault of its own; and when they are gone nothing of them is left in it.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import fc from 'fast-check';
import t from 'tap';
import { PUBLISHED } from '../../core/api/routes/absent.ts';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { type Outcome, play } from './hostile-clients/client.ts';
import { type Hostile, hostileRequests } from './hostile-clients/requests.ts';

const BATCHES = 200;
const TOGETHER = 12;
/** Answers that go on until the client leaves. */
const ENDLESS = /\/(events|attach|attach\/ws|logs|stats|wait)$/;

/** Not those that answer 501, and have their own test; nor those that speak to a registry. */
const OTHERS =
  / \/(swarm|services|nodes|tasks|secrets|configs|plugins|auth|distribution|images\/search)|push$/;
const OPERATIONS = [
  ...PUBLISHED.filter((operation) => !OTHERS.test(operation)),
  ...['GET /gantry/drivers', 'GET /gantry/drivers/{name}', 'GET /gantry/fsck', 'GET /gantry/why/{id}'],
];

t.setTimeout(240_000);
t.test('nonsense by the thousand', async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  await standing(daemon);
  const before = await settled(daemon);
  let sent = 0;
  const faults: string[] = [];
  // The same each time, so that a fault is a change's; other seeds by SEED=N.
  const seed = Number(process.env.SEED ?? 20_261_124);
  const requests = fc.sample(fc.array(hostileRequests(OPERATIONS), { minLength: 4, maxLength: TOGETHER }), {
    seed,
    numRuns: BATCHES,
  });
  for (const batch of requests) {
    const outcomes = await Promise.all(
      batch.map(async (request) => ({
        request,
        outcome: await play(daemon.socket, request, isEndless(request)),
      })),
    );
    sent += batch.length;
    faults.push(...outcomes.flatMap(({ request, outcome }) => faultsOf(request, outcome)));
    if (sent % 40 < batch.length) await standing(daemon);
  }
  t.ok(sent > 1_000, `${sent} requests, SEED=${seed}`);
  t.same(faults.slice(0, 5), [], `no answer with a fault, SEED=${seed}`);
  t.equal((await daemon.api('GET', '/_ping')).status, 200, 'the same daemon still answers');
  t.notMatch(daemon.log(), /request failed|uncaught|unhandled|TypeError|RangeError/i);
  const after = await settled(daemon);
  t.ok(
    after.descriptors <= before.descriptors + 3,
    `descriptors: ${before.descriptors}, then ${after.descriptors}`,
  );
  t.ok(after.mounts <= before.mounts, `mounts: ${before.mounts}, then ${after.mounts}`);
  const { findings } = (await daemon.api('GET', '/gantry/fsck')).body as { findings: { kind: string }[] };
  t.same(
    findings.filter(({ kind }) => kind !== 'cgroup'), // those may be of other daemons on this machine
    [],
    'the books agree with the machine',
  );
});

/** What requests can hit; they may have removed it. */
async function standing(daemon: TestDaemon): Promise<void> {
  if ((await daemon.api('GET', '/images/busybox/json')).status !== 200) await daemon.loadBusybox();
  await daemon.api('POST', '/containers/create?name=box', {
    Image: 'busybox',
    Cmd: ['sleep', '1000'],
    HostConfig: { NetworkMode: 'none' },
  });
  await daemon.api('POST', '/containers/box/start');
  await daemon.api('POST', '/volumes/create', { Name: 'there' });
}

function isEndless({ path }: Hostile): boolean {
  return ENDLESS.test(path.split('?', 1)[0] ?? '');
}

function faultsOf(request: Hostile, { status, text, ended }: Outcome): readonly string[] {
  const { method, path, manner } = request;
  const what = `${method} ${path.slice(0, 200)} (${manner}, ${request.body?.toString('latin1').slice(0, 300)})`;
  if (!ended) return [`no end: ${what}`];
  if (status >= 500 && status !== 501) return [`${status}: ${what}: ${text.slice(-300)}`];
  if (manner === 'polite' && status === 0 && !isEndless(request)) return [`no answer: ${what}`];
  // Too old a version is answered in plain text, as Docker does; what is no HTTP, by Node itself.
  const says = [
    /\r\n\r\n\{"message":".+"\}\n$/s,
    /\r\n\r\nclient version .+/s,
    /^HTTP\/1\.1 400 Bad Request\r\nConnection/,
  ].some((form) => form.test(text));
  if (manner === 'polite' && method !== 'HEAD' && status >= 400 && !says)
    return [`no message: ${what}: ${text}`];
  return [];
}

interface Held {
  readonly descriptors: number;
  readonly mounts: number;
}

/** What the daemon holds with no container there and nobody connected; what ends in the background has its time. */
async function settled(daemon: TestDaemon): Promise<Held> {
  const ids = async () =>
    (await daemon.api('GET', '/containers/json?all=1')).body as { Id: string; Names: string[] }[];
  for (const { Id, Names } of await ids()) {
    if (!Names.includes('/box')) await daemon.api('DELETE', `/containers/${Id}?force=1&v=1`);
  }
  let least = held(daemon);
  for (let round = 0; round < 100; round++) {
    await delay(100);
    const now = held(daemon);
    if (round > 10 && now.descriptors === least.descriptors && now.mounts === least.mounts) break;
    least = now;
  }
  return least;
}

function held({ pid, dir }: TestDaemon): Held {
  const mounts = readFileSync(`/proc/${pid}/mountinfo`, 'utf8').split('\n');
  return {
    descriptors: readdirSync(`/proc/${pid}/fd`).length,
    mounts: mounts.filter((line) => line.includes(dir)).length,
  };
}
