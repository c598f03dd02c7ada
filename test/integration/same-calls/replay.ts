/** Replays a recording's commands, as they are, with the real `docker` command against Gantry and recording plugins. */
import { spawn } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { startVolumePlugin, type VolumePlugin } from '../../fakes/start-volume-plugin.ts';
import type { TestDaemon } from '../../fixtures/daemon.ts';
import { makeBusyboxArchive } from '../../fixtures/make-busybox-image.ts';
import { type Call, type Step, volumeCalls } from './trace.ts';

export interface Replayed {
  readonly code: number;
  readonly stderr: string;
  readonly calls: readonly Call[];
}

/** The plugins of one scenario, the recording's `rec` and where it is needed `rec2`. */
export class Plugins {
  readonly #daemon: TestDaemon;
  readonly #running = new Map<string, VolumePlugin>();
  readonly #seen = new Map<string, number>();

  constructor(daemon: TestDaemon) {
    this.#daemon = daemon;
  }

  get names(): readonly string[] {
    return [...this.#running.keys()];
  }

  async up(name: string, more: readonly string[] = []): Promise<void> {
    const { dir, pluginDir } = this.#daemon;
    const root = join(dir, 'volroot', name);
    mkdirSync(root, { recursive: true });
    const files = { socket: join(pluginDir, `${name}.sock`), root, record: join(dir, `${name}.calls`) };
    this.#running.set(name, await startVolumePlugin({ ...files, more }));
  }

  /** A crash: its socket file stays. */
  async down(name: string): Promise<void> {
    await this.#running.get(name)?.kill('SIGKILL');
  }

  async behave(behaviours: Record<string, object>): Promise<void> {
    await this.#running.get('rec')?.behave(behaviours);
  }

  /** Calls since the last time that this was asked. */
  fresh(): readonly Call[] {
    return [...this.#running].flatMap(([name, plugin]) => {
      const all = plugin.calls();
      const from = this.#seen.get(name) ?? 0;
      this.#seen.set(name, all.length);
      return volumeCalls(all.slice(from).map((call) => ({ ...call, plugin: name }) as Call));
    });
  }

  async close(): Promise<void> {
    await Promise.all([...this.#running.values()].map((plugin) => plugin.kill()));
  }
}

/** Runs one step; what the recorder did by itself (`signal dockerd …`, `plugin up`) is done here too. */
export async function replay(daemon: TestDaemon, plugins: Plugins, step: Step): Promise<Replayed> {
  if (step.behaviour) {
    await plugins.behave(step.behaviour);
    return { code: 0, stderr: '', calls: plugins.fresh() };
  }
  const ran = await act(daemon, plugins, step.command);
  return { ...ran, calls: plugins.fresh() };
}

async function act(
  daemon: TestDaemon,
  plugins: Plugins,
  command: string,
): Promise<{ code: number; stderr: string }> {
  const done = { code: 0, stderr: '' };
  if (command === 'signal dockerd SIGTERM') await daemon.stop();
  else if (command === 'signal dockerd SIGKILL') await daemon.kill();
  else if (command.startsWith('start dockerd')) await daemon.restart();
  else if (command.startsWith('plugin down')) await plugins.down('rec');
  else if (command === 'plugin up') await plugins.up('rec');
  else if (command.includes('docker commit bbb withd')) await loadWithDirectory(daemon);
  else return shell(daemon, command);
  return done;
}

/** `withd`: what the recorder made with `docker commit`. */
async function loadWithDirectory(daemon: TestDaemon): Promise<void> {
  const archive = join(daemon.dir, 'withd.tar');
  const layer = [
    { name: 'd/', kind: 'directory', mode: 0o755 },
    { name: 'd/imgfile', content: 'img\n' },
  ] as const;
  makeBusyboxArchive(archive, { tag: 'withd:latest', extraLayers: [layer] });
  await daemon.docker(['load', '-q', '-i', archive]);
}

function shell(daemon: TestDaemon, command: string): Promise<{ code: number; stderr: string }> {
  const here = command.replaceAll('<ROOT>/docker.sock', daemon.socket).replaceAll('<ROOT>', daemon.dir);
  const env = { ...process.env, DOCKER_HOST: daemon.host, DOCKER_CONFIG: join(daemon.dir, 'docker') };
  const child = spawn('sh', ['-c', here], { cwd: daemon.dir, env, stdio: ['ignore', 'ignore', 'pipe'] });
  let stderr = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((ended, failed) => {
    child.once('error', failed);
    child.once('close', (code) => ended({ code: code ?? 128, stderr }));
  });
}
