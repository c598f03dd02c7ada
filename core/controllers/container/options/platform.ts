/** `--platform`: whether the image is one for it. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ImageRecord } from '../../../store/record-types.ts';
import { invalidOption } from './fields.ts';

const SYSTEMS = ['linux', 'windows', 'darwin', 'freebsd'];
/** As clients write them → as images say. */
const ARCHITECTURES: Readonly<Record<string, string>> = {
  x86_64: 'amd64',
  'x86-64': 'amd64',
  i386: '386',
  aarch64: 'arm64',
  armhf: 'arm',
  armel: 'arm',
};
const KNOWN = ['386', 'amd64', 'arm', 'arm64', 'loong64', 'mips64le', 'ppc64le', 'riscv64', 's390x'];

/** `wanted`: `OS[/ARCH[/VARIANT]]` or `ARCH`; '' takes any. Errors: InvalidArgument, NotFound. */
export function checkPlatform(wanted: string, image: ImageRecord, reference: string): void {
  if (wanted === '') return;
  const { system, architecture } = parse(wanted.toLowerCase());
  const fits =
    (system === undefined || system === image.os) &&
    (architecture === undefined || architecture === image.architecture);
  if (fits) return;
  // The docker command takes this for an image to pull.
  const message = `image with reference ${reference} was found but does not provide the specified platform (${wanted})`;
  throw new HostError('NotFound', 'WRONG_PLATFORM', message);
}

function parse(wanted: string): { system?: string; architecture?: string } {
  const [first = '', second] = wanted.split('/');
  const known = (word: string) => {
    const architecture = ARCHITECTURES[word] ?? word;
    return KNOWN.includes(architecture) ? architecture : undefined;
  };
  if (SYSTEMS.includes(first)) {
    if (second === undefined) return { system: first };
    const architecture = known(second);
    if (architecture) return { system: first, architecture };
  } else if (second === undefined) {
    const architecture = known(first);
    if (architecture) return { architecture };
  }
  throw invalidOption(`"${wanted}": unknown operating system or architecture: invalid argument`);
}
