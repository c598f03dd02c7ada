/** What the tests of the store share: effects that are names in a set, and stores on the same files. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Test } from 'tap';
import { Database } from '../../../../core/store/database.ts';
import { type Effect, type EffectHandlers, effect } from '../../../../core/store/effect.ts';
import { Failpoints } from '../../../../core/store/failpoints.ts';
import { Locks } from '../../../../core/store/locks.ts';
import type { VolumeRecord } from '../../../../core/store/record-types.ts';
import { Replay } from '../../../../core/store/replay.ts';
import { Store } from '../../../../core/store/store.ts';

export const FOREVER = new AbortController().signal;
export const QUIET = { debug() {}, info() {}, warn() {}, error() {} };

/** A world of effects that are names in a set, each call noted; `fails` makes the calls named in it throw. */
export class World {
  readonly there = new Set<string>();
  readonly calls: string[] = [];
  readonly fails = new Map<string, Error>();

  readonly handlers = new Proxy({} as EffectHandlers, {
    get: (_target, kind: string) => ({
      endsWithBoot: kind === 'task',
      make: async ({ name }: { name: string }) => {
        this.#call('make', name);
        this.there.add(name);
        return kind === 'volume-mount' ? `/mnt/${name}` : undefined;
      },
      probe: async ({ name }: { name: string }) => (this.there.has(name) ? 'present' : 'absent'),
      undo: async ({ name }: { name: string }) => {
        this.#call('undo', name);
        this.there.delete(name);
        return kind === 'snapshot' ? 'unsynced' : undefined;
      },
      restore: async ({ name }: { name: string }) => this.#call('restore', name),
    }),
  });

  #call(what: string, name: string): void {
    this.calls.push(`${what} ${name}`);
    const error = this.fails.get(`${what} ${name}`);
    if (error) throw error;
  }
}

export function named(kind: Effect['kind'], name: string): Effect {
  return effect(kind, name, { name } as never);
}

export function volume(name: string): VolumeRecord {
  return {
    name,
    driver: 'd',
    labels: {},
    options: null,
    scope: 'local',
    createdAt: '2026-01-01T00:00:00Z',
    anonymous: false,
    mountpoint: '',
  };
}

/** `laterMs`: as long as no test lasts, unless it is about that. */
export function fixture(t: Test, laterMs = 600_000) {
  const dir = mkdtempSync(path.join(tmpdir(), 'gantry-store-'));
  const world = new World();
  const synced: string[] = [];
  const open = (boot = 'boot-1') =>
    new Store(new Database(dir), world.handlers, {
      failpoints: new Failpoints(),
      boot,
      laterMs,
      syncMetadata: async () => void synced.push('synced'),
    });
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  return { world, open, synced };
}

/** Replays what the store found open, as a daemon does at its start. */
export async function settle(store: Store, wanted = () => true): Promise<Replay> {
  const replay = new Replay({ store, locks: new Locks(), wanted, onAppear: () => () => {}, log: QUIET });
  await replay.settleAll(FOREVER);
  return replay;
}
