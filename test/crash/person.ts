/**
 * Somebody who uses the daemon and remembers what it said: of each object, whether it is there, gone, or unsure because
 * the daemon went away in the middle. Every success is told to `onSuccess`, so that a power cut can come right after it.
 */
import { setTimeout as delay } from 'node:timers/promises';
import type { Answer } from './client.ts';
import { Cut } from './client.ts';
import type { Machine } from './machine.ts';

export type Belief = 'there' | 'gone' | 'unsure';

export interface ContainerBelief {
  belief: Belief;
  /** Whether its process runs; unsure of one that ends by itself. */
  runs: 'yes' | 'no' | 'unsure';
  readonly autoRemove: boolean;
  /** Writes a number a line into its log, for ever. */
  readonly counts: boolean;
  /** Its restart policy starts it again whatever ends it, but for a stop. */
  readonly comesBack: boolean;
  /** Undefined of one that nobody has paused. */
  paused?: 'yes' | 'no' | 'unsure';
  /** As it was last told; undefined while a renaming is not answered. */
  name: string | undefined;
  /** How often its policy starts it again in all, once its start was told of. */
  retries?: number;
}

export interface ContainerWish {
  readonly name?: string;
  readonly body: Readonly<Record<string, unknown>>;
  readonly counts?: boolean;
  /** Named volumes that come to be with it. */
  readonly makes?: readonly string[];
  /** The one of them that gets what the image has at /data. */
  readonly fills?: string;
}

export class Person {
  readonly volumes = new Map<string, Belief>();
  readonly images = new Map<string, Belief>();
  readonly containers = new Map<string, ContainerBelief>();
  /** Local volumes that have the image's /data. */
  readonly filled = new Set<string>();
  /** Of updates that were answered, by the container's id. */
  readonly limits = new Map<string, Readonly<Record<string, number>>>();
  /** `volume/x`, `container/ID`: what somebody has asked to be removed, answered or not. */
  readonly askedAway = new Set<string>();
  readonly #machine: Machine;
  readonly #onSuccess: (count: number) => Promise<void>;
  #successes = 0;

  constructor(machine: Machine, onSuccess: (count: number) => Promise<void> = async () => {}) {
    this.#machine = machine;
    this.#onSuccess = onSuccess;
  }

  get successes(): number {
    return this.#successes;
  }

  get machine(): Machine {
    return this.#machine;
  }

  /** Makes a volume; answers its name. '' lets the daemon name it. */
  async createVolume(
    name: string,
    driver: string,
    options?: Readonly<Record<string, string>>,
  ): Promise<string> {
    if (name !== '') this.volumes.set(name, 'unsure');
    const body = { Name: name, Driver: driver, ...(options && { DriverOpts: options }) };
    const { text } = await this.#expect([201], 'POST', '/volumes/create', body);
    const made = (JSON.parse(text) as { Name: string }).Name;
    this.volumes.set(made, 'there');
    await this.#succeeded();
    return made;
  }

  async removeVolume(name: string): Promise<void> {
    this.volumes.set(name, 'unsure');
    this.filled.delete(name);
    this.askedAway.add(`volume/${name}`);
    await this.#expect([204], 'DELETE', `/volumes/${name}`);
    this.volumes.set(name, 'gone');
    await this.#succeeded();
  }

  /** A create that its driver refuses. */
  async failToCreateVolume(name: string, driver: string): Promise<void> {
    this.volumes.set(name, 'unsure');
    await this.#expect([500], 'POST', '/volumes/create', { Name: name, Driver: driver });
    this.volumes.set(name, 'gone');
  }

  async create({ name = '', body, counts = false, makes = [], fills }: ContainerWish): Promise<string> {
    for (const volume of makes) this.volumes.set(volume, 'unsure');
    const { text } = await this.#expect([201], 'POST', `/containers/create?name=${name}`, body);
    const id = (JSON.parse(text) as { Id: string }).Id;
    const { AutoRemove = false, RestartPolicy } = (body.HostConfig ?? {}) as {
      AutoRemove?: boolean;
      RestartPolicy?: { Name: string };
    };
    const comesBack = ['always', 'unless-stopped'].includes(RestartPolicy?.Name ?? '');
    for (const volume of makes) this.volumes.set(volume, 'there');
    if (fills) this.filled.add(fills);
    const autoRemove = AutoRemove;
    this.containers.set(id, {
      belief: 'there',
      runs: 'no',
      autoRemove,
      counts,
      comesBack,
      name: name || undefined,
    });
    await this.#succeeded();
    return id;
  }

