/**
 * Finds plugins by name: sockets of drivers that speak JSON-RPC first, then Docker's directories and forms in Docker's
 * order, sockets before `.spec` and `.json` files. Reads the disk at each question, so that the answer is never older than the question.
 */
import { type Dirent, readdirSync, readFileSync, statSync } from 'node:fs';
import { join, parse } from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { type PluginAddress, parseJsonSpec, parseSpec, unixAddress } from './plugin-address.ts';

/** What is spoken there. */
export type PluginWire = 'docker' | 'json-rpc';

export interface PluginDirs {
  /** Sockets of drivers that speak JSON-RPC. */
  readonly driver?: readonly string[];
  readonly socket: readonly string[];
  readonly spec: readonly string[];
}

export const DOCKER_DIRS: PluginDirs = {
  socket: ['/run/docker/plugins'],
  spec: ['/etc/docker/plugins', '/usr/lib/docker/plugins'],
};

export interface PluginLocation {
  readonly name: string;
  readonly wire: PluginWire;
  readonly address: PluginAddress;
  /** Changes when the socket or spec file was replaced: the plugin behind it is then another one. */
  readonly identity: string;
  /** Path of the socket or spec file. */
  readonly file: string;
}

interface Form {
  readonly dir: string;
  readonly extension: '.sock' | '.spec' | '.json';
  readonly wire: PluginWire;
}

export class Discovery {
  readonly dirs: PluginDirs;
  readonly #forms: readonly Form[];

  constructor(dirs: PluginDirs = DOCKER_DIRS) {
    this.dirs = dirs;
    this.#forms = [
      ...(dirs.driver ?? []).map((dir): Form => ({ dir, extension: '.sock', wire: 'json-rpc' })),
      ...dirs.socket.map((dir): Form => ({ dir, extension: '.sock', wire: 'docker' })),
      ...dirs.spec.flatMap((dir): Form[] => [
        { dir, extension: '.spec', wire: 'docker' },
        { dir, extension: '.json', wire: 'docker' },
      ]),
    ];
  }

  /**
   * The first file of that name, or undefined. Throws FailedPrecondition `DRIVER_SPEC_BROKEN` when it is broken: a
   * later file of the same name does not stand in for it.
   */
  locate(name: string): PluginLocation | undefined {
    if (!isFileName(name)) return undefined;
    for (const { dir, extension, wire } of this.#forms) {
      const flat = join(dir, name + extension);
      for (const file of wire === 'docker' ? [flat, join(dir, name, name + extension)] : [flat]) {
        const stat = statOf(file);
        if (stat === undefined) continue;
        if (extension === '.sock' && !stat.isSocket()) continue;
        const identity = `${file}:${stat.dev}:${stat.ino}:${stat.ctimeMs}`;
        return { name, file, wire, identity, address: addressIn(name, file, extension) };
      }
    }
    return undefined;
  }

  /** Names that `locate` finds, or finds broken; sorted. Directories that are missing or closed to us hold none. */
  scan(): readonly string[] {
    const names = this.#forms.flatMap((form) =>
      entriesOf(form.dir).flatMap((entry) => nameOf(form, entry) ?? []),
    );
    return [...new Set(names)].sort();
  }
}

/** Which plugin a changed path belongs to: the file's name, less its extension. */
export function pluginNameOf(path: string): string | undefined {
  const { name, ext } = parse(path);
  return ['.sock', '.spec', '.json'].includes(ext) ? name : undefined;
}

function isFileName(name: string): boolean {
  return name !== '' && name !== '.' && name !== '..' && !/[/\0]/.test(name);
}

function statOf(file: string) {
  try {
    return statSync(file, { throwIfNoEntry: false });
  } catch {
    return undefined; // a file in the place of a directory, a loop of links, a name too long
  }
}

function addressIn(name: string, file: string, extension: Form['extension']): PluginAddress {
  if (extension === '.sock') return unixAddress(file);
  try {
    const text = readFileSync(file, 'utf8');
    return extension === '.spec' ? parseSpec(text) : parseJsonSpec(text);
  } catch (error) {
    const message = `plugin "${name}": read "${file}": ${(error as Error).message}`;
    throw new HostError('FailedPrecondition', 'DRIVER_SPEC_BROKEN', message, {
      cause: error,
      hint: `correct or remove "${file}"`,
      details: { file },
    });
  }
}

function entriesOf(dir: string): readonly Dirent[] {
  try {
    return readdirSync(dir, { withFileTypes: true });
  } catch {
    return [];
  }
}

/** Docker's may stand in a directory of their name. */
function nameOf({ dir, extension, wire }: Form, entry: Dirent): string | undefined {
  const own = entry.name.endsWith(extension) ? join(dir, entry.name) : undefined;
  if (wire === 'json-rpc' && own === undefined) return undefined;
  const nested = join(dir, entry.name, entry.name + extension);
  const file = own !== undefined && isKind(own, extension) ? own : nested;
  return isKind(file, extension) ? parse(file).name : undefined;
}

function isKind(file: string, extension: Form['extension']): boolean {
  const stat = statOf(file);
  return extension === '.sock' ? stat?.isSocket() === true : stat?.isFile() === true;
}
