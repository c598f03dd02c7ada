/** package-lock.json serves every machine: it names no registry, and it has what other platforms need. */
import { readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import t from 'tap';

const ROOT = resolve(import.meta.dirname, '../../..');

interface Locked {
  readonly resolved?: string;
  readonly dependencies?: Readonly<Record<string, string>>;
  readonly devDependencies?: Readonly<Record<string, string>>;
  readonly optionalDependencies?: Readonly<Record<string, string>>;
}

const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8')) as {
  readonly packages: Readonly<Record<string, Locked>>;
};

t.test('it names no registry', async (t) => {
  const hosts = Object.values(lock.packages).flatMap(({ resolved }) =>
    resolved?.includes('://') ? resolved : [],
  );
  t.same(hosts, []);
});

t.test('every optional package of another platform is locked too, or `npm ci` refuses', async (t) => {
  const packages = Object.entries(lock.packages);
  const isLocked = (name: string) => packages.some(([path]) => path.endsWith(`node_modules/${name}`));
  const missing = packages.flatMap(([, { optionalDependencies = {} }]) =>
    Object.keys(optionalDependencies).filter((name) => !isLocked(name)),
  );
  t.same([...new Set(missing)], []);
});

t.test('its own part is that of package.json', async (t) => {
  const own = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')) as Locked;
  const locked = lock.packages[''];
  for (const group of ['dependencies', 'devDependencies', 'optionalDependencies'] as const) {
    t.same(locked?.[group], own[group], group);
  }
});
