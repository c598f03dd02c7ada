/**
 * What a plugin got from Docker and from Gantry for the same command, as text that compares: changes (Create, Remove,
 * Mount, Unmount) in order and with their requests, lists, and which volumes were asked for with Get.
 */
import type { Call } from './trace.ts';

const CHANGES = ['Create', 'Remove', 'Mount', 'Unmount'];

/** One file's worth of calls; labels names that were made up, by their order, and knows which volumes are on the books. */
export class Ledger {
  readonly #labels = new Map<string, string>();
  readonly #known = new Set<string>();

  /** `rec Create v1 {"k":""}`; mount ids are left to `MountIds`. */
  changes(calls: readonly Call[]): readonly string[] {
    return inAnyOrder(calls.filter(({ method }) => CHANGES.includes(method)).map((call) => this.#text(call)));
  }

  gets(calls: readonly Call[]): readonly string[] {
    return calls
      .filter(({ method }) => method === 'Get')
      .map((call) => this.#text(call))
      .sort();
  }

  names(calls: readonly Call[]): readonly string[] {
    return calls.map(({ request }) => this.label(String(request?.Name)));
  }

  lists(calls: readonly Call[]): readonly string[] {
    return calls
      .filter(({ method }) => method === 'List')
      .map(({ plugin }) => plugin)
      .sort();
  }

  isKnown(name: string): boolean {
    return this.#known.has(name);
  }

  /** Takes in what the calls of one step have put on the books, and taken off them. */
  learn(calls: readonly Call[]): void {
    for (const { method, request, status, response } of calls) {
      const name = this.label(String(request?.Name ?? ''));
      const answer = response as { Err?: string; Volume?: object | null } | null;
      if (status !== 200 || answer?.Err || answer === null) continue;
      if (method === 'Create' && 'Err' in answer) this.#known.add(name);
      if (method === 'Get' && answer.Volume) this.#known.add(name);
      if (method === 'Remove') this.#known.delete(name);
    }
  }

  label(name: string): string {
    if (!/^(<ID\d+>|[0-9a-f]{64})$/.test(name)) return name;
    const label = this.#labels.get(name) ?? `anonymous-${this.#labels.size + 1}`;
    this.#labels.set(name, label);
    return label;
  }

  #text({ plugin, method, request }: Call): string {
    const { Name, ID: _, ...rest } = request ?? {};
    const more = Object.keys(rest).length > 0 ? ` ${JSON.stringify(rest.Opts ?? rest)}` : '';
    return `${plugin} ${method} ${this.label(String(Name))}${more}`;
  }
}

/** Neighbours of one method are in any order: Docker walks a container's mounts in a random one (TRACES-29, V1). */
function inAnyOrder(changes: readonly string[]): readonly string[] {
  const method = (text: string) => text.split(' ')[1];
  const runs: string[][] = [];
  for (const change of changes) {
    const last = runs.at(-1);
    if (last?.[0] !== undefined && method(last[0]) === method(change)) last.push(change);
    else runs.push([change]);
  }
  return runs.flatMap((run) => run.sort());
}

/** The life of each mount id over a file: at which steps it was mounted and unmounted. */
export class MountIds {
  readonly #lives = new Map<string, string[]>();

  add(step: number, method: string, id: string): void {
    const life = this.#lives.get(id) ?? [];
    this.#lives.set(id, life);
    life.push(`${step} ${method}`);
  }

  addCalls(step: number, calls: readonly Call[]): void {
    for (const { method, request } of calls) {
      if (method === 'Mount' || method === 'Unmount') this.add(step, method, String(request?.ID));
    }
  }

  lives(): readonly string[] {
    return [...this.#lives.values()].map((life) => life.join(', ')).sort();
  }
}
