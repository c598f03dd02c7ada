/** The same commands make the same plugin calls as with Docker 29.7.2, but for six classes of differences. */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { Check } from './same-calls/check.ts';
import { CLASSES, DIFFERENCES } from './same-calls/classes.ts';
import { Plugins, replay } from './same-calls/replay.ts';
import { readTrace, type Step } from './same-calls/trace.ts';

const DOC = join(import.meta.dirname, '../../docs/compatibility.md');

/** Each lane is one daemon and its plugin, and scenarios one after another, as they were recorded. */
const LANES: Readonly<Record<string, readonly string[]>> = {
  commands: [
    ...['01-volume-basic', '02-volume-run', '03-volume-shared', '04-volume-cp', '06-volume-copyup'],
    ...['07-volume-errors', '10-plugin-down', '11-unknown-driver', '12-volume-extra'],
    ...['53-volume-subpath', '54-image-mount'],
  ],
  restarts: [
    ...['05-volume-restart-liverestore', '05-volume-restart-plugin-down', '05-volume-restart-sigkill'],
    ...['05-volume-restart-sigterm', '57-unmount-count'],
  ],
  'more restarts': ['56-cp-liverestore', '58-get-err-at-restart', '59-start-absent-plugin'],
  'two plugins': ['08-volume-name-conflict'],
  'global scope': ['09-volume-global'],
};
/** From here on they are about networks. */
const LAST: Readonly<Record<string, number>> = { '59-start-absent-plugin': 28 };

/** Steps that use options of this docker command (its major version) and later, or what such a step has made. */
const NEEDS_COMMAND: Readonly<Record<string, { from: number; to: number; major: number }>> = {
  '01-volume-basic': { from: 14, to: Number.POSITIVE_INFINITY, major: 23 },
  '53-volume-subpath': { from: 2, to: Number.POSITIVE_INFINITY, major: 26 },
  '54-image-mount': { from: 7, to: 7, major: 28 },
};
const COMMAND =
  /version (\S+?),/.exec(execFileSync('docker', ['--version'], { encoding: 'utf8' }))?.[1] ?? '';

t.jobs = 3;
t.setTimeout(120_000);
for (const [lane, scenarios] of Object.entries(LANES)) {
  t.test(lane, { buffered: true }, (t) => runLane(t, lane, scenarios));
}

async function runLane(t: Test, lane: string, scenarios: readonly string[]): Promise<void> {
  const daemon = await startTestDaemon(t);
  const plugins = new Plugins(daemon);
  t.teardown(() => plugins.close());
  await plugins.up('rec', lane === 'global scope' ? ['--scope', 'global'] : []);
  await daemon.loadBusybox();
  await daemon.docker(['volume', 'ls']); // the recorder's daemon had met its plugin before
  if (lane === 'two plugins') await plugins.up('rec2');
  for (const name of scenarios) {
    await t.test(name, async (t) => {
      plugins.fresh();
      const scene: Scene = { t, name, daemon, plugins, check: new Check(t, name) };
      for (const step of readTrace(name).slice(0, (LAST[name] ?? Number.POSITIVE_INFINITY) + 1)) {
        const needs = tooOldFor(name, step);
        if (needs) t.pass(step.command, { skip: needs });
        else await runStep(scene, step);
      }
      scene.check.end();
      await leaveNothing(t, daemon);
    });
  }
}

function tooOldFor(name: string, { index }: Step): string | undefined {
  const { from, to, major } = NEEDS_COMMAND[name] ?? { from: 0, to: 0, major: 0 };
  const suffices = index < from || index > to || Number.parseInt(COMMAND, 10) >= major;
  return suffices ? undefined : `needs docker command ${major}, and this is ${COMMAND}`;
}

/** The next scenario begins as the recorded one did; a few leave a volume. */
async function leaveNothing(t: Test, daemon: TestDaemon): Promise<void> {
  t.same((await daemon.api('GET', '/containers/json?all=1')).body, [], 'no container is left');
  const { Volumes } = (await daemon.api('GET', '/volumes')).body as { Volumes: { Name: string }[] };
  for (const { Name } of Volumes) await daemon.api('DELETE', `/volumes/${encodeURIComponent(Name)}?force=1`);
}

interface Scene {
  readonly t: Test;
  readonly name: string;
  readonly daemon: TestDaemon;
  readonly plugins: Plugins;
  readonly check: Check;
}

/** What Gantry answers 501 to is skipped, and starts to be compared by itself on the day that it is there. */
async function runStep({ t, name, daemon, plugins, check }: Scene, recorded: Step): Promise<void> {
  const difference = DIFFERENCES[name]?.[recorded.index];
  const step = { ...recorded, command: difference?.command ?? recorded.command };
  const ran = await replay(daemon, plugins, step);
  const absent = /Error response from daemon: (?!pull).*not there yet.*/.exec(ran.stderr)?.[0];
  if (absent === undefined) return check.step(step, ran, difference);
  t.same(ran.calls, [], `no call by what is not there yet: ${step.command}`);
  t.pass(step.command, { skip: absent });
}

t.test('the classes are those of docs/compatibility.md, and each is used', async (t) => {
  const text = readFileSync(DOC, 'utf8');
  const section = /## Plugin calls: where Gantry differs from Docker\n(.*?)(\n## |$)/s.exec(text)?.[1] ?? '';
  const listed = [...section.matchAll(/^\* \*\*(D\d+) (.+?)\*\*/gm)].map(([, id, words]) => [id, words]);
  t.same(listed, Object.entries(CLASSES));
  const steps = Object.values(DIFFERENCES).flatMap((bySteps) => Object.values(bySteps));
  t.same(
    [...new Set(steps.map(({ by }) => by))].sort(),
    Object.keys(CLASSES).filter((id) => id !== 'D1'),
  );
});
