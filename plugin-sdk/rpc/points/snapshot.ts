/** `gantry.snapshot.v1.*`. */
import { Type } from 'typebox';
import type { SnapshotDriver } from '../../contracts/snapshot.ts';
import { messagesOf, noParams, nothing, texts } from '../messages.ts';

const text = Type.String();
const byLayers = Type.Object(
  { layers: texts },
  { description: 'Diff ids, bottom first, the layer itself last.' },
);
const byKey = Type.Object({ key: text });
const mounted = Type.Object({ key: text, target: text });

export const snapshotMessages = messagesOf<SnapshotDriver>()({
  prepareLayer: {
    params: byLayers,
    result: Type.Object({ dir: text, form: Type.Union([Type.Literal('overlay'), Type.Literal('apply')]) }),
  },
  commitLayer: { params: byLayers, result: nothing },
  hasLayer: { params: byLayers, result: Type.Object({ present: Type.Boolean() }) },
  removeLayer: { params: byLayers, result: nothing },
  listLayers: { params: noParams, result: Type.Array(texts) },
  prepare: {
    params: Type.Object({
      key: text,
      layers: texts,
      volatile: Type.Boolean(),
      readOnly: Type.Optional(Type.Boolean()),
    }),
    result: nothing,
  },
  mount: { params: mounted, result: nothing },
  unmount: { params: mounted, result: nothing },
  remove: { params: byKey, result: nothing },
  list: { params: noParams, result: texts },
  changes: {
    params: byKey,
    result: Type.Array(
      Type.Object({
        path: Type.String({ description: 'A byte string: each character is one byte.' }),
        kind: Type.Union([Type.Literal('added'), Type.Literal('changed'), Type.Literal('deleted')]),
      }),
    ),
  },
  usage: { params: byKey, result: Type.Object({ sizeBytes: Type.Number(), inodes: Type.Number() }) },
});
