/** Mount calls on the real kernel; needs root. */
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import {
  bind,
  findMount,
  isMountPoint,
  mount,
  mounts,
  remountReadonly,
  setPropagation,
  umount2,
  unmountAll,
} from '@gantry/plugin-sdk/system/mount.ts';
import t from 'tap';

t.test('mounts, binds, makes read-only and takes all of it down', async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'mount-'));
  const [source, target] = [join(dir, 'a b'), join(dir, 'target')];
  for (const path of [source, target]) mkdirSync(path);
  t.teardown(async () => {
    await unmountAll(target);
    await unmountAll(source);
    rmSync(dir, { recursive: true });
  });
  mount('tmpfs', source, 'tmpfs', 0, 'size=1m');
  t.match(findMount(source), { type: 'tmpfs', superOptions: /size=1024k/ });
  for (const propagation of ['shared', 'private', 'unbindable', 'private'] as const) {
    setPropagation(source, propagation);
    t.equal(findMount(source)?.propagation, propagation);
  }
  mkdirSync(join(source, 'inside'));
  bind(source, target, { readonly: true });
  t.ok(existsSync(join(target, 'inside')));
  t.throws(() => writeFileSync(join(target, 'file'), ''), { code: 'EROFS' });
  writeFileSync(join(source, 'file'), '');
  bind(source, target);
  remountReadonly(target);
  t.equal(mounts().filter((entry) => entry.target === target).length, 2);
  await unmountAll(target);
  t.throws(() => umount2(target, 0), { code: 'EINVAL' });
  await unmountAll(target);
  t.notOk(isMountPoint(target));
});
