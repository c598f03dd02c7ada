/** Owner, mode, attributes and time of what was just unpacked. */
import { chmodSync, lchownSync, lutimesSync } from 'node:fs';
import { lsetxattr } from '@gantry/plugin-sdk/system/xattr.ts';
import { badTar, type TarHeader } from '../../archive/tar-header.ts';
import { raw } from './scoped-tree.ts';

const MAX_ID = 0xfffffffe;
/** Year 2242: what every file system here can hold. */
const MAX_TIME = 2 ** 33;

/** An overlay's own bookkeeping must come from whiteouts alone: `redirect` would point anywhere in the layers below. */
const FORBIDDEN_XATTR = 'trusted.overlay.';

/** In this order: a change of owner clears set-id bits and capabilities. Times come apart, as directories get theirs last. */
export function applyMetadata(path: string, header: TarHeader): void {
  if (!isId(header.uid) || !isId(header.gid)) throw badTar(`an owner is ${header.uid}:${header.gid}`);
  lchownSync(raw(path), header.uid, header.gid);
  if (header.kind !== 'symlink') chmodSync(raw(path), header.mode);
  for (const [name, value] of header.xattrs) applyXattr(path, name, value);
}

export function applyTime(path: string, mtime: number): void {
  const bounded = Math.min(Math.max(mtime, 0), MAX_TIME);
  lutimesSync(raw(path), bounded, bounded);
}

function applyXattr(path: string, name: string, value: Buffer): void {
  if (name.startsWith(FORBIDDEN_XATTR)) return;
  try {
    lsetxattr(raw(path), name, value);
  } catch (error) {
    // As Docker: an attribute this file system or kernel cannot hold is left out.
    const { code = '' } = error as NodeJS.ErrnoException;
    if (code !== 'ENOTSUP' && code !== 'EPERM' && code !== 'EOPNOTSUPP') throw error;
  }
}

function isId(id: number): boolean {
  return Number.isInteger(id) && id >= 0 && id <= MAX_ID;
}
