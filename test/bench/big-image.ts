/** An image of half a gigabyte: five layers of small files with some big ones between, half of each random. */
import { randomBytes } from 'node:crypto';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import type { TarSpec } from '../fixtures/tar.ts';

const LAYERS = 5;
const LAYER_BYTES = 100 << 20;
const [SMALL_BYTES, BIG_BYTES] = [60_000, 8 << 20];

export function makeBigArchive(path: string, tag: string): void {
  const layer = (index: number): TarSpec[] => {
    const files: TarSpec[] = [];
    for (let left = LAYER_BYTES; left > 0; ) {
      const size = Math.min(left, files.length % 20 === 0 ? BIG_BYTES : SMALL_BYTES);
      files.push({ name: `layer${index}/file${files.length}`, content: content(size) });
      left -= size;
    }
    return files;
  };
  makeBusyboxArchive(path, { tag, extraLayers: Array.from({ length: LAYERS }, (_, index) => layer(index)) });
}

function content(size: number): Buffer {
  const half = randomBytes(Math.ceil(size / 2));
  return Buffer.concat([half, Buffer.alloc(size - half.length, 'some words that compress well, ')]);
}
