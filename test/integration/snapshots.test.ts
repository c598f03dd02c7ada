/** Both snapshot drivers against the conformance list of their contract, on a real kernel. Needs root. */
import { mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { SNAPSHOT_CASES } from '@gantry/plugin-sdk/conformance/snapshot.ts';
import { type SnapshotDriver, snapshotPoint } from '@gantry/plugin-sdk/contracts/snapshot.ts';
import { type DriverModule, missingMethods } from '@gantry/plugin-sdk/extension-point.ts';
import { mounts, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import t, { type Test } from 'tap';
import { snapshotOverlay } from '../../drivers/snapshot-overlay/module.ts';
import { snapshotVfs } from '../../drivers/snapshot-vfs/module.ts';

if (process.getuid?.() !== 0) t.plan(0, 'needs root');
t.setTimeout(240_000);

async function bench(t: Test, module: DriverModule<SnapshotDriver>) {
  const root = mkdtempSync('/tmp/gantry-snapshots-');
  mkdirSync(join(root, 'driver'));
  let releases: (() => void | Promise<void>)[] = [];
  const stop = async () => {
    for (const release of releases.reverse()) await release();
    releases = [];
  };
  t.teardown(async () => {
    for (const { target } of mounts().filter(({ target }) => target.startsWith(`${root}/`)))
      await unmountAll(target);
    await stop();
    rmSync(root, { recursive: true, force: true });
  });
  const start = () =>
    module.start({
      log: { debug() {}, info() {}, warn() {}, error() {} },
      rootDir: join(root, 'driver'),
      stateDir: join(root, 'state'),
      signal: new AbortController().signal,
      getByName: () => Promise.reject(new Error('no other driver')),
      defer: (release) => releases.push(release),
    });
  const driver = await start();
  return {
    driver,
    restart: async () => {
      await stop();
      return start();
    },
    target: (name: string) => {
      mkdirSync(join(root, name), { recursive: true });
      return join(root, name);
    },
  };
}

for (const module of [snapshotOverlay, snapshotVfs]) {
  t.test(`snapshot-${module.name}`, async (t) => {
    for (const { id, clause, run } of SNAPSHOT_CASES) {
      t.test(`${id} (${clause})`, async (t) => {
        const one = await bench(t, module);
        t.same(missingMethods(snapshotPoint, one.driver), []);
        await run(one);
      });
    }
  });
}
