/** Blobs and layers of an image that is being taken in. They are undone by collecting what no image uses. */
import type { EffectHandler } from '../store/effect.ts';

export function unpackedImageEffects(
  collect: (signal: AbortSignal) => Promise<void>,
): EffectHandler<'unpacked-image'> {
  return {
    endsWithBoot: false,
    make: async () => undefined,
    probe: async () => 'present',
    async undo(_args, signal) {
      await collect(signal);
      return 'unsynced';
    },
    restore: async () => {},
  };
}
