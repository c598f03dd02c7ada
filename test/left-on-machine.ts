/** What a test run must not leave: mounts, namespaces, cgroups, loop devices, daemons and containers of ours. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';

const OURS = /gantry|docker-peer/;

export function leftOnMachine(): readonly string[] {
  return [...mounts(), ...processes(), ...cgroups(), ...namespaces(), ...loops()];
}

function mounts(): readonly string[] {
  return readFileSync('/proc/self/mountinfo', 'utf8')
    .split('\n')
    .map((line) => line.split(' ')[4] ?? '')
    .filter((target) => OURS.test(target))
    .map((target) => `mount ${target}`);
}

/** By their command lines; this run's own are not left yet. */
function processes(): readonly string[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .flatMap((pid) => {
      try {
        const line = readFileSync(`/proc/${pid}/cmdline`, 'utf8').replaceAll('\0', ' ');
        return /conmon .*gantry|gantryd\.(ts|js|cjs) |dockerd .*gantry|volume-plugin\.ts|plugin-zoo\.ts/.test(
          line,
        )
          ? [`process ${pid}: ${line.slice(0, 120)}`]
          : [];
      } catch {
        return [];
      }
    });
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
