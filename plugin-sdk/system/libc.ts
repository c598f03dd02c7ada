/**
 * The C library, called in process. A function is declared with its C signature and bound at its first call, so that
 * importing a module of this folder opens nothing.
 */
import { getSystemErrorMessage, getSystemErrorName } from 'node:util';
import koffi, { type LibraryHandle } from 'koffi';

type Native<A extends unknown[], R> = ((...args: A) => R) & {
  async(...args: [...A, (error: unknown, result: R) => void]): void;
};

const libraries = new Map<string, LibraryHandle>();

/** Binds `definition`, e.g. `int close(int fd)`, at its first call. What it returns is not looked at. */
export function foreign<A extends unknown[], R>(
  definition: string,
  library = 'libc.so.6',
): (...args: A) => R {
  const bind = binder<A, R>(definition, library);
  return (...args) => bind()(...args);
}

/** errno of the last call on this thread: for hot paths that use `foreign` and expect failure. */
export const lastErrno = (): number => koffi.errno();

/** A function that answers -1 and sets errno when it fails. */
export interface Syscall<A extends unknown[]> {
  /** Throws an Error as Node's own calls do, with `code`, `errno`, `syscall` and `path`. */
  (...args: A): number;
  /** Runs on libuv's thread pool: for what may sleep in the kernel and would stop the event loop. */
  async(...args: A): Promise<number>;
}

export function syscall<A extends unknown[]>(definition: string): Syscall<A> {
  const name = /(\w+)\(/.exec(definition)?.[1] ?? definition;
  const bind = binder<A, number>(definition, 'libc.so.6');
  const failure = (args: A) =>
    systemError(
      koffi.errno(),
      name,
      args.find((arg) => typeof arg === 'string'),
    );
  const call = (...args: A): number => {
    const result = bind()(...args);
    if (result === -1) throw failure(args);
    return result;
  };
  // koffi carries the worker's errno over into the callback, so it is read there and not a microtask later.
  const async = (...args: A) =>
    new Promise<number>((resolve, reject) => {
      bind().async(...args, (error, result) => {
        if (error) reject(error);
        else if (result === -1) reject(failure(args));
        else resolve(result);
      });
    });
  return Object.assign(call, { async });
}

/** An Error with `code` (`ENOENT`), `errno` (negative, as in Node), `syscall` and, where known, `path`. */
export function systemError(errno: number, call: string, path?: string): NodeJS.ErrnoException {
  const code = getSystemErrorName(-errno);
  const what = path === undefined ? call : `${call} '${path}'`;
  return Object.assign(new Error(`${code}: ${getSystemErrorMessage(-errno)}, ${what}`), {
    errno: -errno,
    code,
    syscall: call,
    ...(path === undefined ? {} : { path }),
  });
}

function binder<A extends unknown[], R>(definition: string, library: string): () => Native<A, R> {
  let bound: Native<A, R> | undefined;
  return () => {
    bound ??= load(library).func(definition) as unknown as Native<A, R>;
    return bound;
  };
}

function load(name: string): LibraryHandle {
  const loaded = libraries.get(name) ?? koffi.load(name);
  libraries.set(name, loaded);
  return loaded;
}
