/** A file system in memory, gone with the container's process. */
import type { MountDriver } from '@gantry/plugin-sdk/contracts/mount.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const DEFAULTS = ['noexec', 'nosuid', 'nodev'];
/** Options that a user may give, by the word before `=`; each undoes its opposite among the defaults. */
const FLAGS = [
  'exec',
  'noexec',
  'suid',
  'nosuid',
  'dev',
  'nodev',
  'ro',
  'rw',
  'atime',
  'noatime',
  'relatime',
  'sync',
  'async',
];
const VALUES = ['size', 'mode', 'uid', 'gid', 'nr_inodes', 'nr_blocks', 'mpol', 'huge'];

export const tmpfsDriver: MountDriver = {
  async resolve({ target, readOnly, tmpfs = {} }) {
    const given = (tmpfs.options ?? []).filter((option) => option !== '');
    for (const option of given) checkOption(option);
    const kept = DEFAULTS.filter((option) => !given.includes(option.slice(2)) && !given.includes(option));
    const options = [
      ...kept,
      ...given,
      ...(tmpfs.sizeBytes ? [`size=${tmpfs.sizeBytes}`] : []),
      // As text in octal: the kernel reads it so.
      ...(tmpfs.mode ? [`mode=${tmpfs.mode.toString(8)}`] : []),
      ...(readOnly ? ['ro'] : []),
    ];
    return { mount: { destination: target, type: 'tmpfs', source: 'tmpfs', options }, effects: [] };
  },
};

function checkOption(option: string): void {
  const [word = '', value] = option.split('=');
  if (value === undefined ? FLAGS.includes(word) : VALUES.includes(word)) return;
  throw new HostError('InvalidArgument', 'INVALID_MOUNT', `invalid tmpfs option "${option}"`);
}
