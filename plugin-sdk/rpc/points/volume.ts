/** `gantry.volume.v1.*`. */
import { Type } from 'typebox';
import type { VolumeDriver } from '../../contracts/volume.ts';
import { anyMap, messagesOf, noParams, nothing, textMap } from '../messages.ts';

const name = Type.String({ description: 'Name of the volume, not validated by the host.' });
const mountId = Type.String({ description: 'Token of one mount point of one container.' });
const byName = Type.Object({ name });
const byMount = Type.Object({ name, mountId });
const mounted = Type.Object({ mountpoint: Type.String({ description: 'Absolute path on the host.' }) });
const made = Type.Object({ name, options: Type.Union([textMap, Type.Null()]) });

const view = Type.Object({
  name,
  mountpoint: Type.String({ description: 'Absolute host path, or empty.' }),
  createdAt: Type.Optional(Type.String({ description: 'RFC 3339.' })),
  status: Type.Optional(anyMap),
});

export const volumeMessages = messagesOf<VolumeDriver>()({
  create: { params: made, result: nothing },
  remove: { params: byName, result: nothing },
  mount: { params: byMount, result: mounted },
  unmount: { params: byMount, result: nothing },
  path: { params: byName, result: mounted },
  get: { params: byName, result: Type.Union([view, Type.Null()]) },
  list: { params: noParams, result: Type.Array(view) },
  capabilities: {
    params: noParams,
    result: Type.Object({ scope: Type.Union([Type.Literal('local'), Type.Literal('global')]) }),
  },
  restore: { params: made, result: nothing },
});
