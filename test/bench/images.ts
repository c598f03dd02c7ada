/**
 * `docker load` and `docker pull` of half a gigabyte, from the distribution's registry in each engine's network; and how
 * long Gantry's event loop stood still meanwhile, as a process of its own sees it that asks `/_ping` all the time.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { freePort, noRegistry } from '../fixtures/registry.ts';
import type { Bench } from './bench.ts';
import { makeBigArchive } from './big-image.ts';
import { timed } from './measure.ts';
import type { EngineUnderTest } from './peer.ts';

const LOAD = 'docker load of 500 MB';
const PULL = 'docker pull of 500 MB';
const NAME = 'bench-big:1';
const LONGEST_MS = 50;

export async function imageCases(bench: Bench): Promise<void> {
  if (![LOAD, PULL].some((name) => bench.wants(name))) return;
  const archive = path.join(bench.root, 'big.tar');
  makeBigArchive(archive, NAME);
  const waits = new Waits();
  await bench.compare(LOAD, { limit: 1, rounds: 5 }, async (engine) => {
    const took = await waits.during(engine, LOAD, () => bench.docker(engine, 'load', '-q', '-i', archive));
    await bench.docker(engine, 'rmi', NAME);
    return took;
  });
  if (bench.wants(PULL) && !noRegistry) await pulls(bench, archive, waits);
  for (const [what, ms] of waits.longest) {
    bench.absolute(`longest wait for an answer during ${what}`, LONGEST_MS, [ms]);
  }
}

async function pulls(bench: Bench, archive: string, waits: Waits): Promise<void> {
  const port = await freePort();
  const name = `127.0.0.1:${port}/${NAME}`;
  const config = path.join(bench.root, 'registry.yml');
  const storage = path.join(bench.root, 'registry');
  mkdirSync(storage);
  writeFileSync(config, JSON.stringify(configOf(storage, port)));
  // One storage, served in the network of either engine.
  for (const engine of bench.both) {
    const [inNetwork = ''] = engine.name === 'docker' ? [String(engine.pids()[0])] : [];
    const registry = serve(config, inNetwork);
    bench.onEnd(async () => registry.kill('SIGKILL'));
    await delay(1000); // its network may be out of reach from here
  }
  const to = ['--dest-tls-verify=false', `docker-archive:${archive}`, `docker://${name}`];
  execFileSync('skopeo', ['--insecure-policy', 'copy', '-q', ...to]);
  await bench.compare(PULL, { limit: 1, rounds: 5 }, async (engine) => {
    const took = await waits.during(engine, PULL, () => bench.docker(engine, 'pull', '-q', name));
    await bench.docker(engine, 'rmi', name);
    return took;
  });
}

/** The longest that Gantry let a question wait, by what it did. */
class Waits {
  readonly longest = new Map<string, number>();

  async during(engine: EngineUnderTest, what: string, work: () => Promise<unknown>): Promise<number> {
    if (engine.name === 'docker') return timed(work);
    const pinger = spawn(process.execPath, [path.join(import.meta.dirname, 'pinger.ts'), engine.socket], {
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let said = '';
    pinger.stdout.on('data', (chunk: Buffer) => {
      said += chunk;
    });
    const ended = new Promise((resolve) => pinger.once('close', resolve));
    const took = await timed(work).finally(() => pinger.stdin.end());
    await ended;
    this.longest.set(what, Math.max(this.longest.get(what) ?? 0, Number(said)));
    return took;
  }
}

function configOf(storage: string, port: number): object {
  return {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: storage } },
    http: { addr: `127.0.0.1:${port}` },
  };
}

/** `inNetwork`: id of a process in whose network it listens; '' for this one's. */
function serve(config: string, inNetwork: string): ChildProcess {
  const command = ['docker-registry', 'serve', config];
  const [program = '', ...args] = inNetwork ? ['nsenter', '-t', inNetwork, '-n', ...command] : command;
  return spawn(program, args, { stdio: 'ignore' });
}
