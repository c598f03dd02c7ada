/** `gantry.mount.v1.resolve`. */
import { Type } from 'typebox';
import type { MountDriver } from '../../contracts/mount.ts';
import { messagesOf, texts } from '../messages.ts';

const text = Type.String();
const flag = Type.Optional(Type.Boolean());
const subpath = Type.Optional(text);

const request = Type.Object({
  type: Type.Union([
    Type.Literal('bind'),
    Type.Literal('tmpfs'),
    Type.Literal('volume'),
    Type.Literal('image'),
  ]),
  source: Type.Optional(text),
  target: text,
  readOnly: Type.Boolean(),
  bind: Type.Optional(
    Type.Object({
      propagation: Type.Optional(text),
      nonRecursive: flag,
      createSource: flag,
      readOnlyNonRecursive: flag,
    }),
  ),
  tmpfs: Type.Optional(
    Type.Object({
      sizeBytes: Type.Optional(Type.Number()),
      mode: Type.Optional(Type.Number()),
      options: Type.Optional(texts),
    }),
  ),
  volume: Type.Optional(Type.Object({ driver: text, mountId: text, subpath })),
  image: Type.Optional(Type.Object({ id: text, layers: texts, subpath })),
});

const effect = Type.Union([
  Type.Object({ kind: Type.Literal('volume-mount'), driver: text, name: text, mountId: text }),
  Type.Object({ kind: Type.Literal('host-directory'), path: text }),
  Type.Object({ kind: Type.Literal('snapshot-view'), layers: texts }),
]);

export const mountMessages = messagesOf<MountDriver>()({
  resolve: {
    params: request,
    result: Type.Object({
      mount: Type.Object({ destination: text, type: text, source: text, options: texts }),
      effects: Type.Array(effect),
      sourceFrom: Type.Optional(Type.Object({ effect: Type.Number(), subpath })),
    }),
  },
});
