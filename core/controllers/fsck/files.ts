/** What containers have on the host: directories and mounts that belong to none of them. */
import { readdir, realpath, rm } from 'node:fs/promises';
import path from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { mounts, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import { containersOnBooks, isBusy, pathsOnBooks } from './books.ts';
import { type Check, type Found, REPAIR, type Scene } from './finding.ts';

export const unknownDirectories: Check = async (scene) => {
  const { data, exec } = scene.dirs;
  const found = await Promise.all(
    [data, exec].map((root) => strangersIn(scene, path.join(root, 'containers'))),
  );
  return found.flat();
};

async function strangersIn(scene: Scene, parent: string): Promise<readonly Found[]> {
  const names = await readdir(parent).catch(() => []);
  const known = containersOnBooks(scene);
  return names
    .filter((name) => !known.has(name))
    .map((name) => ({
      kind: 'directory',
      subject: path.join(parent, name),
      what: `directory "${path.join(parent, name)}" belongs to no container`,
      mend: `"${REPAIR}" removes it with what is in it`,
      repair: (signal) =>
        scene.locks.hold([`container/${name}`], signal, () => removeTree(path.join(parent, name))),
    }));
}

/** A directory with a mount below is left alone: what is mounted there may be somebody's data. */
async function removeTree(dir: string): Promise<void> {
  const real = await realpath(dir);
  const within = mounts().find(({ target }) => target === real || target.startsWith(`${real}/`));
  if (within) {
    throw new HostError('Conflict', 'DIRECTORY_MOUNTED', `remove "${dir}": "${within.target}" is mounted`);
  }
  await rm(dir, { recursive: true, force: true });
}

/** Mounts below the exec root, apart from those that drivers make for themselves in their own directories. */
export const unknownMounts: Check = async (scene) => {
  const root = await realpath(scene.dirs.exec);
  const drivers = path.join(root, 'drivers');
  const known = pathsOnBooks(scene);
  const asWritten = (target: string) => path.join(scene.dirs.exec, path.relative(root, target));
  const targets = new Set(mounts().map(({ target }) => target));
  return [...targets]
    .filter((target) => target.startsWith(`${root}/`) && !target.startsWith(`${drivers}/`))
    .filter((target) => !known.has(target) && !known.has(asWritten(target)))
    .filter((target) => !isBusy(scene, `container/${containerOf(root, target)}`))
    .toReversed()
    .map((target) => ({
      kind: 'mount',
      subject: target,
      what: `"${target}" is mounted and on no book`,
      mend: `"${REPAIR}" unmounts it`,
      repair: () => unmountAll(target),
    }));
};

/** `containers/ID/…` below the exec root. */
function containerOf(root: string, target: string): string {
  return path.relative(root, target).split('/')[1] ?? '';
}
