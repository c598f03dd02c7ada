/** The direction of imports that DESIGN fixes: who may know whom. */
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';

const ROOT = path.resolve(import.meta.dirname, '../../..');

/** Folder → what it may import of ours; everything else is refused. */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'plugin-sdk': ['plugin-sdk'],
  drivers: ['drivers/SAME', 'plugin-sdk'],
  registry: ['registry', 'plugin-sdk'],
  core: ['core', 'plugin-sdk', 'registry/client'],
};
/** The exceptions, each a single file or folder. */
const ALSO: readonly (readonly [from: string, to: string])[] = [
  ['core/builtins.ts', 'drivers'],
  ['core/cli', 'registry/server'],
  ['core/cli', 'plugin-sdk/conformance'],
];

function sources(dir: string): string[] {
  return readdirSync(path.join(ROOT, dir), { withFileTypes: true }).flatMap((entry) => {
    const at = path.join(dir, entry.name);
    if (entry.isDirectory()) return entry.name === 'node_modules' ? [] : sources(at);
    return entry.name.endsWith('.ts') ? [at] : [];
  });
}

/** Our own files that `file` imports, from the root. */
function importsOf(file: string): string[] {
  const text = readFileSync(path.join(ROOT, file), 'utf8');
  return [...text.matchAll(/(?:from|import)\s*\(?\s*'([^']+)'/g)].flatMap(([, target = '']) => {
    if (target.startsWith('.')) return [path.join(path.dirname(file), target)];
    if (target.startsWith('@gantry/plugin-sdk/')) return [target.replace('@gantry/', '')];
    return [];
  });
}

function isAllowed(file: string, target: string): boolean {
  const [top = '', second = ''] = file.split('/');
  const allowed = (MAY_IMPORT[top] ?? []).map((to) => (to === 'drivers/SAME' ? `drivers/${second}` : to));
  const also = ALSO.filter(([from]) => file === from || file.startsWith(`${from}/`)).map(([, to]) => to);
  return [...allowed, ...also].some((to) => target === to || target.startsWith(`${to}/`));
}

t.test('every import goes the allowed way', async (t) => {
  const files = Object.keys(MAY_IMPORT).flatMap(sources);
  t.ok(files.length > 100, `looked at ${files.length} files`);
  const wrong = files.flatMap((file) =>
    importsOf(file)
      .filter((target) => !isAllowed(file, target))
      .map((target) => `${file} imports ${target}`),
  );
  t.same(wrong, []);
});

t.test('the rule refuses what it must', async (t) => {
  const rows = [
    ['plugin-sdk/errors.ts', 'core/log.ts'],
    ['drivers/volume-local/driver.ts', 'drivers/mount-bind/driver.ts'],
    ['drivers/volume-local/driver.ts', 'core/log.ts'],
    ['core/daemon.ts', 'drivers/volume-local/module.ts'],
    ['core/api/server.ts', 'registry/server/main.ts'],
    ['registry/client/pull.ts', 'core/log.ts'],
  ] as const;
  for (const [file, target] of rows) t.notOk(isAllowed(file, target), `${file} -> ${target}`);
  t.ok(isAllowed('core/builtins.ts', 'drivers/volume-local/module.ts'));
});

t.test('only the core reads the environment, in one file', async (t) => {
  const readers = [...sources('core'), ...sources('drivers'), ...sources('plugin-sdk')].filter((file) =>
    /process\.env(\.[A-Z]|\[)/.test(readFileSync(path.join(ROOT, file), 'utf8')),
  );
  t.same(
    readers.filter((file) => !file.startsWith('core/config/') && !file.startsWith('core/cli/')),
    [],
  );
});
