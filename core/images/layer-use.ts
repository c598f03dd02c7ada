/**
 * Whether a snapshot driver's layer belongs to an image. A driver names a layer by all its diff ids, bottom first, or by
 * its own alone where it keeps it once, whatever it is stacked on.
 */

/** `layers`: of an image, bottom first; `layer`: as `listLayers` names it. */
export function isLayerOf(layers: readonly string[], layer: readonly string[]): boolean {
  if (layer.length === 1) return layers.includes(layer[0] ?? '');
  return layer.every((id, at) => layers[at] === id);
}

/** The diff ids of `layers` that none of `present` holds for it. */
export function missingLayers(
  layers: readonly string[],
  present: readonly (readonly string[])[],
): readonly string[] {
  const alone = new Set(present.filter((layer) => layer.length === 1).map(([id]) => id));
  return layers.filter(
    (id, at) =>
      !alone.has(id) && !present.some((layer) => layer.length === at + 1 && isLayerOf(layers, layer)),
  );
}
