/** The commands, in the order in which the help shows them. */
import type { Command, Flags } from './command.ts';

const FORMAT: Flags = {
  format: { type: 'string', value: 'FORMAT', choices: ['json'], help: 'Print JSON for programs' },
};

export const COMMANDS: readonly Command[] = [
  {
    words: ['driver', 'ls'],
    operands: [],
    flags: FORMAT,
    summary: 'List drivers: where they run, their state, what their calls did',
    details: `Shows built-in drivers and every plugin found or used by a volume or container. A plugin that has not been
used yet has no point: Gantry asks it what it implements when it is first needed.

States: declared (not used yet), starting, ready, degraded (calls fail), crash-loop (not called for a while),
stopped (its socket is gone), skipped (cannot run on this machine), failed.`,
    examples: ['gantry driver ls', 'gantry driver ls --format json | jq .[].state'],
    load: () => import('./driver-ls.ts'),
  },
  {
    words: ['driver', 'inspect'],
    operands: ['NAME'],
    flags: FORMAT,
    summary: 'Show everything known of a driver',
    details:
      'NAME is a name as "gantry driver ls" shows it, or POINT/NAME where several points have the name.',
    examples: ['gantry driver inspect local', 'gantry driver inspect runtime/crun'],
    load: () => import('./driver-inspect.ts'),
  },
  {
    words: ['driver', 'why'],
    operands: ['OBJECT'],
    flags: FORMAT,
    summary: 'Say what an object depends on, what it waits for, and what would mend it',
    details: `OBJECT is volume/NAME, container/NAME or image/NAME, or a bare name: containers are looked up first, then
volumes, then images. Answers from the daemon's own records, so it never waits for a driver that hangs.`,
    examples: ['gantry driver why web', 'gantry driver why volume/data'],
    load: () => import('./driver-why.ts'),
  },
  {
    words: ['fsck'],
    operands: [],
    flags: {
      repair: { type: 'boolean', help: 'Settle what can be settled safely; never removes a volume' },
      ...FORMAT,
    },
    summary: 'Compare what the daemon has on its books with what is really there',
    details: `Looks for operations that nobody settles, effects that nobody wants or that are not there, and snapshots,
layers, blobs, tasks, directories, mounts, cgroups and volumes that are on no book. Prints a line for each finding
with what would mend it. The daemon goes on working meanwhile.`,
    examples: ['gantry fsck', 'gantry fsck --repair'],
    load: () => import('./fsck.ts'),
  },
  {
    words: ['doctor'],
    operands: [],
    flags: FORMAT,
    summary: 'Check this machine: kernel features and programs, and what a missing one costs',
    details: 'Needs no daemon. Exits with 1 when something is missing without which no container can run.',
    examples: ['gantry doctor'],
    load: () => import('./doctor.ts'),
  },
];
