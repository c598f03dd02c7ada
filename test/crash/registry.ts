/** The distribution's registry for the sweep's pulls: one a worker, started when it is first wanted. */
import { execFile, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { freePort, noRegistry } from '../fixtures/registry.ts';
import { archiveOf } from './images.ts';

const NAME = 'crash/pulled:1';
const READY_MS = 30_000;

let published: Promise<string> | undefined;

/** Name of an image of some layers to pull; undefined where there is no registry. */
export async function publishedImage(): Promise<string | undefined> {
  if (noRegistry) return undefined;
  published ??= publish();
  return published;
}

async function publish(): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-crash-registry-'));
  mkdirSync(join(dir, 'storage'));
  const port = await freePort();
  const config = {
    version: 0.1,
    log: { level: 'error', accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(dir, 'storage') } },
    http: { addr: `127.0.0.1:${port}` },
  };
  writeFileSync(join(dir, 'config.yml'), JSON.stringify(config));
  // Ends with its worker, however that ends.
  const command = ['--pdeathsig', 'KILL', 'docker-registry', 'serve', join(dir, 'config.yml')];
  const registry = spawn('setpriv', command, { stdio: 'ignore' });
  registry.unref();
  process.once('exit', () => {
    registry.kill('SIGKILL');
    rmSync(dir, { recursive: true, force: true });
  });
  await untilAnswers(port);
  writeFileSync(join(dir, 'archive.tar'), archiveOf(dir, NAME));
  const name = `127.0.0.1:${port}/${NAME}`;
  const copy = [
    'copy',
    '-q',
    '--dest-tls-verify=false',
    `docker-archive:${join(dir, 'archive.tar')}`,
    `docker://${name}`,
  ];
  await promisify(execFile)('skopeo', ['--insecure-policy', ...copy]);
  return name;
}

async function untilAnswers(port: number): Promise<void> {
  const end = Date.now() + READY_MS;
  while (
    !(await fetch(`http://127.0.0.1:${port}/v2/`).then(
      ({ ok }) => ok,
      () => false,
    ))
  ) {
    if (Date.now() > end) throw new Error('crash: the registry does not answer');
    await delay(20);
  }
}
