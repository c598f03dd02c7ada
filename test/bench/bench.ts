/** Both engines, what is measured on them, and what was found: what every group of cases is given. */
import { execFile, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import path from 'node:path';
import { promisify } from 'node:util';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { startGantry } from './gantry.ts';
import { alternate, judge, median, type Verdict } from './measure.ts';
import { type EngineUnderTest, startDocker } from './peer.ts';

const exec = promisify(execFile);

export interface CompareOptions {
  /** Highest ratio that is good enough. */
  readonly limit: number;
  /** Of what `work` answers; milliseconds when absent. */
  readonly unit?: string;
  /** For work that takes long; never more than the run's. */
  readonly rounds?: number;
  /** Rounds before, that do not count: two when absent. */
  readonly warm?: number;
}

export class Bench {
  readonly verdicts: Verdict[] = [];
  /** Sentences for the report. */
  readonly notes: string[] = [];
  /** Emptied and removed at the end; on a disk, as engines in use are. */
  readonly root = mkdtempSync('/var/tmp/gantry-bench-');
  readonly #rounds: number;
  readonly #only: readonly string[];
  readonly #closers: (() => Promise<unknown>)[] = [];
  #engines: readonly [gantry: EngineUnderTest, docker: EngineUnderTest] | undefined;

  constructor(options: { readonly rounds: number; readonly only: readonly string[] }) {
    this.#rounds = options.rounds;
    this.#only = options.only;
  }

  /** Gantry first. */
  get both(): readonly [gantry: EngineUnderTest, docker: EngineUnderTest] {
    if (!this.#engines) throw new Error('bench: the engines are not started yet');
    return this.#engines;
  }

  /** `root/gantry` or `root/docker`. */
  rootOf(engine: EngineUnderTest): string {
    return path.join(this.root, engine.name);
  }

  /** Starts both and loads `busybox:latest` into them. */
  async start(): Promise<void> {
    for (const name of ['gantry', 'docker']) mkdirSync(path.join(this.root, name));
    const gantry = await startGantry(path.join(this.root, 'gantry'), ['--default-runtime', 'crun']);
    this.onEnd(() => gantry.stop());
    const docker = await startDocker(path.join(this.root, 'docker'));
    this.onEnd(() => docker.stop());
    this.#engines = [gantry, docker];
    // Containers outlive Gantry's daemon, so they have to go first.
    for (const engine of this.#engines) this.onEnd(() => this.removeContainers(engine));
    const archive = path.join(this.root, 'busybox.tar');
    makeBusyboxArchive(archive, { tag: 'busybox:latest', format: 'docker' });
    for (const engine of this.#engines) await this.docker(engine, 'load', '-i', archive);
  }

  /** Whether a case of that name was asked for. */
  wants(name: string): boolean {
    return this.#only.length === 0 || this.#only.some((word) => name.includes(word));
  }

  /** The docker command on an engine; rejects when its exit code is not 0. */
  docker(
    { socket }: EngineUnderTest,
    ...args: readonly string[]
  ): Promise<{ stdout: string; stderr: string }> {
    return exec('docker', ['-H', `unix://${socket}`, ...args], { maxBuffer: 1 << 26 });
  }

  async removeContainers(engine: EngineUnderTest): Promise<void> {
    const { stdout } = await this.docker(engine, 'ps', '-aq');
    const ids = stdout.split('\n').filter(Boolean);
    if (ids.length > 0) await this.docker(engine, 'rm', '-f', ...ids);
  }

  /** `work` answers the figure of one round, lower being better. */
  async compare(
    name: string,
    { limit, unit = 'ms', rounds = this.#rounds, warm }: CompareOptions,
    work: (engine: EngineUnderTest) => Promise<number>,
  ): Promise<void> {
    if (!this.wants(name)) return;
    const [gantry, docker] = this.both;
    const taken = await alternate(
      Math.min(rounds, this.#rounds),
      () => work(gantry),
      () => work(docker),
      warm,
    );
    this.note(judge({ name, limit, unit, ...taken }));
  }

  /** For what the peer has no figure of: the median of `values`, or `value`, against a limit in milliseconds. */
  absolute(name: string, limit: number, values: readonly number[], value = median(values)): void {
    const unit = 'ms (absolute)';
    this.note({ name, limit, unit, gantry: values, docker: [], ratio: value, met: value <= limit });
  }

  note(verdict: Verdict): void {
    this.verdicts.push(verdict);
    const { name, met, ratio, limit, unit, gantry, docker } = verdict;
    const sides =
      docker.length > 0 ? `, ${median(gantry).toFixed(2)} / ${median(docker).toFixed(2)} ${unit}` : ' ms';
    console.log(`${met ? 'met   ' : 'MISSED'} ${name}: ${ratio.toFixed(3)} (limit ${limit})${sides}`);
  }

  /** What was begun last is ended first. */
  onEnd(close: () => Promise<unknown>): void {
    this.#closers.push(close);
  }

  async end(): Promise<void> {
    for (const close of this.#closers.reverse())
      await close().catch((error: unknown) => console.error(error));
    const unmount = `grep ' ${this.root}' /proc/self/mountinfo | awk '{print $5}' | sort -r | xargs -r -n1 umount -l`;
    spawnSync('sh', ['-c', unmount]);
    rmSync(this.root, { recursive: true, force: true });
  }
}
