/** Where the doctor's checks look: all of the machine comes in through here, so that a test can be another machine. */
import { execFile } from 'node:child_process';
import { accessSync, constants, existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { gunzipSync } from 'node:zlib';

export interface MachineEdges {
  /** Directories in which programs are looked for. */
  readonly path: readonly string[];
  /** What stands for `/`: `/proc`, `/sys`, `/lib` are read below it. */
  readonly root: string;
  /** Standard output of a program; undefined when it cannot run. */
  readonly run: (program: string, args: readonly string[]) => Promise<string | undefined>;
}

const SBIN = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];
const RUN_MS = 5_000;

export function thisMachine(searchPath: readonly string[]): MachineEdges {
  return {
    path: [...new Set([...searchPath, ...SBIN])],
    root: '/',
    run: (program, args) =>
      new Promise((resolve) => {
        execFile(program, [...args], { timeout: RUN_MS }, (error, stdout) =>
          resolve(error ? undefined : stdout),
        );
      }),
  };
}

export function findProgram({ path: dirs }: MachineEdges, name: string): string | undefined {
  return dirs.map((dir) => path.join(dir, name)).find(isExecutable);
}

/** A file below the root as text; undefined when it cannot be read. */
export function read({ root }: MachineEdges, file: string): string | undefined {
  try {
    return readFileSync(path.join(root, file), 'utf8');
  } catch {
    return undefined;
  }
}

export function exists({ root }: MachineEdges, file: string): boolean {
  return existsSync(path.join(root, file));
}

export function kernelRelease(edges: MachineEdges): string {
  return read(edges, 'proc/sys/kernel/osrelease')?.trim() ?? '';
}

/** The kernel's own configuration, where it tells: `CONFIG_BRIDGE=y`. */
function kernelConfig(edges: MachineEdges): string | undefined {
  try {
    return gunzipSync(readFileSync(path.join(edges.root, 'proc/config.gz'))).toString('utf8');
  } catch {
    return read(edges, `boot/config-${kernelRelease(edges)}`);
  }
}

/** Whether the kernel has a feature, built in or as a module that is there; undefined when nothing tells. */
export function kernelHas(edges: MachineEdges, config: string, module: string): boolean | undefined {
  if (exists(edges, `sys/module/${module}`)) return true;
  const modules = `lib/modules/${kernelRelease(edges)}`;
  const listed = ['modules.builtin', 'modules.dep'].map((file) => read(edges, `${modules}/${file}`));
  if (listed.some((text) => text?.includes(`/${module}.ko`))) return true;
  const set = kernelConfig(edges);
  if (set !== undefined) return set.split('\n').includes(`CONFIG_${config}=y`);
  return listed.some((text) => text !== undefined) ? false : undefined;
}

export function findLibrary({ root }: MachineEdges, name: string): string | undefined {
  const bases = ['lib', 'lib64', 'usr/lib', 'usr/lib64', 'usr/local/lib'].map((dir) => path.join(root, dir));
  const dirs = bases.flatMap((dir) => [dir, ...subdirectories(dir)]);
  return dirs.map((dir) => path.join(dir, name)).find((file) => existsSync(file));
}

/** Debian keeps libraries a level deeper, by architecture. */
function subdirectories(dir: string): readonly string[] {
  try {
    return readdirSync(dir)
      .filter((name) => name.includes('-linux-'))
      .map((name) => path.join(dir, name));
  } catch {
    return [];
  }
}

function isExecutable(file: string): boolean {
  try {
    accessSync(file, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}
