/** What `X-Docker-Container-Path-Stat` carries: base64 of JSON, with Go's own bits for kinds of files. */
import type { PathStat } from '../../trees/jobs.ts';

/** The kind in stat(2)'s mode → Go's os.FileMode. */
const GO_KINDS: ReadonlyMap<number, number> = new Map([
  [0o040000, 2 ** 31],
  [0o120000, 2 ** 27],
  [0o060000, 2 ** 26],
  [0o010000, 2 ** 25],
  [0o140000, 2 ** 24],
  [0o020000, 2 ** 26 + 2 ** 21],
]);
/** Set-uid, set-gid and sticky. */
const GO_BITS: readonly (readonly [bit: number, go: number])[] = [
  [0o4000, 2 ** 23],
  [0o2000, 2 ** 22],
  [0o1000, 2 ** 20],
];

export function pathStatHeader({ name, sizeBytes, mode, mtimeNs, linkTarget }: PathStat): string {
  const stat = {
    name: text(name),
    size: sizeBytes,
    mode: goMode(mode),
    mtime: rfc3339(mtimeNs),
    linkTarget: text(linkTarget),
  };
  return Buffer.from(JSON.stringify(stat)).toString('base64');
}

export function goMode(mode: number): number {
  const bits = GO_BITS.reduce((sum, [bit, go]) => sum + (mode & bit ? go : 0), 0);
  return (GO_KINDS.get(mode & 0o170000) ?? 0) + bits + (mode & 0o777);
}

/** With as many digits of a second as it has. */
function rfc3339(ns: bigint): string {
  const second = ns / 1_000_000_000n - (ns < 0n && ns % 1_000_000_000n !== 0n ? 1n : 0n);
  const rest = String(ns - second * 1_000_000_000n)
    .padStart(9, '0')
    .replace(/0+$/, '');
  const whole = new Date(Number(second) * 1000).toISOString().slice(0, 19);
  return `${whole}${rest === '' ? '' : `.${rest}`}Z`;
}

function text(bytes: string): string {
  return Buffer.from(bytes, 'latin1').toString();
}
