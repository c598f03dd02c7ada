/** Who a container's process runs as: `USER[:GROUP]`, by name or number, read from the image's own files. */
import { readFile } from 'node:fs/promises';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { resolveInRoot } from '../../paths/resolve-in-root.ts';

export interface ProcessUser {
  readonly uid: number;
  readonly gid: number;
  readonly additionalGids: readonly number[];
  readonly home: string;
}

const ROOT: ProcessUser = { uid: 0, gid: 0, additionalGids: [], home: '/root' };

/** Errors: FailedPrecondition when the image does not know the name. */
export async function resolveUser(rootfs: string, spec: string): Promise<ProcessUser> {
  const [userPart = '', groupPart = ''] = spec.split(':');
  const passwd = await table(rootfs, '/etc/passwd');
  const user = userPart === '' ? '0' : userPart;
  const row = passwd.find(([name, , uid]) => name === user || uid === user);
  const uid = row ? Number(row[2]) : numeric(user, 'user');
  const base = { uid, gid: row ? Number(row[3]) : 0, home: row?.[5] || (uid === 0 ? ROOT.home : '/') };
  const groups = await table(rootfs, '/etc/group');
  if (groupPart !== '') {
    const group = groups.find(([name, , gid]) => name === groupPart || gid === groupPart);
    return { ...base, gid: group ? Number(group[2]) : numeric(groupPart, 'group'), additionalGids: [] };
  }
  const name = row?.[0];
  const additionalGids = groups
    .filter((group) => name !== undefined && (group[3] ?? '').split(',').includes(name))
    .map((group) => Number(group[2]));
  return { ...base, additionalGids };
}

function numeric(text: string, what: 'user' | 'group'): number {
  if (/^\d{1,10}$/.test(text) && Number(text) < 2 ** 31) return Number(text);
  const file = what === 'user' ? 'passwd' : 'group';
  throw new HostError(
    'InvalidArgument',
    'UNKNOWN_USER',
    `unable to find ${what} ${text}: no matching entries in ${file} file`,
  );
}

async function table(rootfs: string, file: string): Promise<readonly (readonly string[])[]> {
  try {
    const text = await readFile(await resolveInRoot(rootfs, file), 'utf8');
    return text.split('\n').map((line) => line.split(':'));
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EISDIR'].includes((error as NodeJS.ErrnoException).code ?? '')) return [];
    throw error;
  }
}
