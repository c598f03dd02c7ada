/** Capability sets as Docker's `--cap-add` and `--cap-drop` make them. */
import { readFileSync } from 'node:fs';
import { HostError } from '../errors.ts';

/** What a container's root gets by default. Source: moby daemon/pkg/oci/caps, DefaultCapabilities. */
export const DEFAULT_CAPABILITIES: readonly string[] = [
  'CAP_CHOWN',
  'CAP_DAC_OVERRIDE',
  'CAP_FSETID',
  'CAP_FOWNER',
  'CAP_MKNOD',
  'CAP_NET_RAW',
  'CAP_SETGID',
  'CAP_SETUID',
  'CAP_SETFCAP',
  'CAP_SETPCAP',
  'CAP_NET_BIND_SERVICE',
  'CAP_SYS_CHROOT',
  'CAP_KILL',
  'CAP_AUDIT_WRITE',
];

/** In the order of their numbers in linux/capability.h. */
const names = [
  ...['CHOWN', 'DAC_OVERRIDE', 'DAC_READ_SEARCH', 'FOWNER', 'FSETID', 'KILL', 'SETGID', 'SETUID', 'SETPCAP'],
  ...[
    'LINUX_IMMUTABLE',
    'NET_BIND_SERVICE',
    'NET_BROADCAST',
    'NET_ADMIN',
    'NET_RAW',
    'IPC_LOCK',
    'IPC_OWNER',
  ],
  ...[
    'SYS_MODULE',
    'SYS_RAWIO',
    'SYS_CHROOT',
    'SYS_PTRACE',
    'SYS_PACCT',
    'SYS_ADMIN',
    'SYS_BOOT',
    'SYS_NICE',
  ],
  ...['SYS_RESOURCE', 'SYS_TIME', 'SYS_TTY_CONFIG', 'MKNOD', 'LEASE', 'AUDIT_WRITE', 'AUDIT_CONTROL'],
  ...[
    'SETFCAP',
    'MAC_OVERRIDE',
    'MAC_ADMIN',
    'SYSLOG',
    'WAKE_ALARM',
    'BLOCK_SUSPEND',
    'AUDIT_READ',
    'PERFMON',
  ],
  ...['BPF', 'CHECKPOINT_RESTORE'],
].map((name) => `CAP_${name}`);

let grantable: readonly string[] | undefined;

/** Every capability that this process can hand on: those in its own bounding set. What `ALL` and `--privileged` mean. */
export function allCapabilities(): readonly string[] {
  grantable ??= readBoundingSet();
  return grantable;
}

function readBoundingSet(): readonly string[] {
  const line = /^CapBnd:\s*([0-9a-f]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'));
  const mask = BigInt(`0x${line?.[1] ?? '0'}`);
  return names.filter((_, bit) => (mask >> BigInt(bit)) & 1n);
}

/**
 * The default set less `drop`, then with `add`: names with or without `CAP_`, in any case, or `ALL`. As in Docker,
 * `add` wins, but for `ALL`, from which `drop` takes away. Throws InvalidArgument for an unknown name.
 */
export function capabilitiesFor(add: readonly string[], drop: readonly string[]): readonly string[] {
  const [added, dropped] = [add.map(normalize), new Set(drop.map(normalize))];
  if (added.includes('ALL')) return allCapabilities().filter((name) => !dropped.has(name));
  if (dropped.has('ALL')) return [...new Set(added)];
  const kept = DEFAULT_CAPABILITIES.filter((name) => !dropped.has(name));
  return [...new Set([...kept, ...added])];
}

function normalize(given: string): string {
  const upper = given.toUpperCase();
  if (upper === 'ALL') return upper;
  const name = upper.startsWith('CAP_') ? upper : `CAP_${upper}`;
  if (names.includes(name)) return name;
  throw new HostError('InvalidArgument', 'UNKNOWN_CAPABILITY', `unknown capability: "${given}"`);
}
