/** `gantry completion SHELL`. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Run } from '../command.ts';
import { SCRIPTS } from './scripts.ts';

export const run: Run = async ({ operands: [shell = ''], print }) => {
  const script = Object.hasOwn(SCRIPTS, shell) ? SCRIPTS[shell] : undefined;
  if (script === undefined) {
    const message = `completion: SHELL can be ${Object.keys(SCRIPTS).join(', ')}, not "${shell}"`;
    throw new HostError('InvalidArgument', 'USAGE', message, { hint: 'see gantry completion --help' });
  }
  print(script);
  return 0;
};
