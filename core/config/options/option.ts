/** A row of the table of options: one thing that an operator may set, by a flag, in the configuration file, or both. */
import type { OptionType } from './types.ts';

export interface Option<T> {
  /** Without its dashes; '' for what only the file has. */
  readonly flag: string;
  /** One letter. */
  readonly short?: string;
  /** Name in the file; '' for what only a flag has. Docker names lists in the plural there. */
  readonly key: string;
  readonly type: OptionType<T>;
  readonly default: T;
  /** What the help says of the default where the value itself says nothing. */
  readonly defaultWords?: string;
  /** Whether a reload takes its new value. */
  readonly reloadable: boolean;
  readonly help: string;
}

type Written<T> = Omit<Option<T>, 'key' | 'reloadable'> & {
  readonly key?: string;
  readonly reloadable?: boolean;
};

/** `key` is the flag's name, and the option needs a restart, unless said otherwise. */
export function option<T>(row: Written<T>): Option<T> {
  return { key: row.flag, reloadable: false, ...row };
}

export function reloadable<T>(row: Written<T>): Option<T> {
  return { key: row.flag, ...row, reloadable: true };
}
