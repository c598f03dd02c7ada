/** The plugins outside the daemon that the host knows of, and the drivers made of them. */
import type { ExtensionPoint, Logger } from '@gantry/plugin-sdk/extension-point.ts';
import { Appearances } from './appearances.ts';
import type { Discovery } from './discovery.ts';
import type { DriverRecord, DriverRow } from './driver-record.ts';
import type { CallTrace } from './pipeline.ts';
import { Plugin } from './plugin.ts';
import { implementsPoint, PluginDriver, requireKind } from './plugin-driver.ts';

export interface PluginsOptions {
  readonly discovery: Discovery;
  readonly points: readonly ExtensionPoint<unknown>[];
  /** Of the plugin called `name`: takes what it has to say. */
  readonly logOf: (name: string) => Logger;
  readonly trace?: ((call: CallTrace) => void) | undefined;
}

export class Plugins {
  readonly #options: PluginsOptions;
  readonly #plugins: Map<string, Plugin> = new Map();
  readonly #drivers: Map<string, PluginDriver> = new Map();
  readonly #appearances: Appearances;

  constructor(options: PluginsOptions) {
    this.#options = options;
    this.#appearances = new Appearances((name) => this.#look(name)?.identity);
  }

  /**
   * The driver, activated; undefined when no such plugin was ever seen. Errors: Unavailable (seen or expected, but not
   * there), FailedPrecondition (it implements something else), and what an activation can fail with.
   */
  async driver(
    point: ExtensionPoint<unknown>,
    name: string,
    signal: AbortSignal,
  ): Promise<PluginDriver | undefined> {
    const plugin = this.#findFor(point, name);
    if (plugin === undefined) return undefined;
    const active = await plugin.activated(signal);
    requireKind(point, name, active);
    return this.#driverOf(point, plugin);
  }

  /** As `driver`, but undefined when the plugin implements something else. */
  async driverIfAny(
    point: ExtensionPoint<unknown>,
    name: string,
    signal: AbortSignal,
  ): Promise<PluginDriver | undefined> {
    const plugin = this.#findFor(point, name);
    const active = await plugin?.activated(signal);
    return plugin && active && implementsPoint(point, active) ? this.#driverOf(point, plugin) : undefined;
  }

  /** Makes a name known that stored objects use: when nothing is there it is away, not unknown. */
  expect(name: string): void {
    const { record } = this.#know(name);
    if (record.state === 'declared') record.reason = 'used by stored objects';
  }

  /** Names seen, expected, or on the disk now; sorted. */
  names(): readonly string[] {
    return [...new Set([...this.#plugins.keys(), ...this.#options.discovery.scan()])].sort();
  }

  /** Of the file that is there now. */
  identity(name: string): string | undefined {
    return this.#look(name)?.identity;
  }

  onAppear(name: string, onAppear: () => void): () => void {
    return this.#appearances.wait(name, this.#plugins.get(name)?.identity, onAppear);
  }

  /** Something may have changed on the disk. */
  changed(name: string): void {
    this.#look(name);
    this.#appearances.check(name);
  }

  /** Drivers of activated plugins, and plugins that have not said what they implement. */
  rows(): readonly Omit<DriverRow, 'enabled'>[] {
    return this.records().map((record) => record.row());
  }

  records(): readonly DriverRecord[] {
    for (const name of this.names()) this.#look(name, true);
    for (const plugin of this.#plugins.values()) this.#driversOf(plugin);
    const drivers = [...this.#drivers.values()];
    const named = new Set(drivers.map((driver) => driver.record.name));
    const others = [...this.#plugins.values()].filter((plugin) => !named.has(plugin.name));
    return [...drivers, ...others].map(({ record }) => record);
  }

  close(): void {
    this.#appearances.close();
    for (const plugin of this.#plugins.values()) plugin.close();
  }

  /** Docker plugins are never dialled for a point that has no word of Docker's. */
  #findFor(point: ExtensionPoint<unknown>, name: string): Plugin | undefined {
    const plugin = this.#find(name);
    if (point.implementsName !== undefined || plugin === undefined) return plugin;
    this.#look(name);
    return plugin.wire === 'docker' ? undefined : plugin;
  }

  #find(name: string): Plugin | undefined {
    const known = this.#plugins.get(name);
    if (known !== undefined) return known;
    return this.#options.discovery.locate(name) === undefined ? undefined : this.#know(name);
  }

  #know(name: string): Plugin {
    const known = this.#plugins.get(name);
    if (known !== undefined) return known;
    const { discovery, logOf } = this.#options;
    const plugin = new Plugin(name, discovery, logOf(name), () => this.#replaced(name));
    this.#plugins.set(name, plugin);
    return plugin;
  }

  /** Where the plugin is now; a broken file is nowhere, and stands in the plugin's record. */
  #look(name: string, know = false): { identity: string } | undefined {
    try {
      const plugin = know ? this.#know(name) : this.#plugins.get(name);
      return plugin === undefined ? this.#options.discovery.locate(name) : plugin.locate();
    } catch {
      return undefined;
    }
  }

  #driversOf(plugin: Plugin): void {
    const { active } = plugin;
    if (active === undefined) return;
    for (const point of this.#options.points)
      if (implementsPoint(point, active)) this.#driverOf(point, plugin);
  }

  #driverOf(point: ExtensionPoint<unknown>, plugin: Plugin): PluginDriver {
    const id = `${point.word}/${plugin.name}`;
    const known = this.#drivers.get(id);
    if (known !== undefined) return known;
    const driver = new PluginDriver(point, plugin, this.#options.trace);
    this.#drivers.set(id, driver);
    return driver;
  }

  #replaced(name: string): void {
    for (const driver of this.#drivers.values()) {
      if (driver.record.name === name) driver.replaced();
    }
  }
}
