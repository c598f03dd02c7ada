/**
 * Lines of containers that were removed before their log plugin had taken everything: journal, position and what the
 * plugin is to be told stand in a directory for each, until it has.
 */
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { LogInfo } from '@gantry/plugin-sdk/contracts/log.ts';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import type { DeliveryParts } from './delivery.ts';
import { pluginPump } from './plugin-pump.ts';
import type { LogPump } from './pump.ts';

interface Told {
  readonly plugin: string;
  readonly info: LogInfo;
}

const TOLD_NAME = 'told.json';

export class LogBacklog {
  readonly #parts: DeliveryParts;
  readonly #pumps = new Map<LogPump, () => void>();
  #ending = new Set<LogPump>();

  constructor(parts: DeliveryParts) {
    this.#parts = parts;
  }

  get size(): number {
    return this.#pumps.size;
  }

  /** Takes over what a pump carries, before its container's directory goes. Throws the system's errors. */
  take(pump: LogPump, plugin: string, info: LogInfo, forget: () => void): void {
    const dir = path.join(this.#parts.backlogDir, `${pump.id}.${Date.now()}`);
    mkdirSync(dir, { recursive: true, mode: 0o700 });
    const told: Told = { plugin, info };
    writeFileSync(path.join(dir, TOLD_NAME), JSON.stringify(told));
    pump.setFinal(true);
    pump.moveTo(dir, moveIfThere);
    this.#pumps.set(pump, forget);
  }

  /** After a start of the daemon. */
  adopt(): void {
    for (const name of namesIn(this.#parts.backlogDir)) {
      try {
        this.#adoptOne(path.join(this.#parts.backlogDir, name));
      } catch (error) {
        this.#parts.log.warn(
          { backlog: name, error: messageChain(error) },
          'log lines of a removed container not found',
        );
      }
    }
  }

  /** Now and then. Never rejects. */
  tick(): void {
    for (const pump of this.#pumps.keys()) {
      if (this.#ending.has(pump)) continue;
      pump.tick();
      if (pump.isDone) void this.#finish(pump);
    }
  }

  stop(): void {
    for (const [pump, forget] of this.#pumps) {
      forget();
      pump.stop();
    }
  }

  #adoptOne(dir: string): void {
    const { plugin, info } = JSON.parse(readFileSync(path.join(dir, TOLD_NAME), 'utf8')) as Told;
    this.#parts.expect(plugin);
    const pump = pluginPump(this.#parts, plugin, info, dir, {
      keptBytes: 0,
      maxLagBytes: this.#parts.maxLagBytes,
    });
    pump.setFinal(true);
    this.#pumps.set(
      pump,
      this.#parts.onAppear(plugin, () => pump.restart()),
    );
  }

  async #finish(pump: LogPump): Promise<void> {
    this.#ending.add(pump);
    await pump.close().catch((error: unknown) => {
      this.#parts.log.warn(
        { container: pump.id, error: messageChain(error) },
        'log driver not told of the end',
      );
    });
    this.#pumps.get(pump)?.();
    this.#pumps.delete(pump);
    this.#ending.delete(pump);
    pump.stop();
    rmSync(pump.dir, { recursive: true, force: true });
  }
}

function moveIfThere(from: string, to: string): void {
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

function namesIn(dir: string): readonly string[] {
  try {
    return readdirSync(dir);
  } catch {
    return [];
  }
}
