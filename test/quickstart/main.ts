/**
 * The quickstart: a daemon of its own, a volume plugin as a separate program, containers on its volume, and a crash of
 * the daemon in the middle. Each step is told, with the docker command that it equals. Leaves nothing behind.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { type Client, commandLines, dockerCommand, dockerode } from './client.ts';
import { note, said, say, shown } from './story.ts';

const PLUGIN = resolve(import.meta.dirname, '../../plugin-sdk/examples/volume-plugin.ts');
const PLUGIN_READY_MS = 10_000;
/** Long enough to be seen in what the container writes meanwhile. */
const AWAY_MS = 1_500;
const TICK = 'while :; do date +%T >> /notes/ticks; sleep 0.1; done';

const cleanUps: (() => Promise<void>)[] = [];
const stage = { teardown: (fn: () => Promise<void>) => cleanUps.push(fn) };

async function cleanUp(): Promise<void> {
  for (const fn of cleanUps.splice(0).reverse()) await fn();
}

/** Ctrl-C in the middle: the steps that are cut off fail, and nobody needs to hear of that. */
let interrupted = false;
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.once(name, () => {
    interrupted = true;
    void cleanUp().finally(() => process.exit(130));
  });
}

async function main(): Promise<void> {
  const wanted = clientName();
  const begun = performance.now();
  say('Start gantryd, with directories and a socket of its own');
  const daemon = await startTestDaemon(stage);
  note(`${readyAfter(begun, daemon)}, ${daemon.host}`);
  note(
    `asked by ${wanted === 'docker' ? 'the docker command' : 'dockerode, with the requests of these commands'}`,
  );
  const client = narrated(daemon, (wanted === 'docker' ? dockerCommand : dockerode)(daemon));

  await story(daemon, client);
  const seconds = ((performance.now() - begun) / 1000).toFixed(1);
  say(`Done in ${seconds} s`);
  note('a volume plugin served containers, and a killed daemon cost neither its container nor its data');
  note('next: README.md says how to run gantryd for good and how to write such a plugin');
}

async function story(daemon: TestDaemon, client: Client): Promise<void> {
  say('Make an image from the static busybox of this machine, and load it');
  const archive = join(daemon.dir, 'busybox.tar');
  makeBusyboxArchive(archive, { tag: 'busybox:latest' });
  await client.load(archive);

  say('Start a volume plugin, a program of its own');
  const plugin = await startPlugin(daemon);
  note(`process ${plugin.pid}; its socket makes it known as "sample"`);

  say('Create a volume on it');
  await client.createVolume('notes', 'sample');

  say('A container writes to the volume');
  await client.run({
    volume: 'notes:/notes',
    command: ['sh', '-c', 'echo "kept by a plugin" > /notes/hello'],
  });

  say('Another one writes on and on, in the background');
  await client.run({ name: 'ticker', detach: true, volume: 'notes:/notes', command: ['sh', '-c', TICK] });

  say('Kill the daemon in the middle of that');
  const { pid } = daemon;
  await daemon.kill();
  shown(`kill -9 ${pid}`);
  await delay(AWAY_MS);

  say('Start it again: the container has not noticed');
  const begun = performance.now();
  await daemon.restart();
  note(readyAfter(begun, daemon));
  const rows = await client.list();
  if (!/Up .*ticker/.test(rows)) throw new Error(`the container "ticker" does not run any more: ${rows}`);

  say('A new container reads what the first one wrote, and the ticks of each second, with no gap');
  const command = ['sh', '-c', 'cat /notes/hello && uniq -c /notes/ticks'];
  const read = await client.run({ volume: 'notes:/notes:ro', command });
  if (!read.startsWith('kept by a plugin\n')) throw new Error(`the volume has lost its content: ${read}`);

  say('What the daemon knows of its drivers');
  shown('gantry driver ls');
  said((await daemon.gantry(['driver', 'ls'])).stdout);

  say('Tidy up');
  await client.remove('ticker');
  await client.removeVolume('notes');
}

function readyAfter(begun: number, { pid }: TestDaemon): string {
  return `ready after ${Math.round(performance.now() - begun)} ms: process ${pid}`;
}

/** Each request shown as the docker command that it equals, then its answer. */
function narrated(daemon: TestDaemon, client: Client): Client {
  const tell =
    <A extends unknown[]>(line: (...args: A) => string[], act: (...args: A) => Promise<string>) =>
    async (...args: A) => {
      shown(['docker', '-H', daemon.host, ...line(...args)].map(quoted).join(' '));
      const answer = await act(...args);
      said(answer);
      return answer;
    };
  return {
    load: tell(commandLines.load, client.load),
    createVolume: tell(commandLines.createVolume, client.createVolume),
    removeVolume: tell(commandLines.removeVolume, client.removeVolume),
    run: tell(commandLines.run, client.run),
    list: tell(commandLines.list, client.list),
    remove: tell(commandLines.remove, client.remove),
  };
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
}

async function startPlugin(daemon: TestDaemon): Promise<ChildProcess> {
  const socket = join(daemon.pluginDir, 'sample.sock');
  const args = ['--disable-warning=ExperimentalWarning', PLUGIN, socket, join(daemon.dir, 'volumes')];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  const ended = once(child, 'exit');
  stage.teardown(async () => {
    child.kill();
    await ended;
  });
  for (const until = Date.now() + PLUGIN_READY_MS; !existsSync(socket); await delay(10)) {
    if (child.exitCode !== null || Date.now() > until) throw new Error('the plugin did not start');
  }
  return child;
}

function clientName(): 'docker' | 'dockerode' {
  const { client } = parseArgs({ options: { client: { type: 'string' } } }).values;
  if (client === 'docker' || client === 'dockerode') return client;
  if (client !== undefined) throw new Error(`--client can be docker or dockerode, not "${client}"`);
  return spawnSync('docker', ['--version']).status === 0 ? 'docker' : 'dockerode';
}

try {
  await main();
} catch (error) {
  if (!interrupted) {
    process.stderr.write(`quickstart: ${(error as Error).message}\n`);
    process.exitCode = 1;
  }
} finally {
  await cleanUp();
}
