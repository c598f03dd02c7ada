/**
 * Up to 1.43: images carry `VirtualSize` beside `Size`, a read-only mount is so for its top alone, and a health check has
 * one interval.
 */
import { each, eachMount, inOrder, object, type Shape, type VersionStep, within, without } from './step.ts';

const withVirtualSize = (image: Shape): Shape => ({ ...image, VirtualSize: image.Size });

/** Whoever mounted so relied on what lies below staying writable. */
function topAlone(mount: Shape): Shape {
  if (mount.Type !== 'bind' || mount.ReadOnly !== true) return mount;
  const options = without('ReadOnlyForceRecursive')((mount.BindOptions ?? {}) as Shape);
  return { ...mount, BindOptions: { ...options, ReadOnlyNonRecursive: true } };
}

const withoutStatus = (runtimes: Shape): Shape =>
  Object.fromEntries(
    Object.entries(runtimes).map(([name, runtime]) => [name, object(without('status'))(runtime)]),
  );

export const v1_43: VersionStep = {
  version: '1.43',
  up: {
    'container.create': object(inOrder(within('Healthcheck', without('StartInterval')), eachMount(topAlone))),
    'container.commit': object(within('Healthcheck', without('StartInterval'))),
  },
  down: {
    'system.df': object(({ Images, ...usage }) => ({
      ...usage,
      Images: Array.isArray(Images) ? Images.map(object(withVirtualSize)) : Images,
    })),
    'image.inspect': object(withVirtualSize),
    'image.list': each(withVirtualSize),
    'system.info': object(within('Runtimes', withoutStatus)),
  },
};
