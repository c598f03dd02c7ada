/**
 * What happened: the last events, kept over a restart of the daemon, and whoever wants to hear of the next.
 *
 * To emit one, after `op.commit` or `store.put` has resolved and never before, so that nobody hears of what a crash may
 * still take back:
 *
 *     containerEvent(ctx.events, record, 'export');
 *     containerEvent(ctx.events, record, 'resize', { height: '24', width: '80' });
 *     imageEvent(events, image, 'pull', 'busybox:latest');
 *     events.emit('volume', 'create', name, { driver });
 *
 * The first three are in `emit.ts` and add the attributes that Docker gives every event of that type. `emit` takes
 * microseconds, never throws, and waits for nothing.
 */
import type { Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { type EventMessage, type EventType, toEvent } from './event.ts';
import { EventFile } from './event-file.ts';

/** Docker keeps 256. */
const KEPT = 1_000;
const SECOND = 1_000_000_000n;

export class EventLog {
  readonly #file: EventFile;
  readonly #past: EventMessage[];
  readonly #listeners = new Set<(event: EventMessage) => void>();
  #last: bigint;

  private constructor(file: EventFile, past: readonly EventMessage[]) {
    this.#file = file;
    this.#past = [...past];
    this.#last = past.at(-1)?.at ?? 0n;
  }

  static async open(path: string, log: Logger): Promise<EventLog> {
    const { file, events } = await EventFile.open(path, KEPT, log);
    return new EventLog(file, events);
  }

  /** Notes an event that has happened now. `id`: of the container, image or network; a volume's name. */
  emit(
    type: EventType,
    action: string,
    id: string,
    attributes: Readonly<Record<string, string>> = {},
    scope: EventMessage['scope'] = 'local',
  ): void {
    const event = toEvent({ type, action, id, attributes, scope, at: this.#now() });
    this.#past.push(event);
    if (this.#past.length > 2 * KEPT) this.#past.splice(0, this.#past.length - KEPT);
    this.#file.append(event.text);
    for (const tell of this.#listeners) tell(event);
  }

  /** Oldest first. */
  past(): readonly EventMessage[] {
    return this.#past.slice(-KEPT);
  }

  /** Tells of every later event, at once; answers the way to stop. `tell` must not throw. */
  listen(tell: (event: EventMessage) => void): () => void {
    this.#listeners.add(tell);
    return () => this.#listeners.delete(tell);
  }

  /** How many hear of the next event. */
  get listeners(): number {
    return this.#listeners.size;
  }

  /** Resolves when all are in the file. */
  async close(): Promise<void> {
    await this.#file.close();
  }

  /** The clock's milliseconds, and no two alike; it goes back only with a clock that was set back. */
  #now(): bigint {
    const clock = BigInt(Date.now()) * 1_000_000n;
    const follows = clock > this.#last || this.#last - clock > SECOND;
    this.#last = follows ? clock : this.#last + 1n;
    return this.#last;
  }
}
