/** Keeps nothing. The host writes no journal for it, so nothing is handed on either. */
import type { LogDriver } from '@gantry/plugin-sdk/contracts/log.ts';

export function noneDriver(): LogDriver {
  return {
    capabilities: async () => ({ readLogs: false }),
    check: async () => ({ shown: false }),
    start: async () => {},
    stop: async () => {},
    append: async ({ entries, mark }) => ({ taken: entries.length, mark }),
  };
}
