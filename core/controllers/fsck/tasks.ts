/** Processes: tasks that runtimes have and no book, and ends that nobody has seen. */
import { runtimePoint } from '@gantry/plugin-sdk/contracts/runtime.ts';
import { argsOf, isBusy } from './books.ts';
import { type Check, type Found, REPAIR, soon } from './finding.ts';

export const unknownTasks: Check = async (scene, signal) => {
  const runtimes = await scene.drivers.everyDriver(runtimePoint, { signal: soon(signal) });
  const found = await Promise.all(
    runtimes.map(async ({ name, driver }): Promise<readonly Found[]> => {
      const ids = (await driver?.list({}, { signal: soon(signal) }).catch(() => [])) ?? [];
      const known = argsOf(scene, 'task').filter((task) => task.driver === name);
      return ids
        .filter((id) => !known.some((task) => task.id === id) && !isBusy(scene, `container/${id}`))
        .map((id) => ({
          kind: 'task',
          subject: `${name}/${id}`,
          what: `runtime "${name}" has a task ${id} that is on no book`,
          mend: `"${REPAIR}" ends it and removes what is left of it`,
          repair: async (within) => driver?.delete({ id }, { signal: within }),
        }));
    }),
  );
  return found.flat();
};

export const unseenEnds: Check = async (scene, signal) => {
  const running = scene.store.records
    .all('container')
    .filter(({ id, state }) => state.status === 'running' && !isBusy(scene, `container/${id}`));
  const found = await Promise.all(
    running.map(async ({ id, name, runtime }): Promise<readonly Found[]> => {
      const driver = await scene.drivers.driver(runtimePoint, runtime).catch(() => undefined);
      const state = await driver?.state({ id }, { signal: soon(signal) }).catch(() => undefined);
      if (state?.status !== 'stopped') return [];
      return [
        {
          kind: 'task-ended',
          subject: id,
          what: `container "${name}" is on the books as running, but its process ended with code ${state.exit.code}`,
          mend: 'restart gantryd: it settles the end at its start',
        },
      ];
    }),
  );
  return found.flat();
};
