/** What a test must not leave: mounts, processes, namespaces, cgroups, loop devices. */
import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import path from 'node:path';
import { mounts } from '@gantry/plugin-sdk/system/mount.ts';
import { unmountBelow } from './fixtures/left-behind.ts';

/** Mounts below `dir`, and processes that work in it or were told of it. */
export function leftIn(dir: string): readonly string[] {
  return [
    ...mounts()
      .filter(({ target }) => isBelow(target, dir))
      .map(({ target }) => `mount ${target}`),
    ...processesOf(dir).map(({ pid, line }) => `process ${pid}: ${line.slice(0, 200)}`),
  ];
}

/** Ends the processes and takes down the mounts of `leftIn`, so that the next test does not meet them. */
export function clearLeft(dir: string): void {
  for (const { pid } of processesOf(dir)) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {} // it has just ended
  }
  unmountBelow(dir);
}

/** What no path tells the owner of; to be compared with what was there before. */
export function leftOnMachine(): readonly string[] {
  return [...cgroups(), ...namespaces(), ...loops()];
}

function processesOf(dir: string): readonly { readonly pid: number; readonly line: string }[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        // One that has ended, and waits for its parent, has no command line and no directory.
        const isOurs = line.includes(`${dir}/`) || isBelow(readlinkSync(`/proc/${pid}/cwd`), dir);
        return isOurs ? [{ pid: Number(pid), line }] : [];
      } catch {
        return [];
      }
    });
}

function isBelow(file: string, dir: string): boolean {
  return file === dir || file.startsWith(`${dir}/`);
}

function cgroups(): readonly string[] {
  return ['/sys/fs/cgroup/gantry', '/sys/fs/cgroup/memory/gantry', '/sys/fs/cgroup/pids/gantry']
    .filter((dir) => existsSync(dir))
    .flatMap((dir) =>
      readdirSync(dir, { withFileTypes: true })
        .filter((entry) => entry.isDirectory() && /^[0-9a-f]{64}$/.test(entry.name))
        .map((entry) => `cgroup ${path.join(dir, entry.name)}`),
    );
}

function namespaces(): readonly string[] {
  return existsSync('/run/netns') ? readdirSync('/run/netns').map((name) => `network namespace ${name}`) : [];
}

function loops(): readonly string[] {
  return readdirSync('/sys/block')
    .filter((name) => name.startsWith('loop'))
    .flatMap((name) => {
      const file = `/sys/block/${name}/loop/backing_file`;
      return existsSync(file) ? [`loop device ${name}: ${readFileSync(file, 'utf8').trim()}`] : [];
    });
}
