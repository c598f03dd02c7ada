/**
 * Calls back those who wait for a plugin when its socket or spec file appears or is replaced. The watcher tells at once;
 * a look twice a second, only while somebody waits, covers what a watcher can miss.
 */
const LOOK_MS = 500;

interface Waiter {
  /** The plugin's file as the waiter last knew it. */
  seen: string | undefined;
  readonly onAppear: () => void;
}

export class Appearances {
  readonly #identityNow: (name: string) => string | undefined;
  readonly #waiters: Map<string, Set<Waiter>> = new Map();
  #timer: NodeJS.Timeout | undefined;

  constructor(identityNow: (name: string) => string | undefined) {
    this.#identityNow = identityNow;
  }

  /** `onAppear` is called each time the file is another than before, `seen` at first; never before this returns. */
  wait(name: string, seen: string | undefined, onAppear: () => void): () => void {
    const waiter: Waiter = { seen, onAppear };
    const ofName = this.#waiters.get(name) ?? new Set();
    this.#waiters.set(name, ofName.add(waiter));
    this.#timer ??= setInterval(() => this.check(), LOOK_MS).unref();
    setImmediate(() => this.check(name));
    return () => {
      if (ofName.delete(waiter) && ofName.size === 0) this.#waiters.delete(name);
      if (this.#waiters.size === 0) this.close();
    };
  }

  /** Looks at the plugin called `name`, or at all that are waited for. */
  check(name?: string): void {
    for (const each of name === undefined ? [...this.#waiters.keys()] : [name]) {
      const waiters = this.#waiters.get(each);
      if (waiters === undefined) continue;
      const now = this.#identityNow(each);
      for (const waiter of [...waiters].filter(({ seen }) => seen !== now)) {
        waiter.seen = now;
        if (now !== undefined) waiter.onAppear();
      }
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}
