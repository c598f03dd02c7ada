/**
 * What `docker rmi REFERENCE` does: which names go, whether the image goes, and what stands in the way, in Docker's words.
 * Source: moby daemon/images/image_delete.go.
 */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { ImageRecord } from '../../store/record-types.ts';
import type { Store } from '../../store/store.ts';
import { normalizeName, parseName, repositoryOf } from '../image-name.ts';

export interface ImageUser {
  /** A container's, or '' of work under way. */
  readonly id: string;
  readonly isRunning: boolean;
}

export interface RemovalPlan {
  /** Names and digests that the image loses, as its record has them. */
  readonly untag: readonly string[];
  readonly isRemoved: boolean;
}

interface Circumstances {
  readonly force: boolean;
  readonly users: readonly ImageUser[];
  readonly all: readonly ImageRecord[];
}

/** Containers that stand on the image, or mount it. */
export function usersOf(store: Store, id: string, isAwaited: boolean): readonly ImageUser[] {
  const users = store.records
    .all('container')
    .filter(({ imageId, mounts }) => imageId === id || mounts.some((mount) => mount.image?.id === id))
    .map((container) => ({ id: container.id, isRunning: container.state.status === 'running' }));
  return isAwaited ? [...users, { id: '', isRunning: true }] : users;
}

/** Errors: Conflict. */
export function planRemoval(image: ImageRecord, reference: string, around: Circumstances): RemovalPlan {
  const every = [...image.names, ...(image.digests ?? [])];
  const named = referencesIn(image, reference);
  if (named.length === 0) {
    if (!isOneReference(every) && !around.force) throw severalNames(image, reference);
    refuseUsed(image, around, reference);
    return { untag: every, isRemoved: true };
  }
  const [user] = around.users;
  if (user && isOneReference(every) && (!around.force || user.id === '')) {
    throw new HostError(
      'Conflict',
      'IMAGE_IN_USE',
      `conflict: unable to remove repository reference "${reference}" (must force) - ${userText(user)} is using its referenced image ${short(image.id)}`,
      { details: { containers: user.id === '' ? [] : [user.id] } },
    );
  }
  const untag = withLonelyDigests(every, named);
  if (untag.length < every.length) return { untag, isRemoved: false };
  // With force, an image that a running container or another image stands on loses its name alone.
  const isNeeded =
    around.users.some(({ isRunning }) => isRunning) || childrenOf(image, around.all).length > 0;
  return { untag, isRemoved: !isNeeded };
}

/** The names or digests of the record that `reference` spells; none when it is an id. */
function referencesIn({ id, names, digests = [] }: ImageRecord, reference: string): readonly string[] {
  const hex = reference.replace(/^sha256:/, '');
  if (/^[0-9a-f]{2,64}$/.test(hex) && id.startsWith(`sha256:${hex}`)) {
    const isNamed = !reference.startsWith('sha256:') && names.includes(normalizeName(reference));
    return isNamed ? [normalizeName(reference)] : [];
  }
  const { digest, ...name } = parseName(reference);
  const wanted = digest === undefined ? normalizeName(reference) : `${repositoryOf(name)}@${digest}`;
  return [...names, ...digests].filter((one) => one === wanted);
}

/** With the last tag of a repository the digests of that repository go. */
function withLonelyDigests(every: readonly string[], gone: readonly string[]): readonly string[] {
  const [name = ''] = gone;
  if (name.includes('@')) return gone;
  const sameRepository = every.filter((one) => one !== name && bare(one) === bare(name));
  return sameRepository.some((one) => !one.includes('@')) ? gone : [...gone, ...sameRepository];
}

/** At most one tag, and all in one repository. */
function isOneReference(every: readonly string[]): boolean {
  const tags = every.filter((one) => !one.includes('@'));
  return tags.length <= 1 && new Set(every.map(bare)).size <= 1;
}

function refuseUsed(image: ImageRecord, around: Circumstances, reference: string): void {
  if (childrenOf(image, around.all).length > 0) {
    throw conflict(image, reference, true, 'image has dependent child images');
  }
  const running = around.users.find(({ isRunning }) => isRunning);
  if (running) {
    const what = running.id === '' ? userText(running) : `running container ${short(running.id)}`;
    throw conflict(image, reference, true, `image is being used by ${what}`, [running.id]);
  }
  const [stopped] = around.users;
  if (stopped) {
    const what = `image is being used by stopped container ${short(stopped.id)}`;
    refuse(image, around, reference, what, [stopped.id]);
  }
}

/** Unless force was given. */
function refuse(
  image: ImageRecord,
  { force }: Circumstances,
  reference: string,
  why: string,
  containers: readonly string[] = [],
): void {
  if (!force) throw conflict(image, reference, false, why, containers);
}

function conflict(
  image: ImageRecord,
  reference: string,
  isHard: boolean,
  why: string,
  containers: readonly string[] = [],
): HostError {
  const remedy = isHard ? 'cannot be forced' : 'must be forced';
  const message = `conflict: unable to delete ${shortReference(image, reference)} (${remedy}) - ${why}`;
  return new HostError('Conflict', 'IMAGE_IN_USE', message, { details: { containers } });
}

function severalNames(image: ImageRecord, reference: string): HostError {
  const what = shortReference(image, reference);
  return new HostError(
    'Conflict',
    'IMAGE_HAS_SEVERAL_NAMES',
    `conflict: unable to delete ${what} (must be forced) - image is referenced in multiple repositories`,
    { details: { names: image.names } },
  );
}

function childrenOf({ id }: ImageRecord, all: readonly ImageRecord[]): readonly ImageRecord[] {
  return all.filter(({ parent }) => parent === id);
}

function userText({ id }: ImageUser): string {
  return id === '' ? 'work under way' : `container ${short(id)}`;
}

/** `docker.io/library/busybox` of `docker.io/library/busybox:latest` or `…@sha256:…`. */
function bare(name: string): string {
  const at = name.indexOf('@');
  return at < 0 ? name.slice(0, name.lastIndexOf(':')) : name.slice(0, at);
}

function shortReference(image: ImageRecord, reference: string): string {
  return image.id.includes(reference.replace(/^sha256:/, '')) ? short(image.id) : reference;
}

function short(id: string): string {
  return id.replace(/^sha256:/, '').slice(0, 12);
}
