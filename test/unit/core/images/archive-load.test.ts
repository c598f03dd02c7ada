/** `docker load` and `docker import`: what is taken, what is refused, and that a refusal leaves nothing. Needs root. */
import { execFileSync } from 'node:child_process';
import {
  createReadStream,
  existsSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { gzipSync, zstdCompressSync } from 'node:zlib';
import { Ajv } from 'ajv';
import t, { type Test } from 'tap';
import { importArchive } from '../../../../core/images/archive-import.ts';
import { type LoadOptions, type LoadProgress, loadArchive } from '../../../../core/images/archive-load.ts';
import { ContentStore } from '../../../../core/images/content.ts';
import { sha256 } from '../../../../core/images/digest.ts';
import { LayerExtractor } from '../../../../core/images/extract/extractor.ts';
import { hostArchitecture } from '../../../../core/images/image-config.ts';
import { LayerStore } from '../../../../core/images/layer-store.ts';
import { ContentLease } from '../../../../core/images/lease.ts';
import { fakeSnapshotDriver } from '../../../fakes/snapshot-driver.ts';
import { fails } from '../../../fixtures/fails.ts';
import { makeBusyboxArchive } from '../../../fixtures/make-busybox-image.ts';
import { type TarSpec, tar } from '../../../fixtures/tar.ts';

const SCHEMAS = resolve(import.meta.dirname, '../../../../../shared/schemas');

const extractor = new LayerExtractor();
t.teardown(() => extractor.close());

async function scene(t: Test) {
  const root = mkdtempSync('/tmp/gantry-load-');
  t.teardown(() => rmSync(root, { recursive: true, force: true }));
  const content = await ContentStore.open(join(root, 'content'));
  const snapshots = fakeSnapshotDriver(join(root, 'snapshots'));
  const layers = new LayerStore(snapshots, extractor);
  const leased = async <T>(work: (lease: ContentLease) => Promise<T>): Promise<T> => {
    await using lease = new ContentLease(content, layers);
    return await work(lease);
  };
  return {
    root,
    content,
    snapshots,
    layers,
    load: (archive: Buffer, onProgress?: (progress: LoadProgress) => void) =>
      leased((lease) => loadArchive(chunks(archive), { lease, onProgress })),
    leased,
    /** Everything that is kept or lies about. */
    remains: async () => ({
      blobs: [...(await content.list())].sort(),
      ingest: readdirSync(join(root, 'content/ingest')),
      layers: (await snapshots.listLayers({}, { signal: new AbortController().signal })).flat(),
      staging: snapshots.staging(),
    }),
  };
}

const NOTHING = { blobs: [], ingest: [], layers: [], staging: [] };

async function* chunks(bytes: Buffer) {
  for (let at = 0; at < bytes.length; at += 60_000) yield bytes.subarray(at, at + 60_000);
}

const BASE = tar([{ name: 'base', content: 'base' }]);
const TOP = tar([{ name: 'top', content: 'top' }]);
const hex = (bytes: Buffer) => sha256(bytes).slice('sha256:'.length);

function configOf(layers: readonly Buffer[], more: object = {}): Buffer {
  return Buffer.from(
    JSON.stringify({
      architecture: hostArchitecture(),
      os: 'linux',
      config: { Cmd: ['sh'] },
      rootfs: { type: 'layers', diff_ids: layers.map((layer) => sha256(layer)) },
      ...more,
    }),
  );
}

const json = (name: string, value: unknown): TarSpec => ({ name, content: JSON.stringify(value) });

function dockerArchive(
  config: Buffer,
  layers: readonly { name: string; file?: TarSpec }[],
  tags: unknown = ['app:1'],
): Buffer {
  return tar([
    ...layers.flatMap(({ file }) => (file ? [file] : [])),
    { name: 'config.json', content: config },
    json('manifest.json', [
      { Config: 'config.json', RepoTags: tags, Layers: layers.map(({ name }) => name) },
    ]),
  ]);
}

const file = (name: string, content: Buffer) => ({ name, file: { name, content } });

interface OciParts {
  readonly blobs: Map<string, Buffer>;
  put(bytes: Buffer, mediaType: string): { digest: string; mediaType: string; size: number };
}

function ociArchive(build: (parts: OciParts) => object): Buffer {
  const blobs = new Map<string, Buffer>();
  const put = (bytes: Buffer, mediaType: string) => {
    blobs.set(`blobs/sha256/${hex(bytes)}`, bytes);
    return { digest: sha256(bytes), mediaType, size: bytes.length };
  };
  const index = build({ blobs, put });
  return tar([
    json('oci-layout', { imageLayoutVersion: '1.0.0' }),
    json('index.json', index),
    ...[...blobs].map(([name, content]) => ({ name, content })),
  ]);
}

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const INDEX = 'application/vnd.oci.image.index.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

function ociManifest(
  { put }: OciParts,
  layers: readonly Buffer[],
  stored: readonly Buffer[] = layers,
  more: object = {},
) {
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: put(configOf(layers, more), 'application/vnd.oci.image.config.v1+json'),
    layers: stored.map((layer) => put(layer, LAYER)),
  };
  return put(Buffer.from(JSON.stringify(manifest)), MANIFEST);
}

