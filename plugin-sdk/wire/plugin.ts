/** The handshake: the first call to a plugin, which says what it implements. */
import { type Static, Type } from 'typebox';
import { NoRequest, wireMethod } from './method.ts';

/** Compared exactly, upper and lower case; unknown words are ignored. */
export const CAPABILITY_WORDS = [
  'VolumeDriver',
  'NetworkDriver',
  'IpamDriver',
  'LogDriver',
  'authz',
  'MetricsCollector',
  'secretprovider',
] as const;

export const ActivateAnswer = Type.Object(
  {
    Implements: Type.Array(Type.String({ description: 'A capability word, e.g. `VolumeDriver`.' })),
  },
  { description: 'What the plugin implements.' },
);
export type ActivateAnswer = Static<typeof ActivateAnswer>;

export const pluginActivate = wireMethod('Plugin.Activate', NoRequest, ActivateAnswer, {
  body: 'none',
  timeoutMs: 10_000,
});
