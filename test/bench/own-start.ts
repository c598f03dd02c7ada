/** How long our own programs take to start: absolute limits. */
import { execFile } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import type { Bench } from './bench.ts';
import { startGantry } from './gantry.ts';
import { timed } from './measure.ts';
import type { EngineUnderTest } from './peer.ts';

const exec = promisify(execFile);
const COMMAND = path.resolve(import.meta.dirname, '../../core/bin/gantry');

export async function ownStart(bench: Bench): Promise<void> {
  if (!bench.wants('own start')) return;
  const empty: number[] = [];
  for (let round = 0; round < 7; round += 1) {
    const root = path.join(bench.root, `empty-${round}`);
    mkdirSync(root);
    let engine: EngineUnderTest | undefined;
    empty.push(await timed(async () => (engine = await startGantry(root))));
    await engine?.stop();
  }
  bench.absolute('gantryd ready, empty', 250, empty);
  const version: number[] = [];
  for (let round = 0; round < 15; round += 1) version.push(await timed(() => exec(COMMAND, ['--version'])));
  bench.absolute('gantry --version', 60, version);
}