t.test('a Docker archive of two layers', async (t) => {
  const { load, remains, snapshots, content } = await scene(t);
  const config = configOf([BASE, TOP]);
  const progress: LoadProgress[] = [];
  const archive = dockerArchive(
    config,
    [file('a/layer.tar', BASE), file('b/layer.tar', TOP)],
    ['app:1', 'app:latest'],
  );
  const [image, ...more] = await load(archive, (one) => progress.push(one));
  t.same(more, []);
  t.match(image, {
    id: sha256(config),
    names: ['app:1', 'app:latest'],
    layers: [BASE, TOP].map((layer) => ({
      diffId: sha256(layer),
      digest: sha256(layer),
      sizeBytes: layer.length,
      mediaType: LAYER,
    })),
  });
  t.same(image?.config.config?.Cmd, ['sh']);
  t.equal(readFileSync(join(snapshots.dir(sha256(TOP)), 'top'), 'utf8'), 'top');
  t.same(await remains(), {
    ...NOTHING,
    blobs: [config, BASE, TOP]
      .map((bytes) => sha256(bytes))
      .concat(image?.manifestDigest ?? '')
      .sort(),
    layers: [sha256(BASE), sha256(TOP)].sort(),
  });
  t.same(
    progress.map(({ diffId }) => diffId),
    [sha256(BASE), sha256(TOP)],
  );
  t.equal(progress.at(-1)?.currentBytes, TOP.length);

  const [again] = await load(archive);
  t.same(again, image, 'loading it again answers the same');
  const manifest = JSON.parse((await content.read(image?.manifestDigest ?? '')).toString());
  t.same(manifest.layers[0], { mediaType: LAYER, digest: sha256(BASE), size: BASE.length });
});

t.test('layers in every form they come in', async (t) => {
  const twoFrames = Buffer.concat([
    zstdCompressSync(BASE.subarray(0, 700)),
    Buffer.from([0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 9, 9]),
    zstdCompressSync(BASE.subarray(700)),
  ]);
  const program = (name: string) => execFileSync(name, ['-c'], { input: BASE });
  const table = [
    { name: 'gzip', bytes: gzipSync(BASE), mediaType: `${LAYER}+gzip` },
    {
      name: 'gzip of two members',
      bytes: Buffer.concat([gzipSync(BASE.subarray(0, 9)), gzipSync(BASE.subarray(9))]),
      mediaType: `${LAYER}+gzip`,
    },
    { name: 'zstd', bytes: zstdCompressSync(BASE), mediaType: `${LAYER}+zstd` },
    { name: 'zstd of two frames and a skippable one', bytes: twoFrames, mediaType: `${LAYER}+zstd` },
    {
      name: 'zstd that does not compress',
      bytes: execFileSync('zstd', ['-c', '--no-check', '--ultra', '-20'], { input: BASE }),
      mediaType: `${LAYER}+zstd`,
    },
    { name: 'xz', bytes: program('xz'), mediaType: LAYER },
  ];
  for (const { name, bytes, mediaType } of table) {
    const { load, snapshots } = await scene(t);
    const [image] = await load(dockerArchive(configOf([BASE]), [file('l', bytes)]));
    t.match(image?.layers[0], { diffId: sha256(BASE), digest: sha256(bytes), mediaType }, name);
    t.ok(existsSync(join(snapshots.dir(sha256(BASE)), 'base')));
  }
});

