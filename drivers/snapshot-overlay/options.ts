/** The option text of an overlay mount. */
import { readFileSync } from 'node:fs';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

/** mount(2) copies one page of options. */
const PAGE_BYTES = 4096;

export interface OverlayStack {
  /** Names in a link directory, top first. */
  readonly lower: readonly string[];
  readonly upperdir?: string;
  readonly workdir?: string;
  readonly volatile: boolean;
}

/** `linkDirs`: paths of the directory with the lower names, the better one to read first, the shortest last. */
export function overlayOptions(stack: OverlayStack, linkDirs: readonly string[], defaults: string): string {
  for (const linkDir of linkDirs) {
    const text = optionText(stack, escapePath(linkDir), defaults);
    if (Buffer.byteLength(text) < PAGE_BYTES) return text;
  }
  throw new HostError(
    'ResourceExhausted',
    'TOO_MANY_LAYERS',
    `mount overlay: ${stack.lower.length} layers do not fit`,
  );
}

/**
 * Turns off what the kernel's configuration turned on and would tie an upper directory to one stack (`index`), or leave
 * a diff that no image layer can hold (`redirect_dir`, `metacopy`).
 */
export function kernelDefaults(parameters = '/sys/module/overlay/parameters'): string {
  const isOn = (name: string) => {
    try {
      return readFileSync(`${parameters}/${name}`, 'latin1').startsWith('Y');
    } catch {
      return false; // an older kernel without the feature
    }
  };
  return ['index', 'redirect_dir', 'metacopy']
    .filter(isOn)
    .map((name) => `,${name}=off`)
    .join('');
}

export function escapePath(path: string): string {
  return path.replace(/[\\:,]/g, '\\$&');
}

function optionText(stack: OverlayStack, linkDir: string, defaults: string): string {
  const lower = stack.lower.map((name) => `${linkDir}/${name}`).join(':');
  const upper =
    stack.upperdir !== undefined && stack.workdir !== undefined
      ? `,upperdir=${escapePath(stack.upperdir)},workdir=${escapePath(stack.workdir)}`
      : '';
  return `lowerdir=${lower}${upper}${defaults}${stack.volatile ? ',volatile' : ''}`;
}
