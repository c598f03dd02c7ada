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
    offers: ['driver'],
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
    offers: ['object'],
    flags: FORMAT,
    summary: 'Say what an object depends on, what it waits for, and what would mend it',
    details: `OBJECT is volume/NAME, container/NAME or image/NAME, or a bare name: containers are looked up first, then
volumes, then images. Answers from the daemon's own records, so it never waits for a driver that hangs.`,
    examples: ['gantry driver why web', 'gantry driver why volume/data'],
    load: () => import('./driver-why.ts'),
  },
  {
    words: ['driver', 'logs'],
    operands: ['NAME'],
    offers: ['driver'],
    flags: {
      follow: { type: 'boolean', short: 'f', help: 'Go on with what comes, until interrupted' },
      tail: { type: 'string', short: 'n', value: 'N', help: 'So many of the last lines', default: 'all' },
      since: {
        type: 'string',
        value: 'TIME',
        help: 'Only what is newer: 10m, 1h30m, a date, or seconds since 1970',
      },
      ...FORMAT,
    },
    summary: 'Show what a driver wrote, and which of its calls failed',
    details: `NAME is a name as "gantry driver ls" shows it, or POINT/NAME where several points have the name.

Lines that built-in drivers and drivers over JSON-RPC write, changes of a driver's state, and each call that failed with
its method and code. A Docker plugin has no way to send its own lines. The daemon keeps the last 1000 lines of each
driver, of at most 512 KiB, for as long as it runs.`,
    examples: ['gantry driver logs local', 'gantry driver logs -f --since 10m volume/rexray'],
    load: () => import('./driver-logs.ts'),
  },
  {
    words: ['driver', 'serve'],
    operands: ['NAME'],
    offers: ['builtin'],
    flags: {
      socket: {
        type: 'string',
        value: 'PATH',
        required: true,
        offers: 'file',
        help: "Listen here; the driver is called by the file's name without .sock",
      },
      wire: {
        type: 'string',
        value: 'WIRE',
        choices: ['docker', 'json-rpc'],
        help: "Docker's protocol or Gantry's own",
        default: 'docker where the point has it',
      },
      root: {
        type: 'string',
        value: 'DIR',
        offers: 'directory',
        help: 'Directory of what must last',
        default: '/var/lib/gantry/served',
      },
      state: {
        type: 'string',
        value: 'DIR',
        offers: 'directory',
        help: 'Directory of what may go with a restart of the machine',
        default: '/run/gantry/served',
      },
    },
    summary: 'Serve a built-in driver from a process of its own, for Gantry or Docker Engine',
    details: `NAME is POINT-NAME, such as volume-local, snapshot-overlay or runtime-crun. Runs until it is interrupted.

A Docker Engine finds volume and log drivers in /run/docker/plugins, a Gantry daemon those too, and drivers of every
point in /run/gantry/drivers with --wire json-rpc. Kill it and start it again as you like: what it holds is on the disk.`,
    examples: [
      'gantry driver serve volume-local --socket /run/docker/plugins/disk.sock',
      'gantry driver serve snapshot-overlay --socket /run/gantry/drivers/far.sock --wire json-rpc',
    ],
    load: () => import('./driver-serve.ts'),
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
  {
    words: ['completion'],
    operands: ['SHELL'],
    offers: [['bash', 'zsh', 'fish']],
    flags: {},
    summary: 'Print what makes a shell complete gantry: bash, zsh or fish',
    details: `Completes commands, flags and their values, and asks the daemon for names of drivers, containers, volumes
and images. For this shell alone:

  source <(gantry completion bash)
  source <(gantry completion zsh)
  gantry completion fish | source

For every shell, put it where the shell looks: /etc/bash_completion.d/gantry, a file "_gantry" in a directory of zsh's
$fpath, or ~/.config/fish/completions/gantry.fish.`,
    examples: ['gantry completion bash > /etc/bash_completion.d/gantry'],
    load: () => import('./completion/completion.ts'),
  },
  {
    words: ['__complete'],
    operands: ['WORD...'],
    flags: { line: { type: 'string', value: 'LINE', help: 'A whole command line up to the cursor' } },
    hidden: true,
    summary: 'What can come next on a command line: one on each line, a tab, what it is',
    examples: ['gantry __complete -- driver ""'],
    load: () => import('./completion/complete.ts'),
  },
];