t.test('the archive itself compressed', async (t) => {
  const archive = dockerArchive(configOf([BASE]), [file('l', BASE)]);
  const table = {
    gzip: gzipSync(archive),
    zstd: zstdCompressSync(archive),
    xz: execFileSync('xz', ['-c'], { input: archive }),
  };
  for (const [name, bytes] of Object.entries(table)) {
    const { load } = await scene(t);
    t.equal((await load(bytes)).length, 1, name);
    const cut = await scene(t);
    await t.rejects(
      cut.load(bytes.subarray(0, bytes.length - 20)),
      fails('InvalidArgument'),
      `${name}, cut short`,
    );
    t.same(await cut.remains(), NOTHING);
  }
});

t.test('links to layers, no names, one layer twice', async (t) => {
  const { load, snapshots } = await scene(t);
  const layers = [
    file('a/layer.tar', BASE),
    {
      name: 'b/layer.tar',
      file: { name: 'b/layer.tar', kind: 'symlink', linkName: '../a/layer.tar' } as const,
    },
    {
      name: 'c/layer.tar',
      file: { name: 'c/layer.tar', kind: 'hardlink', linkName: 'a/layer.tar' } as const,
    },
  ];
  const [image] = await load(dockerArchive(configOf([BASE, BASE, BASE]), layers, null));
  t.same(image?.names, []);
  t.equal(image?.layers.length, 3);
  t.ok(existsSync(snapshots.dir(sha256(BASE))));
});

t.test('an OCI layout: names, indexes in indexes, platforms', async (t) => {
  const { load } = await scene(t);
  const here = { os: 'linux', architecture: hostArchitecture() };
  const compressed = gzipSync(TOP);
  let manifest = '';
  const archive = ociArchive((parts) => {
    const ours = ociManifest(parts, [BASE, TOP], [BASE, compressed]);
    manifest = ours.digest;
    const nested = {
      schemaVersion: 2,
      manifests: [
        {
          digest: `sha256:${'0'.repeat(64)}`,
          mediaType: MANIFEST,
          platform: { os: 'linux', architecture: 's390x' },
        },
        {
          digest: `sha256:${'1'.repeat(64)}`,
          mediaType: MANIFEST,
          platform: { os: 'unknown', architecture: 'unknown' },
        },
        { ...ours, platform: here },
      ],
    };
    const inner = parts.put(Buffer.from(JSON.stringify(nested)), INDEX);
    return {
      schemaVersion: 2,
      manifests: [
        {
          ...inner,
          annotations: {
            'io.containerd.image.name': 'docker.io/library/app:1',
            'org.opencontainers.image.ref.name': '1',
          },
        },
        { ...inner, annotations: { 'org.opencontainers.image.ref.name': 'other:2' } },
      ],
    };
  });
  const images = await load(archive);
  t.equal(images.length, 1, 'one image under two names');
  t.same(images[0]?.names, ['docker.io/library/app:1', 'other:2']);
  t.equal(images[0]?.manifestDigest, manifest);
  t.same(
    images[0]?.layers.map(({ digest }) => digest),
    [sha256(BASE), sha256(compressed)],
  );
});

t.test('an OCI layout with manifest.json beside it, as Docker writes since 25', async (t) => {
  const { load } = await scene(t);
  const archive = ociArchive((parts) => {
    const ours = ociManifest(parts, [BASE]);
    const config = `blobs/sha256/${hex(configOf([BASE]))}`;
    parts.blobs.set(
      'manifest.json',
      Buffer.from(
        JSON.stringify([{ Config: config, RepoTags: ['app:1'], Layers: [`blobs/sha256/${hex(BASE)}`] }]),
      ),
    );
    return { schemaVersion: 2, manifests: [ours] };
  });
  t.match(await load(archive), [{ names: ['app:1'] }]);
});

