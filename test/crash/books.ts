/** The daemon's own books, read from its database by somebody else: what it believes, without asking it. */
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import type { HeldEffect } from '../../core/store/effect.ts';
import type { ContainerRecord, ImageRecord, VolumeRecord } from '../../core/store/record-types.ts';

export interface Books {
  readonly volumes: readonly VolumeRecord[];
  readonly containers: readonly ContainerRecord[];
  readonly images: readonly ImageRecord[];
  /** `volume.create volume/x`. */
  readonly operations: readonly string[];
  readonly effects: readonly HeldEffect[];
  /** What each of the operations was about to do. */
  readonly intents: readonly { readonly object: string; readonly body: string }[];
}

export function readBooks(dataRoot: string): Books {
  const db = new DatabaseSync(join(dataRoot, 'store/gantry.db'), { readOnly: true });
  try {
    const records = <T>(kind: string) =>
      db
        .prepare('SELECT body FROM records WHERE kind = ?')
        .all(kind)
        .map((row) => JSON.parse(String(row.body)) as T);
    return {
      volumes: records('volume'),
      containers: records('container'),
      images: records('image'),
      operations: db
        .prepare('SELECT name, object FROM operations')
        .all()
        .map((row) => `${row.name} ${row.object}`),
      intents: db
        .prepare('SELECT object, body FROM operations')
        .all()
        .map((row) => ({ object: String(row.object), body: String(row.body) })),
      effects: db
        .prepare('SELECT key, owner, body FROM effects')
        .all()
        .map((row) => ({ ...JSON.parse(String(row.body)), key: row.key, owner: row.owner }) as HeldEffect),
    };
  } finally {
    db.close();
  }
}
