/** Starts a log plugin as a process of its own, for tests: in Node, Python or Go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export interface StoredEntry {
  readonly source: 'stdout' | 'stderr';
  readonly text: string;
  readonly time?: string;
  readonly partial?: { readonly id: string; readonly ordinal: number; readonly last: boolean };
}

export interface LogCall {
  readonly method: string;
  readonly body: string;
  readonly request: Readonly<Record<string, unknown>>;
}

export interface LogPlugin {
  readonly process: ChildProcess;
  entries(id: string): readonly StoredEntry[];
  calls(): readonly LogCall[];
  /** Resolves when the process has ended. */
  kill(signal?: NodeJS.Signals): Promise<void>;
}

export interface PluginPlace {
  readonly socket: string;
  readonly out: string;
}

const here = (name: string) => fileURLToPath(new URL(name, import.meta.url));

export function startLogPlugin(place: PluginPlace, more: readonly string[] = []): Promise<LogPlugin> {
  const { socket, out } = place;
  return begin(process.execPath, [here('./log-plugin.ts'), '--socket', socket, '--out', out, ...more], place);
}

export function startPythonLogPlugin(place: PluginPlace): Promise<LogPlugin> {
  return begin('python3', [here('./log-plugin.py'), '--socket', place.socket, '--out', place.out], place);
}

/** `program`: built from `log-plugin-go`. */
export function startGoLogPlugin(program: string, place: PluginPlace): Promise<LogPlugin> {
  return begin(program, [place.socket, place.out], place);
}

/** Resolves when it listens. */
async function begin(
  program: string,
  args: readonly string[],
  { socket, out }: PluginPlace,
): Promise<LogPlugin> {
  rmSync(socket, { force: true });
  const { NODE_OPTIONS: _, ...env } = process.env;
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'], env });
  const ended = once(child, 'exit');
  await Promise.race([once(child.stdout, 'data'), ended]);
  return {
    process: child,
    entries: (id) => jsonLines(join(out, `${id}.log`)) as readonly StoredEntry[],
    calls: () => jsonLines(join(out, 'calls.jsonl')) as readonly LogCall[],
    kill: async (signal = 'SIGKILL') => {
      child.kill(signal);
      if (child.exitCode === null && child.signalCode === null) await ended;
    },
  };
}

/** The last line may be half written. */
function jsonLines(file: string): readonly unknown[] {
  if (!existsSync(file)) return [];
  return readFileSync(file, 'utf8')
    .split('\n')
    .slice(0, -1)
    .flatMap((line) => {
      try {
        return [JSON.parse(line)];
      } catch {
        return []; // cut off by a SIGKILL
      }
    });
}