t.test('archives that are refused leave nothing', async (t) => {
  const good = dockerArchive(configOf([BASE]), [file('l', BASE)]);
  const hostile = tar([{ name: '../evil', content: '' }]);
  const other = `sha256:${'a'.repeat(64)}`;
  const wrongDiffId = configOf([], { rootfs: { type: 'layers', diff_ids: [sha256(BASE), other] } });
  const table: { name: string; archive: Buffer; wanted?: object }[] = [
    { name: 'empty', archive: Buffer.alloc(0) },
    { name: 'no tar', archive: Buffer.from('hello '.repeat(500)) },
    { name: 'neither form', archive: tar([{ name: 'file', content: 'x' }]) },
    { name: 'cut short', archive: good.subarray(0, 1700) },
    { name: 'no layer', archive: dockerArchive(configOf([BASE]), [{ name: 'absent' }]) },
    {
      name: 'a link to nothing',
      archive: dockerArchive(configOf([BASE]), [
        { name: 'l', file: { name: 'l', kind: 'symlink', linkName: '../../../etc/passwd' } },
      ]),
    },
    {
      name: 'a link to itself',
      archive: dockerArchive(configOf([BASE]), [
        { name: 'l', file: { name: 'l', kind: 'symlink', linkName: 'l' } },
      ]),
    },
    { name: 'too few layers', archive: dockerArchive(configOf([BASE, TOP]), [file('l', BASE)]) },
    {
      name: 'a wrong diff id in the second layer',
      archive: dockerArchive(wrongDiffId, [file('a', BASE), file('b', TOP)]),
      wanted: { code: 'DIGEST_MISMATCH', details: { actual: sha256(TOP), expected: other } },
    },
    {
      name: 'a layer that climbs out',
      archive: dockerArchive(configOf([BASE, hostile]), [file('a', BASE), file('b', hostile)]),
    },
    {
      name: 'a layer that is no tar',
      archive: dockerArchive(configOf([Buffer.from('x')]), [file('a', Buffer.from('x'))]),
    },
    {
      name: 'a damaged gzip layer',
      archive: dockerArchive(configOf([BASE]), [file('l', gzipSync(BASE).fill(0xff, 30, 60))]),
    },
    {
      name: 'a cut gzip layer',
      archive: dockerArchive(configOf([BASE]), [file('l', gzipSync(BASE).subarray(0, -10))]),
    },
    {
      name: 'a cut zstd layer',
      archive: dockerArchive(configOf([BASE]), [file('l', zstdCompressSync(BASE).subarray(0, -10))]),
    },
    { name: 'a config that is no JSON', archive: dockerArchive(Buffer.from('{'), [file('l', BASE)]) },
    {
      name: 'a config for Windows',
      archive: dockerArchive(configOf([BASE], { os: 'windows' }), [file('l', BASE)]),
    },
    {
      name: 'diff ids that are no digests',
      archive: dockerArchive(configOf([], { rootfs: { diff_ids: ['../x'] } }), [file('l', BASE)]),
    },
    { name: 'a manifest.json that is no list', archive: tar([json('manifest.json', { Config: 1 })]) },
    {
      name: 'an OCI blob that is not what its name says',
      archive: ociArchive((parts) => {
        const manifest = ociManifest(parts, [BASE]);
        parts.blobs.set(`blobs/sha256/${hex(BASE)}`, TOP);
        return { manifests: [manifest] };
      }),
      wanted: { code: 'DIGEST_MISMATCH', details: { actual: sha256(TOP), expected: sha256(BASE) } },
    },
    {
      name: 'an OCI layout for other machines',
      archive: ociArchive((parts) => ({
        manifests: [{ ...ociManifest(parts, [BASE]), platform: { os: 'linux', architecture: 's390x' } }],
      })),
    },
    {
      name: 'an OCI digest that is a path',
      archive: ociArchive(() => ({ manifests: [{ digest: 'sha256:../../x' }] })),
    },
    {
      name: 'an OCI index that names itself in depth',
      archive: ociArchive((parts) => {
        let inner = ociManifest(parts, [BASE]);
        for (let depth = 0; depth < 9; depth++)
          inner = parts.put(Buffer.from(JSON.stringify({ manifests: [inner], depth })), INDEX);
        return { manifests: [inner] };
      }),
    },
  ];
  for (const { name, archive, wanted } of table) {
    await t.test(name, async (t) => {
      const { load, remains } = await scene(t);
      await t.rejects(load(archive), fails('InvalidArgument', wanted));
      t.same(await remains(), NOTHING);
    });
  }
});

