/** A directory on the host: one of ours, removed with its owner, or a bind source that `-v` makes and nobody removes. */
import { mkdirSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import type { EffectHandler } from '../store/effect.ts';

export const directoryEffects: EffectHandler<'host-directory'> = {
  endsWithBoot: false,
  async make({ path, keep }) {
    mkdirSync(path, { recursive: true, mode: keep ? 0o755 : 0o710 });
    return undefined;
  },
  probe: async ({ path }) =>
    stat(path).then(
      () => 'present' as const,
      () => 'absent' as const,
    ),
  async undo({ path, keep }) {
    if (keep) return undefined;
    await rm(path, { recursive: true, force: true });
    return 'unsynced';
  },
  async restore({ path, keep }) {
    if (!keep) mkdirSync(path, { recursive: true, mode: 0o710 });
  },
};
