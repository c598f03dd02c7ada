/**
 * A real Docker Engine of the distribution as the peer: in a mount and a network namespace of its own, with its own
 * roots and socket, so that it neither sees nor disturbs what else runs here.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import path from 'node:path';
import { untilAnswers } from './wait.ts';

export interface EngineUnderTest {
  readonly name: string;
  readonly socket: string;
  readonly pluginDir: string;
  /** Process ids whose memory counts. */
  pids(): readonly number[];
  /** SIGTERM, and until it is gone. */
  stop(): Promise<void>;
  /** Starts it again on the same roots; resolves when the API answers. */
  start(): Promise<void>;
}

/** `network`: `host` for one that is to reach what listens on this machine's loopback. */
export async function startDocker(root: string, network: 'own' | 'host' = 'own'): Promise<EngineUnderTest> {
  const engine = new DockerEngine(root, network);
  await engine.start();
  return engine;
}

class DockerEngine implements EngineUnderTest {
  readonly name = 'docker';
  readonly socket: string;
  readonly pluginDir: string;
  readonly #root: string;
  readonly #network: 'own' | 'host';
  #child: ChildProcess | undefined;

  constructor(root: string, network: 'own' | 'host') {
    this.#root = root;
    this.#network = network;
    this.socket = path.join(root, 'docker.sock');
    this.pluginDir = path.join(root, 'plugins');
  }

  async start(): Promise<void> {
    mkdirSync(this.pluginDir, { recursive: true });
    rmSync(path.join(this.#root, 'docker.pid'), { force: true });
    const at = (name: string) => path.join(this.#root, name);
    // The plugin directory is a fixed path of dockerd, so its own is put there, in its namespace alone.
    const script = `mkdir -p /run/docker/plugins && mount -t tmpfs tmpfs /run/docker && mkdir /run/docker/plugins &&
      mount --bind "$1" /run/docker/plugins && ip link set lo up && shift && exec "$@" >>"$0" 2>&1`;
    const dockerd = [
      'dockerd',
      '--data-root',
      at('data'),
      '--exec-root',
      at('exec'),
      '--pidfile',
      at('docker.pid'),
    ];
    const flags = ['-H', `unix://${this.socket}`, '--iptables=false', '--bridge=none', '--live-restore'];
    this.#child = spawn(
      'unshare',
      [
        '-m',
        ...(this.#network === 'own' ? ['-n'] : []),
        '--propagation',
        'private',
        'sh',
        '-c',
        script,
        at('log'),
        this.pluginDir,
        ...dockerd,
        ...flags,
      ],
      { stdio: 'ignore' },
    );
    await untilAnswers(this.socket, 60_000);
  }

  pids(): readonly number[] {
    const own = Number(readFileSync(path.join(this.#root, 'docker.pid'), 'utf8'));
    const both = [own, ...childrenOf(own)].filter((pid) => ['dockerd', 'containerd'].includes(nameOf(pid)));
    if (both.length !== 2)
      throw new Error(`bench: dockerd and containerd are expected, found ${both.length}`);
    return both;
  }

  async stop(): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    child.once('exit', () => resolve());
    process.kill(Number(readFileSync(path.join(this.#root, 'docker.pid'), 'utf8')), 'SIGTERM');
    await promise;
  }
}

export function dockerIsInstalled(): boolean {
  return spawnSync('sh', ['-c', 'command -v dockerd && command -v containerd']).status === 0;
}

/** Of all its threads: a Go program starts others on whichever one it is. */
function childrenOf(pid: number): readonly number[] {
  const tasks = readdirSync(`/proc/${pid}/task`);
  const children = tasks.flatMap((task) =>
    readFileSync(`/proc/${pid}/task/${task}/children`, 'utf8').split(' ').filter(Boolean),
  );
  return children.map(Number);
}

function nameOf(pid: number): string {
  return readFileSync(`/proc/${pid}/comm`, 'utf8').trim();
}
