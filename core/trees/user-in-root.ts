/** The owner that `copyUIDGID` gives to copied files: the container's user, from its own files. */
import { closeSync, constants, fstatSync, openSync, readFileSync } from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { O_PATH, openInRoot } from '@gantry/plugin-sdk/system/open-in-root.ts';
import type { Owner } from './write-tree.ts';

const MAX_BYTES = 8 << 20;

/** `spec`: `USER[:GROUP]`, by name or number; '' for no owner. Errors: InvalidArgument when the files do not know it. */
export function ownerOf(root: number, spec: string): Owner | undefined {
  const [user = '', group = ''] = spec.split(':');
  if (user === '') return undefined;
  const row = table(root, 'etc/passwd').find(([name, , uid]) => name === user || uid === user);
  const uid = row ? Number(row[2]) : numeric(user, 'user');
  if (group === '') return { uid, gid: row ? Number(row[3]) : 0 };
  const found = table(root, 'etc/group').find(([name, , gid]) => name === group || gid === group);
  return { uid, gid: found ? Number(found[2]) : numeric(group, 'group') };
}

function numeric(text: string, what: 'user' | 'group'): number {
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 31) return Number(text);
  const message = `unable to find ${what} ${text}: no matching entries in the container's files`;
  throw new HostError('InvalidArgument', 'UNKNOWN_USER', message);
}

/** Nothing but a regular file of a sensible size is read. */
function table(root: number, path: string): readonly (readonly string[])[] {
  let named: number;
  try {
    named = openInRoot(root, path, O_PATH);
  } catch {
    return [];
  }
  try {
    const { size } = fstatSync(named);
    if (!fstatSync(named).isFile() || size > MAX_BYTES) return [];
    const file = openSync(`/proc/self/fd/${named}`, constants.O_RDONLY);
    try {
      return readFileSync(file, 'utf8')
        .split('\n')
        .map((line) => line.split(':'));
    } finally {
      closeSync(file);
    }
  } finally {
    closeSync(named);
  }
}
