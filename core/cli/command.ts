/** The shape of one command, and what it is given when it runs. */
import type { ClientEnvironment } from '../config/client.ts';
import type { Client } from './client.ts';

/** What the shell can offer for a value: names that the daemon or this program knows, or paths. */
export type Offer = 'driver' | 'builtin' | 'object' | 'file' | 'directory' | readonly string[];

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands for the value in the help: `FORMAT`. */
  readonly value?: string;
  /** The only values there are. */
  readonly choices?: readonly string[];
  /** Shown in the help; the command itself applies it. */
  readonly default?: string;
  readonly required?: boolean;
  readonly offers?: Offer;
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;

export interface Command {
  /** `['driver', 'ls']`. */
  readonly words: readonly string[];
  /** Names of the positional arguments, all of them needed; a last `NAME...` takes any number. */
  readonly operands: readonly string[];
  /** What the shell offers for each operand. */
  readonly offers?: readonly Offer[];
  /** Not shown: for programs. */
  readonly hidden?: true;
  readonly flags: Flags;
  /** One line for the list of commands. */
  readonly summary: string;
  /** Further paragraphs of its own help. */
  readonly details?: string;
  readonly examples: readonly string[];
  readonly load: () => Promise<{ readonly run: Run }>;
}

/** Answers the exit status: 0, or 1 when something failed or was found. A thrown HostError is printed and is 1. */
export type Run = (invocation: Invocation) => Promise<number>;

export interface Invocation {
  readonly operands: readonly string[];
  readonly values: Readonly<Record<string, string | boolean | undefined>>;
  readonly environment: ClientEnvironment;
  /** The daemon that `host`, `--host` or the environment names; connects at the first request. */
  client(host?: string): Promise<Client>;
  print(text: string): void;
  complain(text: string): void;
}
