/** The object that somebody asks about, and the drivers it depends on. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { nearNames } from '../../host/near-names.ts';
import type { Effect, ObjectName } from '../../store/effect.ts';
import type { LockKey, Locks } from '../../store/locks.ts';
import type { ContainerRecord, ImageRecord } from '../../store/record-types.ts';
import type { Store } from '../../store/store.ts';
import { findContainer } from '../container/find.ts';
import type { Images } from '../image.ts';

/** One driver and what the object needs it for. */
export interface Dependency {
  /** Word of the extension point. */
  readonly point: string;
  readonly name: string;
  readonly for: string;
}

export interface Subject {
  readonly object: ObjectName;
  /** For a person: `container "web"`. */
  readonly title: string;
  readonly state: string;
  readonly dependencies: readonly Dependency[];
}

export interface Books {
  readonly store: Store;
  readonly locks: Locks;
  readonly images: Images;
  readonly defaults: { readonly snapshot: string };
}

/**
 * `reference`: `volume/NAME`, `container/NAME`, `image/NAME`, or a bare name, looked up among containers, then volumes,
 * then images. An object that has no record yet, or none any more, is found by what is left of it on the books.
 */
export function findSubject(books: Books, reference: string): Subject {
  const [, kind, name] = /^(container|volume|image)\/(.+)$/.exec(reference) ?? [];
  const kinds = kind === undefined ? (['container', 'volume', 'image'] as const) : [kind as SubjectKind];
  for (const one of kinds) {
    const found = FINDERS[one](books, name ?? reference) ?? leftOver(books, `${one}/${name ?? reference}`);
    if (found) return withEffects(books, found);
  }
  throw unknown(books, reference);
}

type SubjectKind = 'container' | 'volume' | 'image';

const FINDERS: Readonly<Record<SubjectKind, (books: Books, name: string) => Subject | undefined>> = {
  container({ store }, reference) {
    const record = containerOf(store, reference);
    return (
      record && {
        object: `container/${record.id}`,
        title: `container "${record.name}" (${record.id.slice(0, 12)})`,
        state: [record.state.status, record.state.error].filter(Boolean).join(': '),
        dependencies: ofContainer(record),
      }
    );
  },
  volume({ store }, name) {
    const record = store.records.get('volume', name);
    return (
      record && {
        object: `volume/${name}`,
        title: `volume "${name}"`,
        state: 'on the books',
        dependencies: [{ point: 'volume', name: record.driver, for: 'holds it' }],
      }
    );
  },
  image({ images, defaults }, reference) {
    const record = imageOf(images, reference);
    return (
      record && {
        object: `image/${record.id}`,
        title: `image "${record.names[0] ?? record.id.slice(7, 19)}"`,
        state: 'loaded',
        dependencies: [{ point: 'snapshot', name: defaults.snapshot, for: 'holds its layers' }],
      }
    );
  },
};

function ofContainer({ runtime, snapshotDriver, mounts }: ContainerRecord): readonly Dependency[] {
  return [
    { point: 'runtime', name: runtime, for: 'runs it' },
    { point: 'snapshot', name: snapshotDriver, for: 'holds its file system' },
    ...mounts.map(({ type, target }) => ({ point: 'mount', name: type, for: `plans ${target}` })),
    ...mounts.flatMap(({ volume, source, target }) =>
      volume ? [{ point: 'volume', name: volume.driver, for: `holds volume "${source}" at ${target}` }] : [],
    ),
  ];
}

/** Nothing but operations, effects or a held key. */
function leftOver({ store, locks }: Books, name: string): Subject | undefined {
  const object = name as ObjectName;
  const open = store.openOperations().some((one) => one.object === object);
  if (!open && store.effectsOf(object).length === 0 && !locks.isHeld(object as LockKey)) return undefined;
  const [kind = '', rest = ''] = [name.slice(0, name.indexOf('/')), name.slice(name.indexOf('/') + 1)];
  return {
    object,
    title: `${kind} "${rest}"`,
    state: 'no record, but something of it is on the books',
    dependencies: [],
  };
}

const POINT_OF: Readonly<Partial<Record<Effect['kind'], string>>> = {
  volume: 'volume',
  'volume-mount': 'volume',
  snapshot: 'snapshot',
  'snapshot-mount': 'snapshot',
  task: 'runtime',
};

/** Adds the drivers that only effects name, such as those of an operation that was cut off. */
function withEffects({ store }: Books, subject: Subject): Subject {
  const { object, dependencies } = subject;
  const operations = store.openOperations().filter((open) => open.object === object);
  const effects = [...store.effectsOf(object), ...operations.flatMap(({ makes }) => makes)];
  const further = effects.flatMap(({ kind, args }): readonly Dependency[] => {
    const point = POINT_OF[kind];
    return point !== undefined && 'driver' in args
      ? [{ point, name: args.driver, for: 'has something of it' }]
      : [];
  });
  const unique = new Map<string, Dependency>();
  for (const one of [...dependencies, ...further]) {
    const key = `${one.point}/${one.name}`;
    if (!unique.has(key)) unique.set(key, one);
  }
  return { ...subject, dependencies: [...unique.values()] };
}

function containerOf(store: Store, reference: string): ContainerRecord | undefined {
  try {
    return findContainer(store, reference);
  } catch {
    return undefined;
  }
}

function imageOf(images: Images, reference: string): ImageRecord | undefined {
  try {
    return images.find(reference);
  } catch {
    return undefined;
  }
}

function unknown({ store }: Books, reference: string): HostError {
  const names = [
    ...store.records.all('container').map(({ name }) => name),
    ...store.records.ids('volume'),
    ...store.records.all('image').flatMap((image) => image.names),
  ];
  const near = nearNames(reference.slice(reference.indexOf('/') + 1), names);
  const meant = near.length === 0 ? '' : `: did you mean ${near.map((name) => `"${name}"`).join(' or ')}?`;
  return new HostError(
    'NotFound',
    'OBJECT_NOT_FOUND',
    `no container, volume or image "${reference}"${meant}`,
    {
      details: { near },
    },
  );
}
