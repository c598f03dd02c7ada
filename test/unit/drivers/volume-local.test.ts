/** Local volumes: names, options and what they mount, on real directories, tmpfs and a loop device. */
import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { findMount, unmountAll } from '@gantry/plugin-sdk/system/mount.ts';
import t, { type Test } from 'tap';
import { LocalVolumes } from '../../../drivers/volume-local/driver.ts';
import { mountCall, parseOptions } from '../../../drivers/volume-local/options.ts';
import { fails } from '../../fixtures/fails.ts';

const ROOT_ONLY = process.getuid?.() === 0 ? false : 'needs root';

function fixture(t: Test) {
  const dir = mkdtempSync(path.join(tmpdir(), 'gantry-local-'));
  t.teardown(async () => {
    for (const name of ['vol', 'shared']) await unmountAll(path.join(dir, 'root', name));
    rmSync(dir, { recursive: true, force: true });
  });
  const open = () => LocalVolumes.open(path.join(dir, 'root'), path.join(dir, 'state'));
  return { dir, open, driver: open() };
}

t.test('names', async (t) => {
  const { driver, dir } = fixture(t);
  for (const name of ['a b', '../x', 'a/b', '', '.hidden', '-x', 'x', 'ü', `${'n'.repeat(256)}`, 'a\0b']) {
    await t.rejects(driver.create({ name, options: null }), fails('InvalidArgument'), JSON.stringify(name));
  }
  t.notOk(existsSync(path.join(dir, 'x')), 'nothing outside the root');
  t.same(await driver.list(), []);
});

t.test('options', async (t) => {
  const rows = [
    ['unknown key', { size2: '1' }, /invalid option: "size2"/],
    ['quota', { size: '1g' }, /no quota support/],
    ['no device', { type: 'tmpfs' }, /missing required option: "device"/],
    ['no type', { device: '/dev/x' }, /missing required option: "type"/],
    ['every fault at once', { a: '1', b: '2', type: 'x' }, /"a".*"b".*"device"/],
  ] as const;
  for (const [name, options, message] of rows) t.throws(() => parseOptions(options), message, name);
  t.equal(parseOptions(null), undefined);
  t.same(parseOptions({ o: 'bind', device: '/x' }), { type: '', device: '/x', o: 'bind' });
  t.same(mountCall('ro,noexec,size=1m,uid=5,defaults'), { flags: 0x1 | 0x8, data: 'size=1m,uid=5' });
});

t.test('a plain volume keeps its data over a restart of the driver', async (t) => {
  const { driver, open } = fixture(t);
  await driver.create({ name: 'data', options: null });
  const { mountpoint } = await driver.mount({ name: 'data', mountId: 'm1' });
  writeFileSync(path.join(mountpoint, 'f'), 'kept');
  await driver.create({ name: 'data', options: null });
  const again = open();
  t.equal(readFileSync(path.join((await again.path({ name: 'data' })).mountpoint, 'f'), 'utf8'), 'kept');
  t.match(await again.get({ name: 'data' }), { name: 'data', mountpoint });
  await again.remove({ name: 'data' });
  t.notOk(existsSync(mountpoint));
  await t.rejects(again.remove({ name: 'data' }), fails('NotFound'));
});

t.test('options of a volume that a crash cut off are not those of the next of its name', async (t) => {
  const { driver, dir, open } = fixture(t);
  const file = path.join(dir, 'root/.options/half.json');
  writeFileSync(file, '{"type":"tmpfs","device":"tmpfs","o":""}');
  const next = open();
  t.equal(await next.get({ name: 'half' }), undefined);
  await t.rejects(next.path({ name: 'half' }), fails('NotFound'));
  await next.create({ name: 'half', options: null });
  t.notOk(existsSync(file));
  t.match(await driver.get({ name: 'half' }), { name: 'half' });

  const gone = path.join(dir, 'root/.options/gone.json');
  writeFileSync(gone, '{"type":"tmpfs","device":"tmpfs","o":""}');
  await t.rejects(open().remove({ name: 'gone' }), fails('NotFound'), 'a removal that was cut off, repeated');
  t.notOk(existsSync(gone));
});

t.test('a directory that somebody has put there is a volume, and keeps what is in it', async (t) => {
  const { driver, dir } = fixture(t);
  mkdirSync(path.join(dir, 'root/theirs'));
  writeFileSync(path.join(dir, 'root/theirs/kept'), '');
  t.same(
    (await driver.list()).map(({ name }) => name),
    ['theirs'],
  );
  await driver.create({ name: 'theirs', options: { type: 'tmpfs', device: 'tmpfs' } });
  t.ok(existsSync(path.join(dir, 'root/theirs/kept')));
  t.same(readdirSync(path.join(dir, 'root/.options')), [], 'nor is anything mounted over it');
});

