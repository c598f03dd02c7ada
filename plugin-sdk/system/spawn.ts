/**
 * Starting programs by posix_spawn: 0.3 ms of the event loop whatever the size of this process, where
 * `child_process.spawn` copies its page tables. A child gets the descriptors that are named for it and no other, an
 * empty signal mask and default dispositions. Only its own pids are waited for, so `node:child_process` is not disturbed.
 */
import { foreign, syscall, systemError } from './libc.ts';
import { onProcessEnd } from './pidfd.ts';

// glibc's posix_spawn_file_actions_t has 80 bytes, posix_spawnattr_t 336, sigset_t 128.
const STRUCT_BYTES = 512;
const POSIX_SPAWN_SETSIGDEF = 0x04;
const POSIX_SPAWN_SETSIGMASK = 0x08;
const POSIX_SPAWN_SETSID = 0x80;
const WNOHANG = 1;
const O_RDWR = 2;
const ECHILD = 'ECHILD';

type Struct = Buffer;
const actionsInit = foreign<[Struct], number>('int posix_spawn_file_actions_init(void *actions)');
const actionsDestroy = foreign<[Struct], number>('int posix_spawn_file_actions_destroy(void *actions)');
const actionsDup2 = foreign<[Struct, number, number], number>(
  'int posix_spawn_file_actions_adddup2(void *actions, int fd, int newfd)',
);
const actionsOpen = foreign<[Struct, number, string, number, number], number>(
  'int posix_spawn_file_actions_addopen(void *actions, int fd, const char *path, int flags, unsigned int mode)',
);
const actionsChdir = foreign<[Struct, string], number>(
  'int posix_spawn_file_actions_addchdir_np(void *actions, const char *path)',
);
const actionsCloseFrom = foreign<[Struct, number], number>(
  'int posix_spawn_file_actions_addclosefrom_np(void *actions, int fd)',
);
const attrInit = foreign<[Struct], number>('int posix_spawnattr_init(void *attr)');
const attrFlags = foreign<[Struct, number], number>('int posix_spawnattr_setflags(void *attr, short flags)');
const attrMask = foreign<[Struct, Struct], number>(
  'int posix_spawnattr_setsigmask(void *attr, const void *set)',
);
const attrDefault = foreign<[Struct, Struct], number>(
  'int posix_spawnattr_setsigdefault(void *attr, const void *set)',
);
const posixSpawn = foreign<
  [Int32Array, string, Struct, Struct, (string | null)[], (string | null)[]],
  number
>(
  'int posix_spawn(int *pid, const char *path, void *actions, void *attr, const char **argv, const char **envp)',
);
const waitpid = syscall<[number, Int32Array, number]>('int waitpid(int pid, int *status, int options)');

export interface SpawnOptions {
  /** The child's whole environment; none by default. */
  readonly env?: Readonly<Record<string, string>>;
  /** Item N becomes the child's descriptor N: one of ours, or `'null'` for /dev/null. By default three times `'null'`. */
  readonly fds?: readonly (number | 'null')[];
  /** The child's working directory; ours by default. */
  readonly cwd?: string;
  /** Makes the child the leader of a session of its own. */
  readonly newSession?: boolean;
}

/** One of `code` and `signal` (a number) is null; both are when someone else has reaped the process. */
export interface ProcessExit {
  readonly code: number | null;
  readonly signal: number | null;
}

export interface Spawned {
  readonly pid: number;
  readonly exited: Promise<ProcessExit>;
}

/** Starts the program at `path`, which is not looked up in PATH; `args` leaves out its name. Throws as Node's calls do. */
export function spawn(path: string, args: readonly string[], options: SpawnOptions = {}): Spawned {
  const pid = new Int32Array(1);
  const env = Object.entries(options.env ?? {}).map(([name, value]) => `${name}=${value}`);
  const actions = fileActions(options.fds ?? ['null', 'null', 'null']);
  if (options.cwd !== undefined) actionsChdir(actions, options.cwd);
  try {
    const attributes = attributesFor(options.newSession === true);
    const errno = posixSpawn(pid, path, actions, attributes, [path, ...args, null], [...env, null]);
    if (errno !== 0) throw systemError(errno, 'posix_spawn', path);
  } finally {
    actionsDestroy(actions);
  }
  const child = pid[0] ?? 0;
  return { pid: child, exited: reap(child) };
}

async function reap(pid: number): Promise<ProcessExit> {
  await onProcessEnd(pid).ended;
  const status = new Int32Array(1);
  try {
    waitpid(pid, status, WNOHANG);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === ECHILD) return { code: null, signal: null };
    throw error;
  }
  const word = status[0] ?? 0;
  const signal = word & 0x7f;
  return signal === 0 ? { code: (word >> 8) & 0xff, signal: null } : { code: null, signal };
}

/**
 * A target may be the source of another item, so every source first moves above them all; what is above the last
 * target is then closed, with anything that was opened without close-on-exec.
 */
function fileActions(fds: readonly (number | 'null')[]): Struct {
  const actions = Buffer.alloc(STRUCT_BYTES);
  actionsInit(actions);
  const above = Math.max(fds.length, ...fds.map((fd) => (fd === 'null' ? 0 : fd + 1)));
  for (const [index, fd] of fds.entries()) if (fd !== 'null') actionsDup2(actions, fd, above + index);
  for (const [index, fd] of fds.entries()) {
    if (fd === 'null') actionsOpen(actions, index, '/dev/null', O_RDWR, 0);
    else actionsDup2(actions, above + index, index);
  }
  actionsCloseFrom(actions, fds.length);
  return actions;
}

const attributeCache = new Map<boolean, Struct>();

function attributesFor(newSession: boolean): Struct {
  const cached = attributeCache.get(newSession);
  if (cached !== undefined) return cached;
  const attributes = Buffer.alloc(STRUCT_BYTES);
  attrInit(attributes);
  attrMask(attributes, Buffer.alloc(STRUCT_BYTES));
  // Node ignores SIGPIPE, and what is ignored stays ignored across exec.
  attrDefault(attributes, Buffer.alloc(STRUCT_BYTES, 0xff));
  const session = newSession ? POSIX_SPAWN_SETSID : 0;
  attrFlags(attributes, POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETSIGMASK | session);
  attributeCache.set(newSession, attributes);
  return attributes;
}
