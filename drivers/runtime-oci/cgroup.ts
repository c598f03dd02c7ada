/**
 * The cgroups of a task. conmon gets one of its own, with the runtime that it has started and not yet moved away: a
 * service manager that stops the daemon's cgroup leaves it alone, and what is in it can be ended for certain.
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmdirSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { killProcess } from '@gantry/plugin-sdk/system/kill.ts';

const ROOT = '/sys/fs/cgroup';
const ATTEMPTS = 200;
const PAUSE_MS = 5;

/** A cgroup that is not there, or just goes. */
const GONE = new Set(['ENOENT', 'ENODEV']);
const IN_USE = new Set(['EBUSY', 'ENOTEMPTY']);

/** Where a service manager looks for processes: the unified hierarchy, else systemd's own. Undefined without either. */
export function trackingHierarchy(): string | undefined {
  const unified = existsSync(join(ROOT, 'cgroup.controllers'));
  return [unified ? ROOT : join(ROOT, 'systemd')].find((path) => existsSync(join(path, 'cgroup.procs')));
}

/**
 * Makes the cgroup at `dir` and moves `pid` in; what it starts later is born there. The kernel may take 10 ms for the
 * first move in a while (the next, by the runtime, is then quick), so it is not done on the event loop.
 */
export async function enterCgroup(dir: string, pid: number): Promise<void> {
  mkdirSync(dir, { recursive: true });
  await writeFile(join(dir, 'cgroup.procs'), String(pid));
}

/** Removes the cgroup at `dir` unless there are others below it. */
export function removeEmptyCgroup(dir: string): void {
  removeDirectory(dir);
}

/** Ends what is in the cgroup at `dir` and below it, and removes it; one that is not there is success. */
export async function endCgroup(dir: string, signal: AbortSignal): Promise<void> {
  for (let attempt = 0; !removeTree(dir) && attempt < ATTEMPTS; attempt++) {
    killTree(dir);
    await delay(PAUSE_MS, undefined, { signal });
  }
}

/** The same for a container's cgroup, in every hierarchy: after a crash the runtime may not know of it any more. */
export async function endContainerCgroup(path: string, signal: AbortSignal): Promise<void> {
  if (existsSync(join(ROOT, 'cgroup.controllers'))) return endCgroup(join(ROOT, path), signal);
  for (const hierarchy of readdirSync(ROOT)) await endCgroup(join(ROOT, hierarchy, path), signal);
}

function killTree(dir: string): void {
  for (const child of childrenOf(dir)) killTree(child);
  const members = ifThere(() => readFileSync(join(dir, 'cgroup.procs'), 'utf8')) ?? '';
  for (const pid of members.split('\n').filter(Boolean)) {
    killProcess(Number(pid));
  }
}

/** False while a process is still inside. A container with a cgroup namespace may have made children. */
function removeTree(dir: string): boolean {
  if (removeDirectory(dir)) return true;
  for (const child of childrenOf(dir)) removeTree(child);
  return removeDirectory(dir);
}

function removeDirectory(dir: string): boolean {
  try {
    ifThere(() => rmdirSync(dir));
    return true;
  } catch (error) {
    if (IN_USE.has((error as NodeJS.ErrnoException).code ?? '')) return false;
    throw error;
  }
}

function childrenOf(dir: string): readonly string[] {
  const entries = ifThere(() => readdirSync(dir, { withFileTypes: true })) ?? [];
  return entries.filter((entry) => entry.isDirectory()).map((entry) => join(dir, entry.name));
}

function ifThere<T>(read: () => T): T | undefined {
  try {
    return read();
  } catch (error) {
    if (GONE.has((error as NodeJS.ErrnoException).code ?? '')) return undefined;
    throw error;
  }
}
