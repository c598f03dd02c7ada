/** Which program the executables run: a bundle only while it is newer than each file it was made from. */
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import t, { type Test } from 'tap';

const BIN = resolve(import.meta.dirname, '../../../../core/bin');

/** A checkout with a bundle that is newer than its sources. */
function checkout(t: Test) {
  const root = mkdtempSync(join(tmpdir(), 'gantry-bin-'));
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const write = (path: string, text: string, seconds: number) => {
    mkdirSync(dirname(join(root, path)), { recursive: true });
    writeFileSync(join(root, path), text);
    utimesSync(join(root, path), seconds, seconds);
  };
  for (const path of ['core/x.ts', 'core/deep/part.ts', 'drivers/a/manifest.json']) write(path, '', 1000);
  write('dist/x.js', '', 2000);
  write('dist/x.inputs', "inputs='\ncore/x.ts\ncore/deep/part.ts\ndrivers/a/manifest.json\n'\n", 2000);
  const found = () => {
    const script = `set -eu; root=$1; . ${BIN}/find-node.sh; find_entry "$root" x; echo "\${entry#"$root"/}"`;
    const { stdout, stderr } = spawnSync('sh', ['-c', script, 'sh', root], { encoding: 'utf8' });
    return `${stdout}${stderr}`.trim();
  };
  return { root, write, found };
}

t.test('a fresh bundle runs, a stale one never', async (t) => {
  const fresh = checkout(t);
  t.equal(fresh.found(), 'dist/x.js');
  fresh.write('core/other.ts', '', 3000);
  t.equal(fresh.found(), 'dist/x.js', 'what is not in it does not matter');
  for (const path of ['core/x.ts', 'core/deep/part.ts', 'drivers/a/manifest.json']) {
    const edited = checkout(t);
    edited.write(path, 'changed', 3000);
    t.equal(edited.found(), 'core/x.ts', `${path} was edited`);
    const sameMoment = checkout(t);
    sameMoment.write(path, 'changed', 2000);
    t.equal(sameMoment.found(), 'core/x.ts', `${path} is as old as the bundle`);
    const removed = checkout(t);
    rmSync(join(removed.root, path));
    t.equal(removed.found(), 'core/x.ts', `${path} was removed`);
  }
  const unlisted = checkout(t);
  rmSync(join(unlisted.root, 'dist/x.inputs'));
  t.equal(unlisted.found(), 'core/x.ts', 'a bundle that nothing vouches for');
  const never = checkout(t);
  rmSync(join(never.root, 'dist'), { recursive: true });
  t.equal(never.found(), 'core/x.ts', 'no bundle at all');
});

t.test('the executables find themselves by path, by link and from beside', async (t) => {
  const { root } = checkout(t);
  symlinkSync(join(BIN, 'gantry'), join(root, 'g'));
  const version = /^gantry \d+\.\d+\.\d+\n$/;
  const run = (program: string, cwd = root) =>
    spawnSync('sh', ['-c', `${program} --version`], { cwd, encoding: 'utf8' }).stdout;
  t.match(run(join(BIN, 'gantry')), version);
  t.match(run('./g'), version);
  t.match(run('core/bin/gantry', resolve(BIN, '../..')), version);
  t.match(run('sh ./gantry', BIN), version);
});