  /** A create that fails for `status`. */
  async failToCreate(status: number, { name = '', body }: ContainerWish): Promise<void> {
    await this.#expect([status], 'POST', `/containers/create?name=${name}`, body);
  }

  /** `ends`: it ends by itself, so nobody knows how long it runs. */
  async start(id: string, { ends = false } = {}): Promise<void> {
    const known = this.#known(id);
    known.runs = 'unsure';
    if (ends && known.autoRemove) known.belief = 'unsure';
    await this.#expect([204], 'POST', `/containers/${id}/start`);
    known.runs = ends ? 'unsure' : 'yes';
    await this.#succeeded();
  }

  /** Starts one that fails, until its policy lets it be: after `retries` more starts. */
  async startInVain(id: string, retries: number): Promise<void> {
    await this.start(id, { ends: true });
    this.#known(id).retries = retries;
    for (;;) {
      const { text } = await this.#expect([200], 'GET', `/containers/${id}/json`);
      if ((JSON.parse(text) as { State: { Status: string } }).State.Status === 'exited') break;
      await delay(20);
    }
    this.#known(id).runs = 'no';
    await this.#succeeded();
  }

  async failToStart(id: string): Promise<void> {
    const known = this.#known(id);
    if (known.autoRemove) known.belief = 'unsure';
    await this.#expect([400, 404, 409, 500], 'POST', `/containers/${id}/start`);
    if (known.autoRemove) known.belief = 'gone';
  }

  async update(id: string, limits: Readonly<Record<string, number>>): Promise<void> {
    await this.#expect([200], 'POST', `/containers/${id}/update`, limits);
    this.limits.set(id, { ...this.limits.get(id), ...limits });
    await this.#succeeded();
  }

  async stop(id: string): Promise<void> {
    this.#known(id).runs = 'unsure';
    await this.#expect([204, 304], 'POST', `/containers/${id}/stop?t=5`);
    this.#known(id).runs = 'no';
    await this.#succeeded();
  }

  async kill(id: string): Promise<void> {
    this.#known(id).runs = 'unsure';
    await this.#expect([204], 'POST', `/containers/${id}/kill`);
    this.#known(id).runs = 'no';
    await this.#succeeded();
  }

  async remove(id: string, { force = false } = {}): Promise<void> {
    this.#known(id).belief = 'unsure';
    this.#known(id).runs = 'unsure';
    this.askedAway.add(`container/${id}`);
    await this.#expect([204], 'DELETE', `/containers/${id}?v=1${force ? '&force=1' : ''}`);
    this.#known(id).belief = 'gone';
    await this.#succeeded();
  }

  /** As `docker run --rm`: waits for the removal, which the wait asked for before the start. Answers the exit code. */
  async runToEnd(wish: ContainerWish): Promise<number> {
    const id = await this.create(wish);
    const head = Promise.withResolvers<void>();
    const path = `/containers/${id}/wait?condition=removed`;
    const ended = this.#machine.client.ask('POST', path, undefined, { onHead: head.resolve });
    ended.catch(head.reject);
    await head.promise;
    await this.start(id, { ends: true });
    const { text } = await ended;
    if (text.trim() === '') throw new Cut('wait ended with nothing');
    this.#known(id).belief = 'gone';
    await this.#succeeded();
    return (JSON.parse(text) as { StatusCode: number }).StatusCode;
  }

  async pull(name: string): Promise<void> {
    this.images.set(name, 'unsure');
    const path = `/images/create?fromImage=${encodeURIComponent(name)}`;
    const { text } = await this.#expect([200], 'POST', path);
    // The daemon may have died after the head of its answer.
    if (!/Status: /.test(text)) throw new Cut(`pull ended with "${text}"`);
    this.images.set(name, 'there');
    await this.#succeeded();
  }

