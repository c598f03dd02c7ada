/** Docker's JSON log files, `<data root>/containers/ID/ID-json.log`: the same lines, the same options. */
import type { LogDriver, LogOptions } from '@gantry/plugin-sdk/contracts/log.ts';
import { ATTRIBUTE_OPTIONS, logAttributes } from '@gantry/plugin-sdk/logs/attributes.ts';
import { fileLogDriver } from '@gantry/plugin-sdk/logs/file-driver.ts';
import { attributesJson, encodeJsonLines } from '@gantry/plugin-sdk/logs/json-file.ts';
import { checkNames, type FileLimits, fileLimits } from '@gantry/plugin-sdk/logs/options.ts';

const OPTIONS = ['max-size', 'max-file', 'compress', ...ATTRIBUTE_OPTIONS];
const DEFAULTS: FileLimits = { maxBytes: undefined, maxFiles: 1, compress: false };

export function jsonFileDriver(): LogDriver {
  return fileLogDriver({
    framing: 'json-file',
    shown: true,
    limits,
    pathOf: ({ logPath }) => logPath,
    encoder: (info) => {
      const attributes = attributesJson(logAttributes(info));
      return (entries) => encodeJsonLines(entries, attributes);
    },
  });
}

function limits(options: LogOptions): FileLimits {
  checkNames(options, OPTIONS, (name) => `unknown log opt '${name}' for json-file log driver`);
  return fileLimits(options, DEFAULTS);
}
