/** `--init`: a small first process that reaps orphans and passes signals on. */
import { accessSync, constants } from 'node:fs';
import path from 'node:path';
import type { OciMount } from '@gantry/plugin-sdk/contracts/mount.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import Type from 'typebox';
import { nullable } from './fields.ts';
import { joinedContainer, type NamespaceOptions } from './namespaces.ts';

export const INIT_FIELDS = { Init: nullable(Type.Boolean()) };
export interface InitOptions extends NamespaceOptions {
  readonly Init?: boolean | null;
}

export interface InitDefaults {
  /** For containers that say neither yes nor no. */
  readonly init?: boolean;
  /** The program; else the first of `PROGRAMS` there is. */
  readonly initPath?: string;
}

/** Static ones, since the image need not have any library. */
const PROGRAMS = ['docker-init', 'catatonit', 'tini-static'];
const SEARCH = [
  '/usr/local/sbin',
  '/usr/local/bin',
  '/usr/sbin',
  '/usr/bin',
  '/sbin',
  '/bin',
  '/usr/libexec/docker',
];
const SEEN_AT = '/sbin/docker-init';

/**
 * What an init adds to the container; undefined when it gets none, as one does whose first process is not its own.
 * Errors: FailedPrecondition without a program.
 */
export function initOf(
  { Init, PidMode = '' }: InitOptions,
  { init, initPath }: InitDefaults,
): { readonly args: readonly string[]; readonly mount: OciMount } | undefined {
  const shared = PidMode === 'host' || joinedContainer(PidMode) !== undefined;
  if (shared || !(Init ?? init ?? false)) return undefined;
  const source = initPath || find();
  return {
    args: [SEEN_AT, '--'],
    mount: { destination: SEEN_AT, type: 'bind', source, options: ['bind', 'ro'] },
  };
}

function find(): string {
  const found = PROGRAMS.flatMap((name) => SEARCH.map((dir) => path.join(dir, name))).find(isExecutable);
  if (found) return found;
  throw new HostError(
    'FailedPrecondition',
    'INIT_MISSING',
    'exec: "docker-init": executable file not found in $PATH',
    { hint: 'install the package catatonit' },
  );
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
