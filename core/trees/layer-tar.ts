/** The tar of an image's layer from what a snapshot has changed. Paths are byte strings. Source: OCI image spec, layer.md. */
import { closeSync } from 'node:fs';
import type { FileChange } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { O_DIRECTORY, O_PATH, openInRoot } from '@gantry/plugin-sdk/system/open-in-root.ts';
import type { TarWriter } from '../archive/tar-writer.ts';
import { isGone } from './entry.ts';
import type { TreeReader } from './read-tree.ts';

/** Each changed entry alone, after the directories that it lies in: a layer that lacked those would make others. */
export async function writeLayer(
  root: number,
  changes: readonly FileChange[],
  tar: TarWriter,
  reader: TreeReader,
): Promise<void> {
  const written = new Set<string>();
  const write = async (path: string): Promise<void> => {
    if (path === '' || written.has(path)) return;
    written.add(path);
    const { parent, base } = split(path);
    await write(parent);
    await within(root, parent, (directory) => reader.entry(directory, base, path.slice(1)));
  };
  for (const { path, kind } of [...changes].sort(byPath)) {
    if (kind !== 'deleted') await write(path);
    else {
      const { parent, base } = split(path);
      await write(parent);
      await tar.entry({ name: `${parent}/.wh.${base}`.slice(1), mode: 0o600 });
    }
  }
}

async function within(root: number, path: string, work: (directory: number) => Promise<void>): Promise<void> {
  let directory: number | undefined;
  try {
    directory = openInRoot(root, path, O_PATH | O_DIRECTORY, { links: false });
  } catch (error) {
    if (isGone(error)) return;
    throw error;
  }
  try {
    await work(directory);
  } finally {
    closeSync(directory);
  }
}

function split(path: string): { readonly parent: string; readonly base: string } {
  const slash = path.lastIndexOf('/');
  return { parent: path.slice(0, slash), base: path.slice(slash + 1) };
}

function byPath(a: FileChange, b: FileChange): number {
  return a.path < b.path ? -1 : a.path > b.path ? 1 : 0;
}
