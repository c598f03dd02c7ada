/** A snapshot driver for tests that need layers alone: directories, no mounts; either form of layer. */
import { cpSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { LayerForm, SnapshotDriver } from '@gantry/plugin-sdk/contracts/snapshot.ts';

export interface FakeSnapshotDriver extends SnapshotDriver {
  /** Where a committed layer is. */
  dir(diffId: string): string;
  /** What is being unpacked; empty when nothing was left behind. */
  staging(): readonly string[];
}

export function fakeSnapshotDriver(rootDir: string, form: LayerForm = 'overlay'): FakeSnapshotDriver {
  const name = (diffId = '') => diffId.replace('sha256:', '');
  const dir = (diffId = '') => join(rootDir, 'layers', name(diffId));
  const staged = (diffId = '') => join(rootDir, 'staging', name(diffId));
  for (const path of ['layers', 'staging']) mkdirSync(join(rootDir, path), { recursive: true });
  const absent = async (): Promise<never> => {
    throw new Error('this fake mounts nothing');
  };
  return {
    dir,
    staging: () => readdirSync(join(rootDir, 'staging')),
    prepareLayer: async ({ layers }) => {
      const path = staged(layers.at(-1));
      rmSync(path, { recursive: true, force: true });
      const parent = layers.at(-2);
      if (form === 'apply' && parent !== undefined) cpSync(dir(parent), path, { recursive: true });
      else mkdirSync(path);
      return { dir: path, form };
    },
    commitLayer: async ({ layers }) => renameSync(staged(layers.at(-1)), dir(layers.at(-1))),
    hasLayer: async ({ layers }) => ({ present: existsSync(dir(layers.at(-1))) }),
    removeLayer: async ({ layers }) => {
      rmSync(dir(layers.at(-1)), { recursive: true, force: true });
      rmSync(staged(layers.at(-1)), { recursive: true, force: true });
    },
    listLayers: async () => readdirSync(join(rootDir, 'layers')).map((hex) => [`sha256:${hex}`]),
    prepare: absent,
    mount: absent,
    unmount: absent,
    remove: absent,
    list: async () => [],
    changes: absent,
    usage: absent,
  };
}
