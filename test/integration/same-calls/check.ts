/** Compares what a scenario's plugins got from Gantry with what the recording has for the same step. */
import type { Test } from 'tap';
import { type Difference, REORDERED } from './classes.ts';
import { Ledger, MountIds } from './compare.ts';
import type { Replayed } from './replay.ts';
import type { Call, Step } from './trace.ts';

export class Check {
  readonly #t: Test;
  readonly #scenario: string;
  readonly #docker = { ledger: new Ledger(), ids: new MountIds() };
  readonly #gantry = { ledger: new Ledger(), ids: new MountIds() };
  /** What may be asked once for each time that the daemon or the plugin was started. */
  readonly #handshakes = new Map<string, number>();
  #starts = 1;
  /** Volumes whose Create got an answer that nobody can read: Gantry looks by itself, soon, whether they are there. */
  #unsettled: string[] = [];

  constructor(t: Test, scenario: string) {
    this.#t = t;
    this.#scenario = scenario;
  }

  step(step: Step, ran: Replayed, difference?: Difference): void {
    const { index, command, calls } = step;
    const { ledger } = this.#gantry;
    const changes = difference?.changes ?? REORDERED[this.#scenario]?.[index];
    const wanted = {
      code: difference?.code ?? step.code,
      changes: changes?.map(withoutId) ?? this.#docker.ledger.changes(calls),
      gets: difference?.gets?.map((name) => `rec Get ${name}`) ?? this.#expectedGets(step),
      lists: this.#docker.ledger.lists(calls),
    };
    this.#unsettled.push(...ledger.names(ran.calls.filter(isUnreadableCreate)));
    const found = {
      code: ran.code,
      changes: ledger.changes(ran.calls),
      gets: this.#withoutSettling(ledger.gets(ran.calls), wanted.gets),
      lists: ledger.lists(ran.calls),
    };
    this.#t.same(found, wanted, `${index} $ ${command}`, { stderr: ran.stderr, by: difference?.by });
    this.#gantry.ids.addCalls(index, ran.calls);
    if (changes) addChanges(this.#docker.ids, index, changes);
    else this.#docker.ids.addCalls(index, calls);
    if (command.startsWith('docker')) ledger.learn(ran.calls);
    this.#countHandshakes(step, ran);
  }

  end(): void {
    this.#t.same(this.#gantry.ids.lives(), this.#docker.ids.lives(), 'each mount id lives as in Docker');
    for (const [call, times] of this.#handshakes) {
      this.#t.ok(times <= this.#starts, `${call} once for each start`, { times, starts: this.#starts });
    }
  }

  /**
   * D1: of Docker's questions those whose answer is not on the books, and those that a person asks; each once. A volume
   * that nobody knows, and for which no driver is named, is asked of every plugin.
   */
  #expectedGets({ command, calls }: Step): readonly string[] {
    const asked = /volume inspect|\/volumes\//.test(command);
    const unknown = (name: string) => !this.#gantry.ledger.isKnown(name);
    const { ledger } = this.#docker;
    const gets = ledger.gets(calls).filter((text) => asked || unknown(nameIn(text)));
    const everywhere = / -d |driver/.test(command) || this.#scenario !== '08-volume-name-conflict';
    const more = everywhere ? [] : gets.filter((text) => unknown(nameIn(text)));
    return [...new Set([...gets, ...more.map((text) => `rec2 Get ${nameIn(text)}`)])].sort();
  }

  #withoutSettling(found: readonly string[], wanted: readonly string[]): readonly string[] {
    const rest = [...found];
    for (const name of this.#unsettled) {
      const text = `rec Get ${name}`;
      if (count(rest, text) <= count(wanted, text)) continue;
      rest.splice(rest.indexOf(text), 1);
      this.#unsettled = this.#unsettled.filter((other) => other !== name);
    }
    return rest;
  }

  /** A Capabilities that was refused may be asked again: nothing was learned. */
  #countHandshakes({ command }: Step, { calls }: Replayed): void {
    if (/^(start dockerd|plugin up)/.test(command)) this.#starts++;
    for (const { plugin, method, status } of calls) {
      if (status !== 200 || !['Plugin.Activate', 'Capabilities'].includes(method)) continue;
      const call = `${plugin} ${method}`;
      this.#handshakes.set(call, (this.#handshakes.get(call) ?? 0) + 1);
    }
  }
}

function isUnreadableCreate({ method, status, response }: Call): boolean {
  return (
    method === 'Create' && status === 200 && !(typeof response === 'object' && response && 'Err' in response)
  );
}

function count(texts: readonly string[], wanted: string): number {
  return texts.filter((text) => text === wanted).length;
}

function nameIn(text: string): string {
  return text.split(' ')[2] ?? '';
}

/** `Mount v1 <MNT1>` as a `Ledger` writes it. */
function withoutId(change: string): string {
  const [method, name, ...rest] = change.split(' ');
  return ['rec', method, name, ...(isMount(method) ? [] : rest)].join(' ');
}

function addChanges(ids: MountIds, step: number, changes: readonly string[]): void {
  for (const change of changes) {
    const [method = '', , id = ''] = change.split(' ');
    if (isMount(method)) ids.add(step, method, id);
  }
}

function isMount(method: string | undefined): boolean {
  return method === 'Mount' || method === 'Unmount';
}