t.test('a failed load keeps what another load or image has', async (t) => {
  const { load, remains } = await scene(t);
  const config = configOf([BASE]);
  const good = dockerArchive(config, [file('l', BASE)]);
  const bad = dockerArchive(configOf([BASE], { rootfs: { diff_ids: [sha256(BASE), sha256('x')] } }), [
    file('a', BASE),
    file('b', TOP),
  ]);
  // Whatever the order in which they take their turns at the layer that both have.
  const [first, second, third] = await Promise.allSettled([load(bad), load(good), load(bad)]);
  t.same(
    [first, second, third].map((one) => one?.status),
    ['rejected', 'fulfilled', 'rejected'],
  );
  await t.rejects(load(bad));
  const { blobs, ...rest } = await remains();
  t.equal(blobs.length, 3);
  t.same(rest, { ingest: [], layers: [sha256(BASE)], staging: [] });
});

t.test('a caller who goes away leaves nothing', async (t) => {
  const { leased, remains } = await scene(t);
  const archive = dockerArchive(configOf([BASE, TOP]), [file('a', BASE), file('b', TOP)]);
  const load = (source: AsyncIterable<Uint8Array>, options: Omit<LoadOptions, 'lease'>) =>
    leased((lease) => loadArchive(source, { lease, ...options }));
  const leaving = new AbortController();
  const onProgress = () => leaving.abort();
  await t.rejects(load(chunks(archive), { onProgress, signal: leaving.signal }), {
    name: 'AbortError',
  });
  t.same(await remains(), NOTHING);
  const gone = AbortSignal.abort();
  await t.rejects(load(chunks(archive), { signal: gone }), { name: 'AbortError' });
  const breaking = async function* () {
    yield archive.subarray(0, 1000);
    throw new Error('connection reset');
  };
  await t.rejects(load(breaking(), {}), { message: 'connection reset' });
  t.same(await remains(), NOTHING);
});

t.test('the busybox fixture in both forms, and as skopeo rewrites it', async (t) => {
  const { root, leased, snapshots } = await scene(t);
  const source = join(root, 'docker.tar');
  const made = makeBusyboxArchive(source, { tag: 'busybox:test', config: { Volumes: { '/data': {} } } });
  const oci = join(root, 'oci.tar');
  t.same(
    makeBusyboxArchive(oci, { tag: 'busybox:test', format: 'oci', config: { Volumes: { '/data': {} } } }),
    made,
  );
  const skopeo = (to: string) =>
    execFileSync('skopeo', ['--insecure-policy', 'copy', '-q', `docker-archive:${source}`, to], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  skopeo(`docker-archive:${join(root, 'skopeo-docker.tar')}:busybox:test`);
  skopeo(`oci-archive:${join(root, 'skopeo-oci.tar')}:busybox:test`);
  for (const name of ['docker', 'oci', 'skopeo-docker', 'skopeo-oci']) {
    const [image] = await leased((lease) =>
      loadArchive(createReadStream(join(root, `${name}.tar`)), { lease }),
    );
    t.match(
      image?.layers.map(({ diffId }) => diffId),
      made.diffIds,
      name,
    );
    t.match(image?.names, [/busybox:test$/], name);
    t.ok(existsSync(join(snapshots.dir(made.diffIds[0] ?? ''), 'bin/busybox')));
  }
});

t.test('import: a tar with changes', async (t) => {
  const { leased, snapshots, remains } = await scene(t);
  const options = { names: ['app:1'], now: new Date('2024-05-06T07:08:09Z') };
  const image = await leased((lease) =>
    importArchive(chunks(gzipSync(BASE)), {
      ...options,
      lease,
      changes: ['CMD ["sh"]', 'ENV A=1'],
      message: 'first',
    }),
  );
  t.equal(image.id, sha256(image.configBytes));
  t.match(image, { names: ['app:1'], layers: [{ diffId: sha256(BASE), digest: sha256(BASE) }] });
  t.match(image.config, {
    architecture: hostArchitecture(),
    created: '2024-05-06T07:08:09.000Z',
    config: { Cmd: ['sh'], Env: ['A=1'] },
    history: [{ comment: 'first' }],
  });
  t.ok(existsSync(join(snapshots.dir(sha256(BASE)), 'base')));
  const before = await remains();
  t.same(before.blobs, [sha256(BASE), image.id, image.manifestDigest].sort());
  for (const bad of [
    { rootfs: Buffer.from('no tar'), changes: [] },
    { rootfs: BASE, changes: ['RUN rm -rf /'] },
  ]) {
    await t.rejects(
      leased((lease) => importArchive(chunks(bad.rootfs), { ...options, lease, changes: bad.changes })),
      fails('InvalidArgument'),
    );
    t.same(await remains(), before);
  }
});

/** The published files are draft 4, whose `id` ajv does not take; they name each other by file. */
function publishedSchemas(directory: string): Ajv {
  const ajv = new Ajv({ strict: false, validateFormats: false, validateSchema: false });
  for (const name of readdirSync(directory)) {
    const text = readFileSync(join(directory, name), 'utf8').replaceAll(
      /"(id|\$schema)": "https?:[^"]*",/g,
      '',
    );
    ajv.addSchema({ ...JSON.parse(text), $id: `https://schemas/${name}` });
  }
  if (!ajv.getSchema('https://schemas/defs.json'))
    ajv.addSchema({ $id: 'https://schemas/defs.json', definitions: DEFS });
  return ajv;
}

