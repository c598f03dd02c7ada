/** Every method of Docker's plugin protocol but the handshake (`plugin.ts`), in the order of its documentation. */
import { authzMethods } from './authz.ts';
import { ipamMethods } from './ipam.ts';
import { logMethods } from './log.ts';
import type { WireMethod } from './method.ts';
import { metricsMethods } from './metrics.ts';
import { networkMethods } from './network.ts';
import { secretMethods } from './secret.ts';
import { volumeMethods } from './volume.ts';

export const wireMethods: readonly WireMethod[] = [
  volumeMethods,
  networkMethods,
  ipamMethods,
  logMethods,
  authzMethods,
  metricsMethods,
  secretMethods,
].flatMap((methods): WireMethod[] => Object.values(methods));
