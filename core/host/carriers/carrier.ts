/** The way to a plugin outside the daemon, from one appearance of its file to the next. */
import type { ExtensionPoint, Logger } from '@gantry/plugin-sdk/extension-point.ts';
import type { Call } from '../call.ts';
import type { PluginLocation } from '../discovery.ts';
import type { CarrierKind } from '../driver-record.ts';

export interface Carrier {
  readonly kind: CarrierKind;
  /** What the activation is called in counts and errors, and how long it may take. */
  readonly activation: { readonly name: string; readonly timeoutMs: number };
  /** The first exchange. Errors: as of `call`. */
  activate(signal: AbortSignal): Promise<Activation>;
  /**
   * Carries a contract's request there and its answer back. Errors: the driver's own; Unavailable `DRIVER_UNAVAILABLE`
   * (nothing was sent) and `DRIVER_CONNECTION_LOST` (the outcome is unknown); Unknown `DRIVER_BAD_ANSWER`; and what
   * the call was aborted with.
   */
  call(point: ExtensionPoint<unknown>, call: Call): Promise<unknown>;
  close(): void;
}

/** What a plugin says it is. */
export interface Activation {
  /** In its own words: `VolumeDriver`, or ids of points. */
  readonly implements: readonly string[];
  readonly version?: string;
  /** The word that stands for a point among those. */
  wordOf(point: ExtensionPoint<unknown>): string;
  /** Methods of the point that it has; undefined when it does not serve the point. */
  methodsOf(point: ExtensionPoint<unknown>): ReadonlySet<string> | undefined;
}

/** `log` takes what the plugin writes unasked, where its carrier has that. */
export async function openCarrier(name: string, location: PluginLocation, log: Logger): Promise<Carrier> {
  if (location.wire === 'json-rpc') {
    const { JsonRpcCarrier } = await import('./json-rpc.ts');
    return new JsonRpcCarrier(name, location.address, log);
  }
  const { DockerCarrier } = await import('./docker.ts');
  return new DockerCarrier(name, location.address);
}
