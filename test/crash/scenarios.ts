/** What people do with the daemon, step by step. Each scenario can be done again after it was done or cut off. */
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { archiveOf, IMAGE, rootfsTar } from './images.ts';
import { PLUGIN } from './machine.ts';
import type { ContainerWish, Person } from './person.ts';
import { publishedImage } from './registry.ts';

export interface Scenario {
  readonly name: string;
  run(person: Person): Promise<void>;
}

const COUNT = 'i=0; while :; do i=$((i+1)); echo $i; usleep 20000; done';
/** Ends at once when it is told to. */
const SLEEP = 'trap "exit 0" TERM; while :; do usleep 20000; done';

function shell(script: string, hostConfig: object = {}, more: object = {}): ContainerWish['body'] {
  return {
    Image: IMAGE,
    Cmd: ['sh', '-c', script],
    HostConfig: { NetworkMode: 'none', ...hostConfig },
    ...more,
  };
}

function volumeAt(source: string, target: string, driver: string, subpath?: string): object {
  const options = { DriverConfig: { Name: driver }, ...(subpath && { Subpath: subpath }) };
  return { Type: 'volume', Source: source, Target: target, VolumeOptions: options };
}

export const SCENARIOS: readonly Scenario[] = [
  {
    name: 'local volumes',
    async run(person) {
      await person.createVolume('la', 'local');
      await person.createVolume('lb', 'local', { type: 'tmpfs', device: 'tmpfs', o: 'size=1m' });
      const unnamed = await person.createVolume('', 'local');
      await person.removeVolume('la');
      await person.createVolume('la', 'local');
      await person.removeVolume('lb');
      await person.removeVolume(unnamed);
      await person.removeVolume('la');
    },
  },
  {
    name: 'plugin volumes',
    async run(person) {
      await person.createVolume('pa', PLUGIN);
      await person.createVolume('pb', PLUGIN, { a: '1' });
      await person.removeVolume('pa');
      await person.removeVolume('pb');
    },
  },
  {
    name: 'run --rm with every mount',
    async run(person) {
      await person.createVolume('pv', PLUGIN);
      mkdirSync(join(person.machine.pluginRoot, 'pv/sub'), { recursive: true });
      const mounts = [
        volumeAt('pv', '/pv', PLUGIN),
        volumeAt('pv', '/sub', PLUGIN, 'sub'),
        volumeAt('', '/data', 'local'),
        { Type: 'image', Source: IMAGE, Target: '/img', ImageOptions: { Subpath: 'data' } },
      ];
      const script = 'test -f /data/a && test -f /img/below/b && echo x > /sub/f && test -f /pv/sub/f';
      const code = await person.runToEnd({ body: shell(script, { AutoRemove: true, Mounts: mounts }) });
      if (code !== 0) throw new Error(`the container ended with ${code}`);
      await person.removeVolume('pv');
    },
  },
  {
    name: 'create, start, stop, rm',
    async run(person) {
      const body = shell(SLEEP, { Binds: ['lv:/data'] }, { Volumes: { '/data/below': {} } });
      const id = await person.create({ name: 'plain', body, makes: ['lv'], fills: 'lv' });
      await person.start(id);
      await person.stop(id);
      await person.start(id);
      await person.kill(id);
      await person.remove(id);
      await person.removeVolume('lv');
    },
  },
  {
    name: 'update, shared memory',
    async run(person) {
      const body = shell(SLEEP, { IpcMode: 'shareable', PidsLimit: 50 });
      const giver = await person.create({ name: 'giver', body });
      await person.update(giver, { PidsLimit: 60 });
      await person.start(giver);
      const joins = await person.create({
        name: 'joins',
        body: shell(SLEEP, { IpcMode: `container:${giver}` }),
      });
      await person.start(joins);
      await person.update(giver, { PidsLimit: 70 });
      await person.update(giver, { PidsLimit: 80, CpuShares: 512 });
      await person.kill(giver);
      await person.remove(joins, { force: true });
      await person.remove(giver);
    },
  },
  {
    name: 'run -d, kill, rm -f',
    async run(person) {
      const body = shell(COUNT, { Mounts: [volumeAt('pd', '/pd', PLUGIN)] });
      const id = await person.create({ name: 'counts', body, counts: true, makes: ['pd'] });
      await person.start(id);
      const removed = await person.create({
        name: 'rm-counts',
        body: shell(COUNT, { AutoRemove: true }),
        counts: true,
      });
      await person.start(removed);
      await person.kill(id);
      await person.remove(id);
      await person.remove(removed, { force: true });
      await person.removeVolume('pd');
    },
  },
  {
    name: 'restart policies',
    async run(person) {
      const policy = (Name: string, MaximumRetryCount = 0) => ({
        RestartPolicy: { Name, MaximumRetryCount },
      });
      const mounts = [volumeAt('pr', '/pr', PLUGIN)];
      const fails = shell('exit 3', { ...policy('on-failure', 2), Mounts: mounts });
      const failing = await person.create({ name: 'in-vain', body: fails, makes: ['pr'] });
      await person.startInVain(failing, 2);
      const stays = shell(SLEEP, policy('unless-stopped'));
      const stopped = await person.create({ name: 'stopped', body: stays });
      await person.start(stopped);
      await person.stop(stopped);
      const staying = await person.create({ name: 'staying', body: stays });
      await person.start(staying);
      await person.remove(failing);
      await person.remove(stopped);
      await person.remove(staying, { force: true });
      await person.removeVolume('pr');
    },
  },
  {
    name: 'pause, rename, exec, tag, prune',
    async run(person) {
      const id = await person.create({ name: 'pauses', body: shell(SLEEP) });
      const other = await person.create({ name: 'other', body: shell(SLEEP) });
      await person.start(id);
      await person.exec(id, ['touch', '/made']);
      await person.pause(id, true);
      await person.rename(id, 'paused');
      await person.pause(id, false);
      await person.exec(id, ['test', '-e', '/made']);
      await person.tag(IMAGE, 'tagged');
      await person.removeImage('tagged:latest');
      await person.rename(other, 'another');
      await person.kill(id);
      await person.prune([id, other]);
    },
  },
  {
    name: 'cp, commit, export',
    async run(person) {
      const mounts = [volumeAt('pc', '/pc', PLUGIN), volumeAt('lc', '/lc', 'local')];
      const body = shell(SLEEP, { Mounts: mounts });
      const id = await person.create({ name: 'copied', body, makes: ['pc', 'lc'] });
      await person.copy(id, '/pc', rootfsTar());
      await person.commit(id, 'committed-stopped');
      await person.start(id);
      await person.copy(id, '/tmp', rootfsTar());
      await person.commit(id, 'committed-running');
      await person.remove(id, { force: true });
      await person.removeImage('committed-stopped');
      await person.removeImage('committed-running');
      await person.removeVolume('pc');
      await person.removeVolume('lc');
    },
  },
  {
    name: 'images',
    async run(person) {
      await person.load('second:latest', archiveOf(person.machine.dir, 'second:latest'));
      await person.importImage('third', rootfsTar());
      await person.removeImage('second:latest');
      await person.removeImage('third');
    },
  },
  {
    name: 'pull',
    async run(person) {
      const image = await publishedImage();
      if (!image) return;
      await person.pull(image);
      await person.removeImage(image);
    },
  },
  {
    name: 'failing starts',
    async run(person) {
      const absent = { Image: IMAGE, Cmd: ['/no/such'] };
      const mounts = [volumeAt('pf', '/pf', PLUGIN), volumeAt('', '/data', 'local')];
      const hostConfig = { NetworkMode: 'none', Mounts: mounts };
      const kept = await person.create({
        name: 'fails',
        body: { ...absent, HostConfig: hostConfig },
        makes: ['pf'],
      });
      await person.failToStart(kept);
      const auto = { ...hostConfig, AutoRemove: true };
      const gone = await person.create({ name: 'fails-rm', body: { ...absent, HostConfig: auto } });
      await person.failToStart(gone);
      await person.remove(kept);
      await person.removeVolume('pf');
    },
  },
  {
    name: 'failing creates',
    async run(person) {
      const { plugin } = person.machine;
      await plugin.behave({ 'VolumeDriver.Create': { err: 'no space' } });
      await person.failToCreateVolume('px', PLUGIN);
      const mounts = [volumeAt('', '/data', 'local'), volumeAt('px', '/px', PLUGIN)];
      await person.failToCreate(500, { name: 'never', body: shell('true', { Mounts: mounts }) });
      await plugin.behave({ 'VolumeDriver.Mount': { err: 'not now' } });
      const id = await person.create({
        name: 'unmounted',
        body: shell('true', { Mounts: mounts }),
        makes: ['px'],
      });
      await person.failToStart(id);
      await plugin.behave({});
      await person.remove(id);
      await person.removeVolume('px');
    },
  },
];
