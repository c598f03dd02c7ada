/** docker system df, in the newest shape and in the old one. */
import t from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';

if (process.getuid?.() !== 0) t.plan(0, 'needs root');
t.setTimeout(120_000);

interface Usage {
  readonly ActiveCount: number;
  readonly TotalCount: number;
  readonly TotalSize: number;
  readonly Reclaimable: number;
  readonly Items?: readonly Readonly<Record<string, unknown>>[];
}

for (const driver of ['overlay', 'vfs']) {
  t.test(`${driver}: sizes of images, containers and volumes`, async (t) => {
    const daemon = await startTestDaemon(t, { args: ['--storage-driver', driver] });
    const busybox = await daemon.loadBusybox();
    const ok = async (...args: string[]) => {
      const { code, stdout, stderr } = await daemon.docker(args);
      t.equal(code, 0, `docker ${args.join(' ')}: ${stderr}`);
      return stdout.trim();
    };
    const write = 'dd if=/dev/zero of=/f bs=1000 count=3; dd if=/dev/zero of=/vol/f bs=1000 count=5';
    await ok('run', '--network', 'none', '--name', 'ended', '-v', 'used:/vol', 'busybox', 'sh', '-c', write);
    await ok('volume', 'create', 'unused');
    const child = await ok('commit', 'ended', 'child');
    const df = async (query = '', version = '1.55') =>
      (await daemon.api('GET', `/v${version}/system/df${query}`)).body as Record<string, unknown>;
    const short = (await df()) as Record<string, Usage>;
    t.match(short.ImageUsage, { ActiveCount: 1, TotalCount: 2, Items: undefined });
    t.match(short.ContainerUsage, { ActiveCount: 0, TotalCount: 1, Items: undefined });
    t.ok((short.ContainerUsage?.TotalSize ?? 0) >= 3000);
    t.equal(short.ContainerUsage?.Reclaimable, short.ContainerUsage?.TotalSize, 'nothing of it runs');
    t.match(short.VolumeUsage, { ActiveCount: 1, TotalCount: 2, TotalSize: 5000, Reclaimable: 0 });
    t.match(short.BuildCacheUsage, { TotalCount: 0, TotalSize: 0 });

    const { ImageUsage, ContainerUsage, VolumeUsage } = (await df('?verbose=1')) as Record<string, Usage>;
    const image = (id: string) => ImageUsage?.Items?.find(({ Id }) => Id === id);
    const base = image(busybox);
    t.equal(base?.SharedSize, base?.Size, 'all of the base is in its child too');
    t.equal(image(child)?.SharedSize, base?.Size);
    t.equal(ImageUsage?.TotalSize, image(child)?.Size, 'a shared layer counts once');
    t.equal(ImageUsage?.Reclaimable, Number(image(child)?.Size) - Number(base?.Size));
    t.match(ContainerUsage?.Items?.[0], { Names: ['/ended'], SizeRw: short.ContainerUsage?.TotalSize });
    const volume = (name: string) => VolumeUsage?.Items?.find(({ Name }) => Name === name)?.UsageData;
    t.same(
      [volume('used'), volume('unused')],
      [
        { Size: 5000, RefCount: 1 },
        { Size: 0, RefCount: 0 },
      ],
    );

    t.same(Object.keys(await df('?type=volume&type=image')).sort(), ['ImageUsage', 'VolumeUsage']);
    t.equal((await daemon.api('GET', '/system/df?type=nothing')).status, 400);
    const old = await df('', '1.51');
    t.match(old, { LayersSize: ImageUsage?.TotalSize, BuildCache: [] });
    t.match([old.Images, old.Containers, old.Volumes], [{ length: 2 }, { length: 1 }, { length: 2 }]);
    t.match(await df('?type=volume', '1.51'), { Images: null, Containers: null, Volumes: { length: 2 } });
    t.match((await df('', '1.43')).Images, [{ VirtualSize: Number }, { VirtualSize: Number }]);
    t.match(await ok('system', 'df'), /Images +2 +1 .*Containers +1 +0 .*Local Volumes +2 +1 +5kB/s);
    t.match(await ok('system', 'df', '-v'), /SHARED SIZE.*UNIQUE SIZE.*used +1 +5kB/s);
  });
}
