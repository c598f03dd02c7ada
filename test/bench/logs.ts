/** `docker logs` of a long log, and `docker logs -f` of one that grows as fast as it can. */
import { spawn } from 'node:child_process';
import type { Bench } from './bench.ts';
import { timed } from './measure.ts';
import type { EngineUnderTest } from './peer.ts';

const READ = 'docker logs of 1 GB';
const FOLLOW = 'docker logs -f of 200 MB while they are written';
const READ_MB = 1000;
const FOLLOW_MB = 200;
/** Docker takes over a minute for one. */
const LONG = { rounds: 2, warm: 0 };
const LINE =
  'the quick brown fox jumps over the lazy dog and writes a line of one hundred characters in all, w';

export async function logCases(bench: Bench): Promise<void> {
  const name = 'bench-log';
  if (bench.wants(READ)) {
    for (const engine of bench.both) {
      await bench.docker(engine, ...run(name, writer(READ_MB)));
      await bench.docker(engine, 'wait', name);
    }
    await bench.compare(READ, { limit: 1, ...LONG }, (engine) =>
      timed(async () => check(await drained(engine, 'logs', name), READ_MB)),
    );
    for (const engine of bench.both) await bench.docker(engine, 'rm', name);
  }
  await bench.compare(FOLLOW, { limit: 1, rounds: 3, warm: 1 }, async (engine) => {
    const took = await timed(async () => {
      await bench.docker(engine, ...run(name, `sleep 0.5; ${writer(FOLLOW_MB)}`));
      check(await drained(engine, 'logs', '-f', name), FOLLOW_MB);
    });
    await bench.docker(engine, 'rm', '-f', name);
    return took;
  });
}

function run(name: string, script: string): readonly string[] {
  return ['run', '-d', '--name', name, '--network', 'none', 'busybox', 'sh', '-c', script];
}

function writer(megabytes: number): string {
  return `yes '${LINE}' | head -c ${megabytes}000000`;
}

/** Bytes that the command wrote; they are thrown away. */
function drained({ socket }: EngineUnderTest, ...args: string[]): Promise<number> {
  const child = spawn('docker', ['-H', `unix://${socket}`, ...args], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let bytes = 0;
  child.stdout.on('data', (chunk: Buffer) => {
    bytes += chunk.length;
  });
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('close', () => resolve(bytes));
  });
}

function check(bytes: number, megabytes: number): void {
  if (bytes !== megabytes * 1_000_000) throw new Error(`bench: ${bytes} bytes of ${megabytes} MB came`);
}
