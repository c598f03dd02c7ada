/** Recordings of a real Docker Engine 29.7.2 (test/fixtures/traces-29): commands, and the plugin calls that each made. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const DIR = join(import.meta.dirname, '../../fixtures/traces-29');

export interface Call {
  readonly plugin: string;
  /** Without `VolumeDriver.`, e.g. `Mount`. */
  readonly method: string;
  readonly request: Readonly<Record<string, unknown>> | null;
  readonly status: number | null;
  readonly response: unknown;
}

/** A command, or an order to the plugin to misbehave from now on. */
export interface Step {
  readonly index: number;
  readonly command: string;
  readonly code: number;
  readonly calls: readonly Call[];
  readonly behaviour?: Record<string, object>;
}

interface RawStep {
  readonly cmd?: string;
  readonly rc?: number;
  readonly calls?: readonly Call[];
  readonly 'plugin-behaviour'?: Record<string, object>;
}

/** Calls to the plugin's network and IPAM drivers are left out: the one that we replay with has volumes alone. */
export function readTrace(scenario: string): readonly Step[] {
  const { steps } = JSON.parse(readFileSync(join(DIR, `${scenario}.json`), 'utf8')) as {
    steps: readonly RawStep[];
  };
  return steps.map((raw, index) => ({
    index,
    command: raw.cmd ?? '',
    code: raw.rc ?? 0,
    calls: volumeCalls(raw.calls ?? []),
    ...(raw['plugin-behaviour'] && { behaviour: raw['plugin-behaviour'] }),
  }));
}

export function volumeCalls(calls: readonly Call[]): readonly Call[] {
  return calls
    .filter(({ method }) => /^(VolumeDriver|Plugin)\./.test(method))
    .map((call) => ({ ...call, method: call.method.replace('VolumeDriver.', '') }));
}
