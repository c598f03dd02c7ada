/** Layers and blobs: those that no image uses, and those that an image lacks. */
import { type SnapshotDriver, snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { missingLayers } from '../../images/layer-use.ts';
import type { ImageRecord } from '../../store/record-types.ts';
import { usedBlobs, usesLayer } from '../image.ts';
import { type Check, type Found, REPAIR, type Scene, soon } from './finding.ts';

/** Content of images that are being taken in is on no book yet, so nothing is said while that goes on. */
export const imageContent: Check = async (scene, signal) => {
  if (isTakingIn(scene)) return [];
  const layers = await layersByDriver(scene, signal);
  const blobs = await scene.content.list();
  const images = scene.store.records.all('image');
  return [
    ...[...layers].flatMap(([name, one]) => unknownLayers(scene, name, one)),
    ...unknownBlobs(scene, blobs),
    ...images.flatMap((image) =>
      lacking(
        image,
        new Set(blobs),
        [...layers.values()].flatMap(({ ids }) => ids),
      ),
    ),
  ];
};

interface Layers {
  readonly driver: SnapshotDriver;
  /** As the driver lists them. */
  readonly ids: readonly (readonly string[])[];
}

async function layersByDriver(scene: Scene, signal: AbortSignal): Promise<ReadonlyMap<string, Layers>> {
  const layers = new Map<string, Layers>();
  for (const { name, driver } of await scene.drivers.everyDriver(snapshotPoint, { signal: soon(signal) })) {
    if (driver) layers.set(name, { driver, ids: await driver.listLayers({}, { signal: soon(signal) }) });
  }
  return layers;
}

function unknownLayers(scene: Scene, name: string, { driver, ids }: Layers): readonly Found[] {
  return ids
    .filter((layer) => !usesLayer(scene.store, layer))
    .map((layer) => ({
      kind: 'layer',
      subject: `${name}/${layer.at(-1)}`,
      what: `snapshot driver "${name}" has a layer ${layer.at(-1)} that no image uses`,
      mend: `"${REPAIR}" removes it`,
      repair: (signal) =>
        whileNothingComes(scene, signal, async () => {
          if (!usesLayer(scene.store, layer)) await driver.removeLayer({ layers: layer }, { signal });
        }),
    }));
}

function unknownBlobs(scene: Scene, blobs: readonly string[]): readonly Found[] {
  return blobs
    .filter((digest) => !usedBlobs(scene.store).has(digest))
    .map((digest) => ({
      kind: 'blob',
      subject: digest,
      what: `blob ${digest} belongs to no image`,
      mend: `"${REPAIR}" removes it`,
      repair: (signal) =>
        whileNothingComes(scene, signal, async () => {
          if (!usedBlobs(scene.store).has(digest)) await scene.content.remove(digest);
        }),
    }));
}

/** An uncompressed layer's blob and the layer have one digest, so the two are looked for apart. */
function lacking(
  image: ImageRecord,
  blobs: ReadonlySet<string>,
  layers: readonly (readonly string[])[],
): readonly Found[] {
  const missing = [
    ...[image.id, image.manifest, ...image.blobs]
      .filter((digest) => !blobs.has(digest))
      .map((one) => `blob ${one}`),
    ...missingLayers(image.layers, layers).map((one) => `layer ${one}`),
  ];
  if (missing.length === 0) return [];
  const name = image.names[0] ?? image.id.slice(7, 19);
  return [
    {
      kind: 'image-content',
      subject: image.id,
      what: `image "${name}" lacks ${missing.join(', ')}`,
      mend: `"docker rmi ${name}", then load or pull it again`,
    },
  ];
}

function isTakingIn({ locks, store }: Scene): boolean {
  const open = store.openOperations().some(({ object }) => object.startsWith('image/'));
  return open || locks.heldKeys().some((key) => key.startsWith('image/'));
}

function whileNothingComes(scene: Scene, signal: AbortSignal, work: () => Promise<void>): Promise<void> {
  return scene.locks.hold(['image/content'], signal, async () => {
    // Whoever takes images in has begun under this key.
    if (scene.locks.heldKeys().some((key) => key.startsWith('image/taking-in/'))) {
      throw new HostError('Conflict', 'IMAGE_ARRIVING', 'remove content: an image is being taken in');
    }
    await work();
  });
}
