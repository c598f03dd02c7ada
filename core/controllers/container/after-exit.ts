/** What becomes of a container that has ended, by its restart policy. */
import type { ContainerRecord } from '../../store/record-types.ts';
import { type ContainerContext, setState } from './context.ts';
import { restartPolicyOf, shouldRestart } from './restart-policy.ts';

/** How a record that was running goes on after the end that `exited` tells: as it is, or `restarting`. */
export function afterExit(ctx: ContainerContext, exited: ContainerRecord): ContainerRecord {
  const { id, restarts = 0 } = exited;
  const { manuallyStopped, final } = ctx.restarts.stopOf(id);
  const stop = {
    manuallyStopped: exited.manuallyStopped === true || manuallyStopped,
    final: exited.endsNext === true || final,
  };
  const again = shouldRestart(restartPolicyOf(exited), {
    exitCode: exited.state.exitCode,
    restarts,
    ...stop,
  });
  const { endsNext: _, ...record } = exited;
  const noted = { ...record, manuallyStopped: stop.manuallyStopped };
  return again ? { ...setState(noted, { status: 'restarting' }), restarts: restarts + 1 } : noted;
}

/** To be called when its record says `restarting` for good. */
export function scheduleRestart(ctx: ContainerContext, { id, state }: ContainerRecord): void {
  const ranMs = Date.parse(state.finishedAt) - Date.parse(state.startedAt);
  ctx.restarts.schedule(id, ctx.restarts.delayAfter(id, ranMs));
}
