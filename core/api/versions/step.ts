/** One difference between two versions of the API, and what the steps are written with. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

export type Shape = Readonly<Record<string, unknown>>;
/** Of a body, whatever it is: a body of the wrong type is passed on, for the handler to refuse. */
export type Change = (body: unknown) => unknown;

export interface VersionStep {
  /** The newest version that still has the old shape. */
  readonly version: string;
  /** Row → the request's body, as the next version would say it. */
  readonly up?: Readonly<Record<string, Change>>;
  /** Row → the answer's body, as this version said it. */
  readonly down?: Readonly<Record<string, Change>>;
  /** Row → the parameters, as the next version would say them; changed in place. */
  readonly query?: Readonly<Record<string, (params: URLSearchParams) => void>>;
}

function isShape(value: unknown): value is Shape {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A change of an object. */
export function object(change: (body: Shape) => unknown): Change {
  return (body) => (isShape(body) ? change(body) : body);
}

/** A change of each object of a list. */
export function each(change: (item: Shape) => unknown): Change {
  return (body) => (Array.isArray(body) ? body.map(object(change)) : body);
}

/** A change of one field that is an object itself. */
export function within(field: string, change: (value: Shape) => unknown): (body: Shape) => Shape {
  return (body) => (isShape(body[field]) ? { ...body, [field]: change(body[field]) } : body);
}

/** Fields that came later. */
export function without(...fields: readonly string[]): (body: Shape) => Shape {
  return (body) => Object.fromEntries(Object.entries(body).filter(([name]) => !fields.includes(name)));
}

/** Changes of one object, the first first. */
export function inOrder(...changes: readonly ((body: Shape) => Shape)[]): (body: Shape) => Shape {
  return (body) => changes.reduce((shape, change) => change(shape), body);
}

/** A change of each of a new container's mounts. */
export function eachMount(change: (mount: Shape) => Shape): (body: Shape) => Shape {
  return within('HostConfig', (hostConfig) => {
    const { Mounts } = hostConfig;
    return Array.isArray(Mounts) ? { ...hostConfig, Mounts: Mounts.map(object(change)) } : hostConfig;
  });
}

/** Parameters that came later: an older client cannot mean them. */
export function ignoring(...names: readonly string[]): (params: URLSearchParams) => void {
  return (params) => {
    for (const name of names) params.delete(name);
  };
}

/** The filters of a list; undefined when they are no object of JSON, for the handler to refuse. */
export function filtersOf(params: URLSearchParams): Shape | undefined {
  try {
    const filters: unknown = JSON.parse(params.get('filters') || '{}');
    return isShape(filters) ? filters : undefined;
  } catch {
    return undefined;
  }
}

/** For what an older client may not even ask, in Docker's words. */
export function needs(what: string, version: string): HostError {
  return new HostError('InvalidArgument', 'NEEDS_NEWER_API', `${what} needs API v${version} or newer`);
}
