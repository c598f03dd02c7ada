/** The shape of one command, and what it is given when it runs. */
import type { ClientEnvironment } from '../config/client.ts';
import type { Client } from './client.ts';

export interface Flag {
  readonly type: 'string' | 'boolean';
  readonly short?: string;
  /** What stands for the value in the help: `FORMAT`. */
  readonly value?: string;
  /** The only values there are. */
  readonly choices?: readonly string[];
  readonly help: string;
}

export type Flags = Readonly<Record<string, Flag>>;

export interface Command {
  /** `['driver', 'ls']`. */
  readonly words: readonly string[];
  /** Names of the positional arguments, all of them needed. */
  readonly operands: readonly string[];
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
  /** The daemon that `--host` or the environment names; connects at the first request. */
  client(): Promise<Client>;
  print(text: string): void;
  complain(text: string): void;
}
