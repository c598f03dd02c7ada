/**
 * A machine of the sweep's own: a daemon, a volume plugin, a disk whose power can be cut, and what a restart empties.
 * Its directory is made of a template in which the image is loaded already.
 */
import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { closeSync, existsSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { startVolumePlugin, type VolumePlugin } from '../fakes/start-volume-plugin.ts';
import { containerIds, endContainers, unmountBelow } from '../fixtures/left-behind.ts';
import { Client, Cut } from './client.ts';
import { Disk } from './disk.ts';

const ROOT = process.env.GANTRY_ROOT ?? resolve(import.meta.dirname, '../..');
const READY_MS = 20_000;
export const PLUGIN = 'rec';

export interface StartOptions {
  /** Over the environment of this process. */
  readonly env?: Readonly<Record<string, string>>;
}

export class Machine {
  readonly dir: string;
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pluginRoot: string;
  readonly disk: Disk;
  readonly socket: string;
  /** Containers that ever had something on this machine, acknowledged or not. */
  readonly idsSeen = new Set<string>();
  client: Client;
  /** The disk writes nothing any more: what fails now proves nothing, what is acknowledged must hold all the same. */
  isPowerOff = false;
  #plugin: VolumePlugin | undefined;
  #child: ChildProcess | undefined;
  #ended: Promise<unknown> = Promise.resolve();
  #boot = randomUUID();

  private constructor(dir: string) {
    this.dir = dir;
    this.disk = new Disk(join(dir, 'disk.img'), join(dir, 'disk'));
    this.dataRoot = join(dir, 'disk/data');
    this.execRoot = join(dir, 'run');
    this.pluginRoot = join(dir, 'plugin');
    this.socket = join(dir, 'g.sock');
    this.client = new Client(this.socket);
  }

  /** With a plugin, and a daemon that does not run yet. `template`: a disk's file. */
  static async make(dir: string, template?: string): Promise<Machine> {
    mkdirSync(join(dir, 'plugins'), { recursive: true });
    const machine = new Machine(dir);
    if (template === undefined) Disk.format(join(dir, 'disk.img'));
    else execFileSync('cp', ['--sparse=always', template, join(dir, 'disk.img')]);
    machine.disk.mount();
    await machine.startPlugin();
    return machine;
  }

  /** How the plugin misbehaves, as JSON; see test/fakes/volume-plugin.ts. */
  get behaveFile(): string {
    return join(this.dir, 'behave.json');
  }

  get pid(): number {
    return this.#child?.pid ?? 0;
  }

  get plugin(): VolumePlugin {
    if (!this.#plugin) throw new Error('the plugin does not run');
    return this.#plugin;
  }

  async startPlugin(): Promise<void> {
    const socket = join(this.dir, `plugins/${PLUGIN}.sock`);
    this.#plugin = await startVolumePlugin({
      socket,
      root: this.pluginRoot,
      record: join(this.dir, 'calls'),
      more: ['--behave', this.behaveFile],
    });
  }

  async killPlugin(): Promise<void> {
    await this.#plugin?.kill('SIGKILL');
  }

  /** Resolves when the plugin that runs now has ended. */
  async pluginEnded(): Promise<void> {
    await this.#plugin?.ended;
  }

  /** False when the daemon died before it answered, as a failpoint of the recovery has it do. */
  async start({ env = {} }: StartOptions = {}): Promise<boolean> {
    const flags = [
      ...['-H', `unix://${this.socket}`, '--data-root', this.dataRoot, '--exec-root', this.execRoot],
      ...['--plugin-socket-dir', join(this.dir, 'plugins'), '--plugin-spec-dir', join(this.dir, 'specs')],
    ];
    rmSync(this.socket, { force: true });
    const log = openSync(join(this.dir, 'log'), 'a');
    const child = spawn(join(ROOT, 'core/bin/gantryd'), flags, {
      stdio: ['ignore', log, log],
      env: { ...process.env, ...this.#failpointEnv(), GANTRY_BOOT_ID: this.#boot, ...env },
    });
    closeSync(log);
    this.#child = child;
    this.#ended = new Promise((ended) =>
      child.once('exit', () => {
        this.#child = undefined;
        ended(undefined);
      }),
    );
    return this.#ready();
  }

  /** Has the daemon die at the k-th point from now on; with 0 it only counts. */
  async order(dieAt: number): Promise<void> {
    rmSync(this.#at('trace'), { force: true });
    writeFileSync(this.#at('order'), String(dieAt));
    process.kill(this.pid, 'SIGUSR2');
    while (existsSync(this.#at('order'))) await delay(1);
  }

  /** Takes the order back. False when the daemon was quicker and died, at a write of its own after its last answer. */
  async disarm(): Promise<boolean> {
    const child = this.#child;
    const lives = () => child?.exitCode === null && child.signalCode === null;
    writeFileSync(this.#at('order'), '0');
    if (lives()) child?.kill('SIGUSR2');
    while (lives() && existsSync(this.#at('order'))) await delay(1);
    rmSync(this.#at('order'), { force: true });
    return lives();
  }

  /** Names of the points passed since the last order or start. */
  pointsPassed(): readonly string[] {
    if (!existsSync(this.#at('trace'))) return [];
    return readFileSync(this.#at('trace'), 'utf8').split('\n').filter(Boolean);
  }

  forgetPoints(): void {
    rmSync(this.#at('trace'), { force: true });
  }

  /** Resolves when the daemon is gone; by itself unless `signal` is given. */
  async end(signal?: NodeJS.Signals): Promise<void> {
    if (signal && this.#child) this.#child.kill(signal);
    await this.#ended;
    this.client.close();
    this.client = new Client(this.socket);
    this.noteIds();
  }

  noteIds(): void {
    for (const id of containerIds(this.dataRoot, this.execRoot)) this.idsSeen.add(id);
  }

  /** The power goes: unsynced writes, processes and the exec root are lost. It is on again when this resolves. */
  async cutPower(): Promise<void> {
    this.isPowerOff = true;
    this.disk.cut();
    await this.restart();
    this.isPowerOff = false;
  }

  /** What a restart of the machine leaves: the disk. */
  async restart(): Promise<void> {
    await this.end('SIGKILL');
    await endContainers(this.dataRoot, this.execRoot);
    unmountBelow(this.execRoot);
    unmountBelow(this.dataRoot);
    await this.disk.unmount();
    rmSync(this.execRoot, { recursive: true, force: true });
    this.disk.mount();
    this.#boot = randomUUID();
  }

  log(): string {
    return existsSync(this.#at('log')) ? readFileSync(this.#at('log'), 'utf8') : '';
  }

  async dispose(): Promise<void> {
    try {
      await this.end('SIGKILL');
      await this.#plugin?.kill('SIGKILL');
      await endContainers(this.dataRoot, this.execRoot);
    } finally {
      unmountBelow(this.dir);
      await this.disk.unmount();
      rmSync(this.dir, { recursive: true, force: true, maxRetries: 3 });
    }
  }

  #at(name: string): string {
    return join(this.dir, name);
  }

  #failpointEnv(): Record<string, string> {
    return { GANTRY_FAILPOINT_ORDER: this.#at('order'), GANTRY_FAILPOINT_TRACE: this.#at('trace') };
  }

  async #ready(): Promise<boolean> {
    const until = Date.now() + READY_MS;
    while (this.#child) {
      try {
        if ((await this.client.ask('GET', '/_ping')).status === 200) return true;
      } catch (error) {
        if (!(error instanceof Cut)) throw error;
      }
      if (Date.now() > until) throw new Error(`the daemon does not answer:\n${this.log().slice(-2_000)}`);
      await delay(5);
    }
    this.noteIds();
    return false;
  }
}
