/** What controllers and effects need of the driver host, so that tests can hand them another. */
import type { ExtensionPoint } from '@gantry/plugin-sdk/extension-point.ts';

/** A driver of a point, or why it cannot be had. */
export type FoundDriver<T> =
  | { readonly name: string; readonly driver: T; readonly error?: never }
  | { readonly name: string; readonly driver?: never; readonly error: unknown };

export interface Drivers {
  /** Throws NotFound (no such driver, near names in the hint) or Unavailable (known but away). Never waits for it. */
  driver<T>(point: ExtensionPoint<T>, name: string, call?: { signal: AbortSignal }): Promise<T>;
  /** Every driver of the point, and why the rest cannot be asked; never throws. */
  everyDriver<T>(point: ExtensionPoint<T>, call: { signal: AbortSignal }): Promise<readonly FoundDriver<T>[]>;
}
