/** Platforms as image indexes name them, and which of them a machine can run. Source: containerd, package platforms. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export interface Platform {
  readonly os: string;
  /** As Go names it: `amd64`, `arm64`. */
  readonly architecture: string;
  /** `v7`; '' for the architecture's usual one. */
  readonly variant: string;
}

const ARCHITECTURES: Readonly<Record<string, readonly [string, string]>> = {
  x86_64: ['amd64', ''],
  'x86-64': ['amd64', ''],
  aarch64: ['arm64', ''],
  armhf: ['arm', 'v7'],
  armel: ['arm', 'v6'],
  i386: ['386', ''],
};
const OF_NODE: Readonly<Record<string, string>> = { x64: 'amd64', ia32: '386', ppc64: 'ppc64le' };
const KNOWN = ['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips64le', 'ppc64le', 'riscv64', 's390x'];
const PART = /^[\w.-]+$/;

export function hostPlatform(arch: string = process.arch): Platform {
  return usual({ os: 'linux', architecture: OF_NODE[arch] ?? arch, variant: '' });
}

/** `linux/arm64/v8`, `linux/amd64`, `arm64`, `linux`. Errors: InvalidArgument. */
export function parsePlatform(text: string, host: Platform = hostPlatform()): Platform {
  const parts = text.toLowerCase().split('/');
  if (parts.length > 3 || !parts.every((part) => PART.test(part))) throw badPlatform(text);
  const [first = '', second, third = ''] = parts;
  if (second === undefined) {
    const [architecture, variant] = ARCHITECTURES[first] ?? [first, ''];
    if (KNOWN.includes(architecture)) return usual({ os: host.os, architecture, variant });
    if (first === 'linux' || first === 'windows' || first === 'freebsd' || first === 'darwin')
      return { ...host, os: first };
    throw badPlatform(text);
  }
  const [architecture, variant] = ARCHITECTURES[second] ?? [second, ''];
  return usual({ os: first, architecture, variant: third || variant });
}

export function platformText({ os, architecture, variant }: Platform): string {
  return [os, architecture, variant].filter(Boolean).join('/');
}

/** From a document that may leave out any of it. */
export function platformOf(value: {
  readonly os?: unknown;
  readonly architecture?: unknown;
  readonly variant?: unknown;
}): Platform {
  const text = (one: unknown) => (typeof one === 'string' ? one : '');
  return usual({ os: text(value.os), architecture: text(value.architecture), variant: text(value.variant) });
}

/** How well `offered` serves `wanted`: 0 is best, undefined not at all. */
export function platformRank(offered: Platform, wanted: Platform): number | undefined {
  const texts = runnable(wanted).map(platformText);
  const at = texts.indexOf(platformText(offered));
  return at < 0 ? undefined : at;
}

/** What a machine of this platform runs, best first. */
function runnable(platform: Platform): readonly Platform[] {
  const { os, architecture, variant } = platform;
  if (architecture === 'amd64') return [platform, { os, architecture: '386', variant: '' }];
  const arms = (from: number): Platform[] =>
    Array.from({ length: Math.max(0, from - 4) }, (_, at) => ({
      os,
      architecture: 'arm',
      variant: `v${from - at}`,
    }));
  if (architecture === 'arm') return arms(Number(/^v([5-8])$/.exec(variant)?.[1] ?? 7));
  if (architecture === 'arm64') return [platform, ...arms(8)];
  return [platform];
}

/** One spelling for one platform. */
function usual({ os, architecture, variant }: Platform): Platform {
  if (architecture === 'arm64' && variant === 'v8') return { os, architecture, variant: '' };
  if (architecture === 'arm' && variant === '') return { os, architecture, variant: 'v7' };
  if (architecture === 'amd64' && variant === 'v1') return { os, architecture, variant: '' };
  return { os, architecture, variant };
}

function badPlatform(text: string): HostError {
  return new HostError(
    'InvalidArgument',
    'PLATFORM_INVALID',
    `"${text}" is no platform: expected OS/ARCHITECTURE or OS/ARCHITECTURE/VARIANT`,
  );
}
