/** Who a container's process runs as: `USER[:GROUP]` and further groups, read from the image's own files. */
import { closeSync, fstatSync, readFileSync } from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { openInRoot } from '@gantry/plugin-sdk/system/open-beneath.ts';

export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

type Row = readonly string[];

const ROOT_HOME = '/root';

/**
 * `groupAdd`: names or numbers of groups beside those of the user. A process in `rootfs` may be changing it: nothing is
 * followed out of it. Errors: InvalidArgument when the image does not know a name.
 */
export function resolveUser(rootfs: string, spec: string, groupAdd: readonly string[] = []): ProcessUser {
  const [userPart = '', groupPart = ''] = spec.split(':');
  const user = userPart === '' ? '0' : userPart;
  const isNumber = /^-?\d+$/.test(user);
  const row = table(rootfs, '/etc/passwd').find(([name, , uid]) => (isNumber ? uid === user : name === user));
  const uid = row ? Number(row[2]) : numeric(user, 'user');
  const groups = groupPart || row || groupAdd.length > 0 ? table(rootfs, '/etc/group') : [];
  const gid = groupPart === '' ? Number(row?.[3] ?? 0) : groupNumber(groups, groupPart, 'unable');
  // A group of the user's choice takes the place of all that the image gives.
  const own = groupPart === '' ? groups.filter((group) => isMember(group, row?.[0])) : [];
  const added = groupAdd.map((group) => groupNumber(groups, group, 'Unable'));
  return {
    uid,
    gid,
    additionalGids: [...new Set([gid, ...own.map(([, , number]) => Number(number)), ...added])],
    home: row?.[5] || (uid === 0 ? ROOT_HOME : '/'),
  };
}

function isMember([, , , members = '']: Row, name: string | undefined): boolean {
  return name !== undefined && members.split(',').includes(name);
}

function groupNumber(groups: readonly Row[], wanted: string, unable: 'unable' | 'Unable'): number {
  const group = groups.find(([name, , gid]) => name === wanted || gid === wanted);
  return group ? Number(group[2]) : numeric(wanted, 'group', unable);
}

function numeric(text: string, what: 'user' | 'group', unable: 'unable' | 'Unable' = 'unable'): number {
  if (!/^-?\d+$/.test(text)) {
    const file = what === 'user' ? 'passwd' : 'group';
    throw unknownUser(`${unable} to find ${what} ${text}: no matching entries in ${file} file`);
  }
  if (Number(text) >= 0 && Number(text) < 2 ** 31) return Number(text);
  throw unknownUser('uids and gids must be in range 0-2147483647');
}

function unknownUser(message: string): HostError {
  return new HostError('InvalidArgument', 'UNKNOWN_USER', message);
}

/** Of a larger file nothing is read: it is the image's, and would be read into our memory. */
const LARGEST_BYTES = 16 * 1024 * 1024;

function table(rootfs: string, file: string): readonly Row[] {
  try {
    const descriptor = openInRoot(rootfs, file);
    try {
      const stats = fstatSync(descriptor);
      if (!stats.isFile() || stats.size > LARGEST_BYTES) return [];
      const text = readFileSync(`/proc/self/fd/${descriptor}`, 'utf8');
      return text.split('\n').map((line) => line.trim().split(':'));
    } finally {
      closeSync(descriptor);
    }
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'ELOOP'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