  async load(name: string, archive: Buffer): Promise<void> {
    this.images.set(name, 'unsure');
    const { text } = await this.#expect([200], 'POST', '/images/load?quiet=1', archive);
    if (/errorDetail/.test(text)) throw new Error(`load: ${text}`);
    if (!/Loaded image/.test(text)) throw new Cut(`load ended with "${text}"`);
    this.images.set(name, 'there');
    await this.#succeeded();
  }

  async importImage(name: string, rootfs: Buffer): Promise<void> {
    this.images.set(name, 'unsure');
    const { text } = await this.#expect(
      [200],
      'POST',
      `/images/create?fromSrc=-&repo=${name}&tag=latest`,
      rootfs,
    );
    if (/errorDetail/.test(text)) throw new Error(`import: ${text}`);
    if (!/sha256:/.test(text)) throw new Cut(`import ended with "${text}"`);
    this.images.set(name, 'there');
    await this.#succeeded();
  }

  async pause(id: string, paused: boolean): Promise<void> {
    this.#known(id).paused = 'unsure';
    await this.#expect([204], 'POST', `/containers/${id}/${paused ? 'pause' : 'unpause'}`);
    this.#known(id).paused = paused ? 'yes' : 'no';
    await this.#succeeded();
  }

  async rename(id: string, name: string): Promise<void> {
    this.#known(id).name = undefined;
    await this.#expect([204], 'POST', `/containers/${id}/rename?name=${name}`);
    this.#known(id).name = name;
    await this.#succeeded();
  }

  /** Runs `command` in the container to its end. */
  async exec(id: string, command: readonly string[]): Promise<void> {
    const { text } = await this.#expect([201], 'POST', `/containers/${id}/exec`, { Cmd: command });
    const exec = (JSON.parse(text) as { Id: string }).Id;
    await this.#expect([200], 'POST', `/exec/${exec}/start`, { Detach: true });
    for (;;) {
      const said = await this.#expect([200], 'GET', `/exec/${exec}/json`);
      if (!(JSON.parse(said.text) as { Running: boolean }).Running) break;
      await delay(10);
    }
    await this.#succeeded();
  }

  async tag(image: string, name: string): Promise<void> {
    this.images.set(`${name}:latest`, 'unsure');
    await this.#expect([201], 'POST', `/images/${image}/tag?repo=${name}&tag=latest`);
    this.images.set(`${name}:latest`, 'there');
    await this.#succeeded();
  }

  /** Those that do not run go. */
  async prune(ids: readonly string[]): Promise<void> {
    for (const id of ids) this.#known(id).belief = 'unsure';
    for (const id of ids) this.askedAway.add(`container/${id}`);
    await this.#expect([200], 'POST', '/containers/prune');
    for (const id of ids) this.#known(id).belief = 'gone';
    await this.#succeeded();
  }

  /** `docker cp` of an archive into a container, and of the same path out of it. */
  async copy(id: string, path: string, archive: Buffer): Promise<void> {
    await this.#expect([200], 'PUT', `/containers/${id}/archive?path=${path}`, archive);
    await this.#succeeded();
    await this.#expect([200], 'GET', `/containers/${id}/archive?path=${path}`);
  }

  async commit(id: string, name: string): Promise<void> {
    this.images.set(name, 'unsure');
    await this.#expect([201], 'POST', `/commit?container=${id}&repo=${name}&tag=latest`, {});
    this.images.set(name, 'there');
    await this.#succeeded();
  }

  async removeImage(name: string): Promise<void> {
    this.images.set(name, 'unsure');
    this.askedAway.add(`image/${name}`);
    await this.#expect([200], 'DELETE', `/images/${name}`);
    this.images.set(name, 'gone');
    await this.#succeeded();
  }

  #known(id: string): ContainerBelief {
    const known = this.containers.get(id);
    if (!known) throw new Error(`container ${id} was never made`);
    return known;
  }

  async #expect(
    statuses: readonly number[],
    method: string,
    path: string,
    body?: object | Buffer,
  ): Promise<Answer> {
    const answer = await this.#machine.client.ask(method, path, body);
    if (statuses.includes(answer.status)) return answer;
    throw new Error(`${method} ${path}: ${answer.status} ${answer.text.trim()}`);
  }

  async #succeeded(): Promise<void> {
    this.#successes += 1;
    await this.#onSuccess(this.#successes);
  }
}
