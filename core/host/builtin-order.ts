/** The order in which built-in drivers start: every driver of a point that one requires comes before it. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import type { DriverModule } from '@gantry/plugin-sdk/extension-point.ts';

type Module = DriverModule<unknown>;

export function driverId(module: Pick<Module, 'point' | 'name'>): string {
  return `${module.point.word}/${module.name}`;
}

/** Throws FailedPrecondition with the whole cycle when drivers wait for each other. */
export function startOrder(modules: readonly Module[]): readonly Module[] {
  const ordered = new Set<Module>();
  const visit = (module: Module, path: readonly Module[]): void => {
    if (ordered.has(module)) return;
    if (path.includes(module)) throw cycle([...path.slice(path.indexOf(module)), module]);
    for (const needed of requiredBy(module, modules)) visit(needed, [...path, module]);
    ordered.add(module);
  };
  for (const module of modules) visit(module, []);
  return [...ordered];
}

export function requiredBy(module: Module, modules: readonly Module[]): readonly Module[] {
  const ids = new Set(module.requires.map((point) => point.id));
  return modules.filter((other) => ids.has(other.point.id));
}

function cycle(path: readonly Module[]): HostError {
  const ids = path.map(driverId);
  const message = `start drivers: they wait for each other: ${ids.join(' -> ')}`;
  return new HostError('FailedPrecondition', 'DRIVER_CYCLE', message, { details: { drivers: ids } });
}
