/** Which images `docker save` writes, and under which names. */
import type { SavedImage } from '../../images/archive-save.ts';
import type { ImageRecord } from '../../store/record-types.ts';
import type { Images } from '../image.ts';
import { familiarName, normalizeName, parseName, repositoryOf } from '../image-name.ts';

/** An image given by its id has no name in the archive; a repository without a tag stands for all its tags. */
export function savedImages(images: Images, references: readonly string[]): readonly SavedImage[] {
  const names = new Map<ImageRecord, Set<string>>();
  const add = (image: ImageRecord, some: readonly string[]) => {
    const known = names.get(image) ?? new Set();
    for (const name of some) known.add(name);
    names.set(image, known);
  };
  for (const reference of references) {
    const tagged = taggedBy(images, reference);
    for (const { image, name } of tagged) add(image, [name]);
    if (tagged.length === 0) add(images.require(reference), []);
  }
  return [...names].map(([image, some]) => ({ image, names: [...some], tags: [...some].map(familiarName) }));
}

function taggedBy(images: Images, reference: string) {
  if (reference.startsWith('sha256:')) return [];
  const found = images.find(reference);
  const { tag, digest, ...name } = parseName(reference);
  const all = images.all().flatMap((image) => image.names.map((one) => ({ image, name: one })));
  if (tag !== undefined || digest !== undefined) {
    return all.filter((one) => one.name === normalizeName(reference));
  }
  const named = all.filter((one) => one.name.startsWith(`${repositoryOf(name)}:`));
  // A word of hex digits may be the beginning of an id.
  return named.length > 0 || !found ? named : [];
}
