/**
 * The health of containers that run. Every result is in memory; a change of the status is durable before anybody hears
 * of it, and so a restart of the daemon goes on where it was.
 */
import { setTimeout as delay } from 'node:timers/promises';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import { containerEvent } from '../../events/emit.ts';
import type { ContainerHealth, ContainerRecord } from '../../store/record-types.ts';
import type { ContainerContext } from './context.ts';
import { type Healthcheck, healthcheckOf, pauseBefore, withResult } from './healthcheck.ts';
import { endLeftProbe, probe } from './probe.ts';

/** How long a pause waits for the end of a probe. */
const END_MS = 5_000;
/** How long the writing down of a status waits for its container. */
const WRITE_MS = 10_000;

interface Watched {
  health: ContainerHealth;
  readonly abort: AbortController;
  /** Settles when no probe runs any more. */
  readonly over: Promise<void>;
}

export class HealthChecks {
  /** Probes since the daemon's start, for its metrics. */
  readonly counts = { probes: 0, failures: 0 };
  readonly #watched = new Map<string, Watched>();

  /** As it is now; undefined without a health check. */
  of({ id, health }: ContainerRecord): ContainerHealth | undefined {
    return this.#watched.get(id)?.health ?? health;
  }

  /** Begins to probe a container that runs. `adopted`: it did so before this daemon. */
  watch(ctx: ContainerContext, record: ContainerRecord, { adopted = false } = {}): void {
    const check = healthcheckOf(record);
    const { id } = record;
    const health = this.of(record);
    if (!check || !health || record.state.paused) return;
    void this.#stop(id);
    const abort = new AbortController();
    const { promise: over, resolve } = Promise.withResolvers<void>();
    const watched: Watched = { health, abort, over };
    this.#watched.set(id, watched);
    const signal = AbortSignal.any([abort.signal, ctx.stopping]);
    void probeOn(ctx, record, check, watched, signal, adopted)
      .catch((error: unknown) => {
        if (!signal.aborted)
          ctx.log.error({ container: id, error: messageChain(error) }, 'health check ended');
      })
      .finally(resolve);
  }

  /** Ends it, with what is to be noted of its health: nobody knows any more that it is well, as in Docker. */
  unwatch(record: ContainerRecord): ContainerHealth | undefined {
    const health = this.of(record);
    void this.#stop(record.id);
    this.#watched.delete(record.id);
    return health && { ...health, status: 'unhealthy' };
  }

  /** As `unwatch`, before the container is frozen with a probe in it. */
  async suspend(id: string): Promise<void> {
    await Promise.race([this.#stop(id), delay(END_MS, undefined, { ref: false })]);
  }

  async #stop(id: string): Promise<void> {
    const watched = this.#watched.get(id);
    if (!watched) return;
    watched.abort.abort();
    await watched.over;
  }
}

async function probeOn(
  ctx: ContainerContext,
  record: ContainerRecord,
  check: Healthcheck,
  watched: Watched,
  signal: AbortSignal,
  adopted: boolean,
): Promise<void> {
  const startedAt = Date.parse(record.state.startedAt);
  if (adopted) await endLeftProbe(ctx, record);
  while (!signal.aborted) {
    await delay(pauseBefore(check, watched.health, Date.now() - startedAt), undefined, { signal });
    const result = await probe(ctx, record, check, signal);
    if (signal.aborted) return;
    ctx.health.counts.probes++;
    if (result.exitCode !== 0) ctx.health.counts.failures++;
    const { status } = watched.health;
    const next = withResult(watched.health, result, check, Date.parse(result.start) - startedAt);
    if (next.status !== status) await noteStatus(ctx, record.id, watched, next, signal);
    // A status that could not be written down is so with the next result.
    else watched.health = next;
  }
}

async function noteStatus(
  ctx: ContainerContext,
  id: string,
  watched: Watched,
  health: ContainerHealth,
  signal: AbortSignal,
): Promise<void> {
  const soon = AbortSignal.any([signal, AbortSignal.timeout(WRITE_MS)]);
  try {
    await ctx.locks.hold([`container/${id}`], soon, async () => {
      const record = ctx.store.records.get('container', id);
      if (record?.state.status !== 'running' || signal.aborted) return;
      const noted = { ...record, health };
      await ctx.store.put('container.health', { put: [{ kind: 'container', id, record: noted }] });
      watched.health = health;
      containerEvent(ctx.events, record, `health_status: ${health.status}`);
    });
  } catch (error) {
    if (signal.aborted) return;
    watched.health = { ...health, status: watched.health.status };
    ctx.log.warn({ container: id, health: health.status, error: messageChain(error) }, 'health not noted');
  }
}
