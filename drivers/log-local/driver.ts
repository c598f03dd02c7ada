/** Log files for `docker logs` alone, in a format of our own (CRI lines), small and compressed unless told otherwise. */
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { LogDriver, LogEntry, LogInfo, LogOptions } from '@gantry/plugin-sdk/contracts/log.ts';
import { ATTRIBUTE_OPTIONS, logAttributes } from '@gantry/plugin-sdk/logs/attributes.ts';
import { encodeCriLines } from '@gantry/plugin-sdk/logs/cri.ts';
import { fileLogDriver } from '@gantry/plugin-sdk/logs/file-driver.ts';
import { checkNames, type FileLimits, fileLimits } from '@gantry/plugin-sdk/logs/options.ts';

const OPTIONS = ['max-size', 'max-file', 'compress', ...ATTRIBUTE_OPTIONS];
const DEFAULTS: FileLimits = { maxBytes: 20 * 1024 * 1024, maxFiles: 5, compress: true };

export function localDriver(): LogDriver {
  return fileLogDriver({
    framing: 'cri',
    shown: false,
    limits,
    pathOf,
    encoder: (info) => {
      logAttributes(info); // a tag that cannot be read is refused, as by the others
      return (entries: readonly LogEntry[]) => encodeCriLines(entries);
    },
  });
}

function pathOf({ logPath }: LogInfo): string {
  const dir = join(dirname(logPath), 'local-logs');
  mkdirSync(dir, { recursive: true, mode: 0o700 });
  return join(dir, 'container.log');
}

function limits(options: LogOptions): FileLimits {
  checkNames(options, OPTIONS, (name) => `unknown log opt '${name}' for log driver local`);
  return fileLimits(options, DEFAULTS);
}