t.test('restore brings back a directory that a power cut took, and leaves another alone', async (t) => {
  const { driver, dir } = fixture(t);
  await driver.create({ name: 'kept', options: null });
  writeFileSync(path.join(dir, 'root/kept/f'), 'x');
  for (const name of ['kept', 'lost']) await driver.restore({ name, options: null });
  t.ok(existsSync(path.join(dir, 'root/kept/f')));
  t.ok(existsSync(path.join(dir, 'root/lost')));
});

t.test('tmpfs: mounted for the first mount id, taken down after the last', { skip: ROOT_ONLY }, async (t) => {
  const { driver, open } = fixture(t);
  await driver.create({ name: 'vol', options: { type: 'tmpfs', device: 'tmpfs', o: 'size=1m,noexec' } });
  const { mountpoint } = await driver.mount({ name: 'vol', mountId: 'm1' });
  await driver.mount({ name: 'vol', mountId: 'm1' });
  const mounted = findMount(mountpoint);
  t.equal(mounted?.type, 'tmpfs');
  t.ok(mounted?.options.includes('noexec'));
  t.ok(mounted?.superOptions.includes('size=1024k'));
  await driver.mount({ name: 'vol', mountId: 'm2' });
  await driver.unmount({ name: 'vol', mountId: 'm1' });
  t.ok(findMount(mountpoint), 'm2 still has it');
  await t.rejects(driver.remove({ name: 'vol' }), fails('Conflict'));
  const again = open();
  await again.unmount({ name: 'vol', mountId: 'm2' });
  await again.unmount({ name: 'vol', mountId: 'm2' });
  t.notOk(findMount(mountpoint));
  await again.remove({ name: 'vol' });
});

t.test('bind: a directory of the host, also read-only', { skip: ROOT_ONLY }, async (t) => {
  const { driver, dir } = fixture(t);
  const source = path.join(dir, 'source');
  mkdirSync(source);
  writeFileSync(path.join(source, 'f'), 'of the host');
  await driver.create({ name: 'shared', options: { type: 'none', device: source, o: 'bind,ro' } });
  const { mountpoint } = await driver.mount({ name: 'shared', mountId: 'm' });
  t.equal(readFileSync(path.join(mountpoint, 'f'), 'utf8'), 'of the host');
  t.throws(() => writeFileSync(path.join(mountpoint, 'g'), ''), { code: 'EROFS' });
  await driver.unmount({ name: 'shared', mountId: 'm' });
  await driver.remove({ name: 'shared' });
  t.ok(existsSync(path.join(source, 'f')), 'removing the volume leaves the directory');
});

t.test('a block device', { skip: ROOT_ONLY }, async (t) => {
  const { driver, dir } = fixture(t);
  const image = path.join(dir, 'disk');
  writeFileSync(image, '');
  truncateSync(image, 8 << 20);
  execFileSync('mkfs.ext4', ['-q', image]);
  const device = execFileSync('losetup', ['--find', '--show', image], { encoding: 'utf8' }).trim();
  t.teardown(() => execFileSync('losetup', ['--detach', device]));
  await driver.create({ name: 'vol', options: { type: 'ext4', device, o: 'noatime' } });
  const { mountpoint } = await driver.mount({ name: 'vol', mountId: 'm' });
  t.match(findMount(mountpoint), { type: 'ext4', source: device });
  writeFileSync(path.join(mountpoint, 'f'), 'on the disk');
  await driver.unmount({ name: 'vol', mountId: 'm' });
  t.notOk(existsSync(path.join(mountpoint, 'f')));
  await driver.mount({ name: 'vol', mountId: 'm' });
  t.equal(readFileSync(path.join(mountpoint, 'f'), 'utf8'), 'on the disk');
  await driver.unmount({ name: 'vol', mountId: 'm' });
});

t.test('a mount that fails says what was tried, and hides passwords', { skip: ROOT_ONLY }, async (t) => {
  const { driver } = fixture(t);
  await driver.create({
    name: 'vol',
    options: { type: 'nosuchfs', device: 'none', o: 'password=secret,uid=1' },
  });
  const error = await driver.mount({ name: 'vol', mountId: 'm' }).then(
    () => undefined,
    (thrown: Error) => thrown,
  );
  t.match(error?.message, /mount none:.*password=\*+,uid=1/);
  t.notMatch(error?.message, /secret/);
});

t.test('network file systems get the address that the kernel wants', async (t) => {
  const { withAddress } = await import('../../../drivers/volume-local/mount.ts');
  const rows = [
    ['nfs', ':/export', 'addr=127.0.0.1,ro', 'ro,addr=127.0.0.1'],
    ['nfs4', ':/export', 'addr=localhost', /^addr=(127\.0\.0\.1|::1)$/],
    ['cifs', '//127.0.0.1/share', 'username=u', 'username=u,ip=127.0.0.1'],
    ['tmpfs', 'tmpfs', 'addr=localhost', 'addr=localhost'],
  ] as const;
  for (const [type, device, o, expected] of rows)
    t.match(await withAddress({ type, device, o }), expected, `${type} ${o}`);
});
