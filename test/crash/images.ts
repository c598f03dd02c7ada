/** What the sweep's images are made of. */
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { busyboxEntries, makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { tar } from '../fixtures/tar.ts';

/** Loaded on every machine; has files at /data for copy-up and for an image mount's subpath. */
export const IMAGE = 'crash:latest';

/** An archive of `name` with a layer of its own. */
export function archiveOf(dir: string, name: string): Buffer {
  const path = join(dir, 'archive.tar');
  const files = [
    { name: 'data/', kind: 'directory' as const, mode: 0o755 },
    { name: 'data/a', content: 'one\n' },
    { name: 'data/below/', kind: 'directory' as const, mode: 0o755 },
    { name: 'data/below/b', content: `${name}\n` },
  ];
  makeBusyboxArchive(path, { tag: name, extraLayers: [files] });
  const bytes = readFileSync(path);
  rmSync(path);
  return bytes;
}

export function rootfsTar(): Buffer {
  return tar([...busyboxEntries(), { name: 'imported', content: 'yes\n' }]);
}
