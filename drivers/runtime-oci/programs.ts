/** The two programs this driver stands on: an OCI runtime and conmon. */
import { accessSync, constants } from 'node:fs';
import { basename, join } from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { type SealedFile, sealedCopy } from '@gantry/plugin-sdk/system/memfd.ts';
import { run } from '@gantry/plugin-sdk/system/run.ts';

const SEARCH = ['/usr/local/sbin', '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'];

export interface RuntimeProgram {
  /** What to execute: for crun a sealed copy in memory, which saves it from copying itself at each call. */
  readonly path: string;
  readonly name: string;
  readonly version: string;
  /** Words before every order to it. */
  readonly args: readonly string[];
  /** Whether it takes a compiled filter from the annotation `run.oci.seccomp_bpf_data`. */
  readonly takesCompiledSeccomp: boolean;
  /** Whether an ended container is no more to it than a directory and cgroups, which can go without asking it. */
  readonly keepsFilesOnly: boolean;
  close(): void;
}

/** Finds and asks the runtime. Throws FailedPrecondition when there is none. */
export async function findRuntime(
  configured: string | undefined,
  args: readonly string[] = [],
): Promise<RuntimeProgram> {
  const found = configured?.includes('/')
    ? configured
    : configured
      ? lookUp(configured)
      : (lookUp('crun') ?? lookUp('runc'));
  if (found === undefined) throw missing('crun', 'crun or runc');
  // What is called crun is asked by way of the copy, which is to be tried anyway.
  const early = basename(found) === 'crun' ? await executableCopy(found) : undefined;
  const { stdout, code } =
    early?.answer ??
    (await run(found, ['--version']).catch((cause: unknown) => {
      throw missing(found, found, cause);
    }));
  const [, name, version] = /^(\S+) version (\S+)/.exec(stdout) ?? [];
  if (code !== 0 || name === undefined || version === undefined) {
    early?.close();
    throw missing(
      found,
      'an OCI runtime',
      new Error(`"${found} --version" answered ${JSON.stringify(stdout)}`),
    );
  }
  const isCrun = name === 'crun';
  const copy = isCrun ? (early ?? (await executableCopy(found))) : undefined;
  if (!isCrun) early?.close();
  return {
    path: copy?.path ?? found,
    name,
    version,
    args,
    takesCompiledSeccomp: isCrun,
    keepsFilesOnly: isCrun || name === 'runc',
    close: () => copy?.close(),
  };
}

/** Undefined where the kernel forbids to execute memory files (`vm.memfd_noexec`), or nothing can be copied. */
async function executableCopy(path: string) {
  const copy = copyOf(path);
  if (copy === undefined) return undefined;
  const answer = await run(copy.path, ['--version']).catch(() => undefined);
  if (answer?.code === 0) return { path: copy.path, close: () => copy.close(), answer };
  copy.close();
  return undefined;
}

function copyOf(path: string): SealedFile | undefined {
  try {
    return sealedCopy(path, 'oci-runtime');
  } catch {
    return undefined; // running the file itself says better what is wrong with it
  }
}

export interface ConmonProgram {
  readonly path: string;
  /** Flags beyond the oldest version supported that this one knows. */
  readonly extraFlags: readonly string[];
}

/** Throws FailedPrecondition when conmon is absent or too old. */
export async function findConmon(configured: string | undefined): Promise<ConmonProgram> {
  const found = configured ?? lookUp('conmon');
  if (found === undefined) throw missing('conmon', 'conmon');
  const { stdout } = await run(found, ['--help']).catch((cause: unknown) => {
    throw missing('conmon', found, cause);
  });
  if (!stdout.includes('--full-attach')) {
    throw missing('conmon', 'conmon 2.0.30 or newer', new Error(`"${found}" does not know --full-attach`));
  }
  // The log is a journal in the page cache, as Docker's is: no container waits for the disk at its end.
  return { path: found, extraFlags: ['--no-sync-log'].filter((flag) => stdout.includes(flag)) };
}

function lookUp(name: string): string | undefined {
  return SEARCH.map((dir) => join(dir, name)).find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}

function missing(program: string, wanted: string, cause?: unknown): HostError {
  return new HostError('FailedPrecondition', 'PROGRAM_MISSING', `cannot run containers without ${wanted}`, {
    cause,
    hint: `Install the package "${program.split('/').at(-1)}".`,
  });
}
