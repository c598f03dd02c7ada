/** The `filters` of `GET /events`: which events somebody wants to hear of, as Docker decides it. */
import type { EventMessage } from './event.ts';

type Filters = ReadonlyMap<string, readonly string[]>;

/** Types whose events are asked for by an object's id or name, or the beginning of one. */
const BY_OBJECT = [
  'daemon',
  'container',
  'plugin',
  'volume',
  'network',
  'node',
  'service',
  'secret',
  'config',
];
/** Actions that go on after a colon. */
const WITH_WORDS = ['health_status', 'exec_create', 'exec_start'];

/** Every filter must hold, of each any one value; a filter that Docker does not know holds always. */
export function eventFilter(filters: Filters): (event: EventMessage) => boolean {
  const any = (key: string, holds: (wanted: string) => boolean): boolean => {
    const wanted = filters.get(key);
    return wanted === undefined || wanted.length === 0 || wanted.some(holds);
  };
  const openEnded = filters.get('event')?.some((action) => WITH_WORDS.includes(action)) ?? false;
  return ({ type, action, id, attributes, scope }) => {
    const { name = '' } = attributes;
    const image = (type === 'image' ? attributes.name : attributes.image) ?? '';
    return (
      any('event', (wanted) => (openEnded ? action.startsWith(wanted) : action === wanted)) &&
      any('type', (wanted) => type === wanted) &&
      any('scope', (wanted) => scope === wanted) &&
      BY_OBJECT.every((kind) => any(kind, (wanted) => id.startsWith(wanted) || name.startsWith(wanted))) &&
      any('image', (wanted) => [id, image, withoutTag(id), withoutTag(image)].includes(wanted)) &&
      (filters.get('label') ?? []).every((wanted) => hasLabel(attributes, wanted))
    );
  };
}

function hasLabel(attributes: Readonly<Record<string, string>>, wanted: string): boolean {
  const at = wanted.indexOf('=');
  return at < 0 ? wanted in attributes : attributes[wanted.slice(0, at)] === wanted.slice(at + 1);
}

/** `host:5000/name:tag` without its tag or digest. */
function withoutTag(reference: string): string {
  return reference.replace(/@.*$/, '').replace(/:[^:/]*$/, '');
}
