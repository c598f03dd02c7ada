/**
 * What the host holds every driver to, whoever wrote it: the first and the last stage of the pipeline. Docker starts a
 * container on an empty mountpoint, with the runtime's own directory bound at the target; here that is refused.
 */
import { isAbsolute } from 'node:path';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { Stage } from './call.ts';

type Fault = string | undefined;

interface Rule {
  readonly request?: (request: object) => Fault;
  readonly answer?: (answer: unknown) => Fault;
}

const text =
  (...keys: readonly string[]) =>
  (request: object): Fault => {
    const bad = keys.filter((key) => typeof Reflect.get(request, key) !== 'string');
    return bad.length === 0 ? undefined : `expected a string in ${bad.join(', ')}`;
  };

const named: Rule = { request: text('name') };

const rules: Readonly<Record<string, Readonly<Record<string, Rule>>>> = {
  'gantry.volume.v1': {
    create: named,
    remove: named,
    path: named,
    get: named,
    mount: { request: text('name', 'mountId'), answer: mountpointFault },
    unmount: { request: text('name', 'mountId') },
  },
};

function mountpointFault(answer: unknown): Fault {
  const path = typeof answer === 'object' && answer !== null ? Reflect.get(answer, 'mountpoint') : undefined;
  if (typeof path === 'string' && isAbsolute(path)) return undefined;
  return `mountpoint ${JSON.stringify(path ?? '')} is not an absolute path`;
}

export function checkRequest(pointId: string, driver: string): Stage {
  const ofPoint = rules[pointId] ?? {};
  return (next) => (call) => {
    const fault = requestFault(ofPoint[call.method], call.request);
    if (fault === undefined) return next(call);
    const message = `${driver}: ${call.method}: ${fault}`;
    return Promise.reject(new HostError('InvalidArgument', 'DRIVER_BAD_REQUEST', message));
  };
}

export function checkAnswer(pointId: string, driver: string): Stage {
  const ofPoint = rules[pointId] ?? {};
  return (next) => async (call) => {
    const answer = await next(call);
    const fault = ofPoint[call.method]?.answer?.(answer);
    if (fault === undefined) return answer;
    throw new HostError('Unknown', 'DRIVER_BAD_ANSWER', `${driver}: ${call.method}: ${fault}`);
  };
}

function requestFault(rule: Rule | undefined, request: unknown): Fault {
  if (typeof request !== 'object' || request === null) return 'expected an object';
  return rule?.request?.(request);
}
