/**
 * Where Gantry sends a plugin other calls than Docker 29.7.2 does, on purpose: six classes, and docs/compatibility.md
 * has the reason of each. D1 is a rule that holds at every step. The others are steps named one by one, each with the
 * exact calls and exit code that take the place of the recorded ones.
 */

export const CLASSES = {
  D1: 'Gantry asks only what it does not know',
  D2: 'a daemon that ends leaves its containers running',
  D3: 'an error of a plugin makes Gantry forget nothing',
  D4: 'a mountpoint that is empty or relative is refused',
  D5: 'a plugin that is away costs nobody time',
  D6: 'a copy into a running container asks the plugin nothing',
} as const;

export interface Difference {
  readonly by: Exclude<keyof typeof CLASSES, 'D1'>;
  /** Changes instead of the recorded ones: `Mount v1 MNT1`, with a name for each mount id. */
  readonly changes?: readonly string[];
  /** Volumes asked for with Get, where it is not by D1. */
  readonly gets?: readonly string[];
  readonly code?: number;
  /** Run instead of the recorded command, where that has lost its sense. */
  readonly command?: string;
}

/** By scenario and step. */
export const DIFFERENCES: Readonly<Record<string, Readonly<Record<number, Difference>>>> = {
  '04-volume-cp': {
    7: { by: 'D6', changes: [] },
    8: { by: 'D6', changes: [] },
  },
  '05-volume-restart-plugin-down': {
    12: { by: 'D2', changes: ['Unmount v1 <MNT2>', 'Unmount v1 <MNT1>'] },
  },
  '05-volume-restart-sigkill': {
    6: { by: 'D2', changes: [] },
    8: { by: 'D2', changes: [] },
  },
  '05-volume-restart-sigterm': {
    5: { by: 'D2', changes: [] },
    6: { by: 'D2', changes: [] },
    8: { by: 'D2', changes: [] },
    9: { by: 'D2', changes: ['Unmount v1 <MNT1>', 'Unmount v1 <MNT2>'] },
  },
  '07-volume-errors': {
    17: { by: 'D3', code: 0 },
    // Docker has forgotten the volume and makes a local one of the same name.
    19: { by: 'D3', changes: ['Mount v1 A', 'Unmount v1 A'] },
    20: { by: 'D3', changes: ['Remove v1'] },
    34: { by: 'D4', code: 125 },
    // The Unmount that the plugin refused is owed still.
    42: { by: 'D3', changes: ['Unmount v2 <MNT6>'] },
    52: { by: 'D3', changes: ['Remove v3', 'Remove v4', 'Remove vg'] },
  },
  '08-volume-name-conflict': {
    19: { by: 'D3', code: 0 },
    20: { by: 'D3', code: 1 },
    // The way to make Gantry forget a volume that its plugin denies.
    21: { by: 'D3', command: 'docker volume rm -f vgone', changes: ['Remove vgone'], gets: ['vgone'] },
  },
  '10-plugin-down': {
    4: { by: 'D5', code: 0 },
  },
  '12-volume-extra': {
    4: { by: 'D3', gets: ['v1'] },
    11: { by: 'D4', code: 125 },
    13: { by: 'D4', code: 125 },
    36: { by: 'D3', changes: ['Unmount v6 <MNT3>'] },
    37: { by: 'D3', changes: ['Mount v6 A'], code: 0 },
    40: { by: 'D3', changes: [] },
    41: { by: 'D3', changes: ['Unmount v6 A'] },
  },
  '53-volume-subpath': { 9: { by: 'D6', changes: [] } },
  '54-image-mount': { 5: { by: 'D6', changes: [] } },
  '56-cp-liverestore': {
    4: { by: 'D6', changes: [] },
    7: { by: 'D6', changes: [] },
    8: { by: 'D6', changes: [] },
  },
  '57-unmount-count': {
    6: { by: 'D2', command: 'docker rm -f ca', changes: ['Unmount v1 <MNT1>'] },
    7: { by: 'D2', changes: [] },
    9: { by: 'D6', changes: [] },
    10: { by: 'D2', changes: [] },
    11: { by: 'D2', changes: ['Unmount v1 <MNT3>'] },
  },
  '58-get-err-at-restart': {
    7: { by: 'D3', code: 0 },
    12: { by: 'D3', gets: [] },
    20: { by: 'D3', changes: ['Mount v3 A', 'Unmount v3 A'] },
    // In Docker this and the next are about the local volume of the same name that it has made at step 20.
    24: { by: 'D3', gets: ['v3'] },
    25: { by: 'D3', changes: ['Remove v3'] },
    26: { by: 'D3', changes: [], code: 1 },
  },
  '59-start-absent-plugin': {
    7: { by: 'D5', code: 0 },
  },
};

/** Steps whose calls Docker makes in an order of its own that is random (TRACES-29, V1); here they are in ours. */
export const REORDERED: Readonly<Record<string, Readonly<Record<number, readonly string[]>>>> = {
  '07-volume-errors': { 37: ['Create v3 {"Opts":null}', 'Mount v2 B', 'Mount v3 C', 'Unmount v2 B'] },
};