/** The specification's defs.json, which is not among the stored files. */
const DEFS = {
  mapStringString: { type: 'object', patternProperties: { '.{1,}': { type: 'string' } } },
  mapStringObject: { type: 'object', patternProperties: { '.{1,}': { type: 'object' } } },
  int64: { type: 'integer' },
};

const hasSchemas = existsSync(join(SCHEMAS, 'image-spec/config-schema.json'));
t.test(
  'what we write fits the published schemas',
  { skip: hasSchemas ? false : 'the published schemas are not here' },
  async (t) => {
    const ajv = publishedSchemas(join(SCHEMAS, 'image-spec'));
    const { content, leased } = await scene(t);
    const options = {
      names: [],
      now: new Date(0),
      changes: [
        'CMD sh',
        'ENTRYPOINT ["a"]',
        'ENV A=1 B="2 3"',
        'EXPOSE 80 53/udp',
        'LABEL x=y',
        'USER 1:2',
        'VOLUME /a /b',
        'WORKDIR /w',
        'STOPSIGNAL SIGINT',
      ],
    };
    const image = await leased((lease) => importArchive(chunks(BASE), { ...options, lease }));
    const documents = {
      'config-schema.json': image.configBytes,
      'image-manifest-schema.json': await content.read(image.manifestDigest),
    };
    for (const [schema, bytes] of Object.entries(documents)) {
      const validate = ajv.getSchema(`https://schemas/${schema}`);
      t.ok(validate?.(JSON.parse(bytes.toString())), JSON.stringify(validate?.errors));
    }
  },
);

t.test('content: what a crash left goes at the next start, and digests are checked', async (t) => {
  const { root, content } = await scene(t);
  const { digest, sizeBytes } = await content.put(BASE);
  t.same([digest, sizeBytes], [sha256(BASE), BASE.length]);
  await t.rejects(
    content.put(TOP, { expected: digest }),
    fails('InvalidArgument', { code: 'DIGEST_MISMATCH' }),
  );
  writeFileSync(join(root, 'content/ingest/half'), 'x');
  const again = await ContentStore.open(join(root, 'content'));
  t.same(readdirSync(join(root, 'content/ingest')), []);
  t.same(await again.list(), [digest]);
  t.same(Buffer.concat(await (await again.open(digest)).toArray()), BASE);
  t.equal(await again.has(sha256(TOP)), false);
  await t.rejects(again.open(sha256(TOP)), fails('NotFound'));
  await t.rejects(again.has('sha256:../../x'), fails('InvalidArgument'));
  writeFileSync(again.path(digest), 'rotten');
  await t.rejects(again.read(digest), fails('Internal', { code: 'BLOB_DAMAGED' }));
  await again.remove(digest);
  await again.remove(digest);
  t.same(await again.list(), []);
});
