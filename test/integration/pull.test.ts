/** Images between Gantry, registries, skopeo and a stock Docker Engine. */
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { copyFileSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { request } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import t, { type Test } from 'tap';
import { dockerIsInstalled, startDocker } from '../bench/peer.ts';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { type FaultyProxy, startFaultyProxy } from '../fixtures/faulty-proxy.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';
import { noRegistry, startRegistry } from '../fixtures/registry.ts';
import { tar } from '../fixtures/tar.ts';
import { makeCertificate } from '../fixtures/token-server.ts';

t.setTimeout(180_000);
const run = promisify(execFile);
const LAYER_BYTES = 6_000_000;

/** Two layers over busybox's, the upper one of some size. */
async function loadApp(daemon: TestDaemon, name: string): Promise<void> {
  const archive = join(daemon.dir, 'app.tar');
  makeBusyboxArchive(archive, {
    tag: name,
    extraLayers: [
      [{ name: 'hello', content: 'hello' }],
      [{ name: 'big', content: randomBytes(LAYER_BYTES) }],
    ],
    config: { Labels: { app: 'yes' } },
  });
  await ok(daemon, 'load', '-q', '-i', archive);
}

/** The command must succeed; answers what it printed. */
async function ok(daemon: TestDaemon, ...args: string[]): Promise<string> {
  const { code, stdout, stderr } = await daemon.docker(args);
  if (code !== 0) throw new Error(`docker ${args.join(' ')}: ${stderr}`);
  return stdout.trim();
}

async function refused(t: Test, daemon: TestDaemon, words: RegExp, ...args: string[]): Promise<void> {
  const { code, stdout, stderr } = await daemon.docker(args);
  t.match({ code, said: stdout + stderr }, { code: 1, said: words }, `docker ${args.join(' ')}`);
}

interface Line {
  readonly status?: string;
  readonly id?: string;
  readonly error?: string;
  readonly progressDetail?: { readonly current?: number; readonly total?: number };
}

async function pulled(
  daemon: TestDaemon,
  query: string,
): Promise<{ status: number; lines: readonly Line[] }> {
  const { status, text } = await daemon.api('POST', `/images/create?${query}`);
  return {
    status,
    lines: text
      .split('\r\n')
      .filter(Boolean)
      .map((line) => JSON.parse(line) as Line),
  };
}

/** What is on the disk of an image store that has none: nothing but, maybe, what a broken download has left to go on. */
function remains(daemon: TestDaemon): Record<string, readonly string[]> {
  const at = (path: string) =>
    existsSync(join(daemon.dataRoot, path)) ? readdirSync(join(daemon.dataRoot, path)) : [];
  return {
    blobs: at('content/blobs/sha256'),
    ingest: at('content/ingest'),
    layers: at('drivers/snapshot-overlay/layers'),
    staging: at('drivers/snapshot-overlay/staging'),
  };
}
const NOTHING = { blobs: [], ingest: [], layers: [], staging: [] };

t.test('pull and push', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const proxy = await startFaultyProxy(t, registry.port);
  const daemon = await startTestDaemon(t, { args: ['--registry-mirror', `http://${proxy.host}`] });
  const name = `${registry.host}/app/one`;
  await loadApp(daemon, `${name}:1`);

  await t.test('what is pushed is pulled again, the same', async (t) => {
    const [before] = JSON.parse(await ok(daemon, 'image', 'inspect', `${name}:1`));
    t.match(await ok(daemon, 'push', `${name}:1`), /Pushed[\s\S]*1: digest: sha256:[0-9a-f]{64} size: \d+/);
    t.match(await ok(daemon, 'push', `${name}:1`), /Layer already exists/);
    const digest = await ok(daemon, 'image', 'inspect', '-f', '{{index .RepoDigests 0}}', `${name}:1`);
    t.match(digest, new RegExp(`^${name}@sha256:`));
    t.match(
      await ok(daemon, 'rmi', `${name}:1`),
      new RegExp(`Untagged: ${name}:1\nUntagged: ${digest}\nDeleted: sha256:`),
    );
    t.same(remains(daemon), NOTHING);
    const { status, lines } = await pulled(daemon, `fromImage=${name}&tag=1`);
    t.equal(status, 200);
    const statuses = lines.map(({ status: words }) => words);
    t.match(lines[0], { status: 'Pulling from app/one', id: '1' });
    for (const words of [
      'Pulling fs layer',
      'Downloading',
      'Verifying Checksum',
      'Download complete',
      'Extracting',
      'Pull complete',
    ])
      t.ok(statuses.includes(words), words);
    t.equal(statuses.filter((words) => words === 'Pull complete').length, 3);
    t.ok(
      lines.some(
        ({ progressDetail }) => progressDetail?.current === LAYER_BYTES + 2048 || progressDetail?.total,
      ),
    );
    t.match(statuses.slice(-2), [/^Digest: sha256:/, `Status: Downloaded newer image for ${name}:1`]);
    const [after] = JSON.parse(await ok(daemon, 'image', 'inspect', `${name}:1`));
    t.same(
      { ...after, Metadata: null, RepoDigests: null, Size: null },
      { ...before, Metadata: null, RepoDigests: null, Size: null },
    );
    t.match(await ok(daemon, 'pull', `${name}:1`), /Image is up to date/);
    t.equal(await ok(daemon, 'run', '--rm', '--network', 'none', `${name}:1`, 'cat', '/hello'), 'hello');
    const history = await ok(daemon, 'history', '--human=false', '--format', '{{.Size}}', `${name}:1`);
    t.ok(Number(history.split('\n')[0]) > LAYER_BYTES);
    // By digest, which names nothing.
    await ok(daemon, 'rmi', `${name}:1`);
    await ok(daemon, 'pull', digest);
    t.equal(await ok(daemon, 'run', '--rm', '--network', 'none', digest, 'cat', '/hello'), 'hello');
    t.match(await ok(daemon, 'images', '--digests'), new RegExp(`${name} +<none> +sha256:`));
    t.match(await ok(daemon, 'rmi', digest), /^Untagged: .*@sha256:[0-9a-f]{64}\nDeleted: sha256:/);
    t.same(remains(daemon), NOTHING);
  });

  await t.test('all tags, and the rules of removal', async (t) => {
    await ok(daemon, 'pull', `${name}:1`);
    await ok(daemon, 'tag', `${name}:1`, `${name}:2`);
    t.match(await ok(daemon, 'push', '-a', name), /1: digest[\s\S]*2: digest|2: digest[\s\S]*1: digest/);
    await ok(daemon, 'rmi', `${name}:1`, `${name}:2`);
    const every = await ok(daemon, 'pull', '-a', name);
    for (const tag of [1, 2]) t.match(every, new RegExp(`Downloaded newer image for ${name}:${tag}`));
    const id = await ok(daemon, 'image', 'inspect', '-f', '{{.Id}}', `${name}:1`);
    await ok(daemon, 'tag', `${name}:1`, 'other:1');
    await refused(
      t,
      daemon,
      /conflict: unable to delete [0-9a-f]{12} \(must be forced\) - image is referenced in multiple/,
      'rmi',
      id,
    );
    t.equal(await ok(daemon, 'rmi', 'other:1'), 'Untagged: other:1');
    await ok(daemon, 'rmi', `${name}:2`);
    const user = await ok(daemon, 'create', '--network', 'none', `${name}:1`);
    await refused(
      t,
      daemon,
      /conflict: unable to remove repository reference .* \(must force\) - container/,
      'rmi',
      `${name}:1`,
    );
    await refused(t, daemon, /\(must be forced\) - image is being used by stopped container/, 'rmi', id);
    t.match(await ok(daemon, 'rmi', '-f', `${name}:1`), /Deleted: sha256/);
    t.equal(await ok(daemon, 'start', user), user, 'a container outlives its image');
    await ok(daemon, 'rm', '-f', user);
    await ok(daemon, 'image', 'prune', '-f');
  });

  await t.test('list filters, shared sizes, prune', async (t) => {
    await daemon.loadBusybox();
    await ok(daemon, 'pull', `${name}:1`);
    const listed = async (...filters: string[]) =>
      (
        await ok(
          daemon,
          'images',
          '--format',
          '{{.Repository}}:{{.Tag}}',
          ...filters.flatMap((one) => ['-f', one]),
        )
      )
        .split('\n')
        .sort();
    const both = ['busybox:latest', `${name}:1`].sort();
    t.same(await listed(), both);
    t.same(await listed('label=app=yes'), [`${name}:1`]);
    t.same(await listed(`reference=${registry.host}/*/one`), [`${name}:1`]);
    t.same(await listed('reference=busy*', `reference=${name}`), both);
    t.same(await listed('dangling=true'), ['']);
    t.same(await listed('until=2020-01-01'), ['']);
    const { body } = await daemon.api('GET', '/images/json?shared-size=1');
    const sizes = (body as { SharedSize: number; Size: number }[]).map(({ SharedSize, Size }) => [
      SharedSize,
      Size,
    ]);
    t.equal(sizes[0]?.[0], sizes[1]?.[0]);
    t.ok((sizes[0]?.[0] ?? 0) > 1_000_000);
    await ok(daemon, 'tag', 'busybox', `${name}:1`); // takes the name away
    t.match(await ok(daemon, 'image', 'prune', '-f', '--filter', 'label=app=no'), /reclaimed space: 0B/);
    t.match(await ok(daemon, 'image', 'prune', '-f'), /deleted: sha256[\s\S]*reclaimed space: 6/);
    t.match(await ok(daemon, 'image', 'prune', '-af'), /untagged: busybox:latest/);
    t.same(remains(daemon), NOTHING);
  });

  await t.test('what cannot be had', async (t) => {
    for (const [query, status, words] of [
      [`fromImage=${name}&tag=nosuch`, 404, /manifest for .*:nosuch not found: manifest unknown/],
      [`fromImage=${registry.host}/no/such&tag=1`, 404, /not found/],
      [`fromImage=${name}&tag=sha256:${'0'.repeat(64)}`, 404, /not found/],
      [`fromImage=${name}&tag=1&platform=linux/arm64`, 404, /does not match the specified platform/],
      ['fromImage=127.0.0.1:1/x&tag=1', 500, /ECONNREFUSED/],
    ] as const) {
      const { status: got, text } = await daemon.api('POST', `/images/create?${query}`);
      t.match({ got, text }, { got: status, text: words }, query);
    }
    await refused(t, daemon, /An image does not exist locally with the tag/, 'push', `${name}:9`);
    const { body } = await daemon.api('GET', `/distribution/${name}:1/json`);
    t.match(body, { Descriptor: { digest: /^sha256:/ }, Platforms: [{ os: 'linux' }] });
  });

  await t.test('broken downloads: resumed, or refused with nothing left', async (t) => {
    // Docker's own images come from the mirror.
    await ok(daemon, 'pull', `${name}:1`);
    await ok(daemon, 'tag', `${name}:1`, `${registry.host}/library/app:1`);
    await ok(daemon, 'push', `${registry.host}/library/app:1`);
    await ok(daemon, 'rmi', `${name}:1`, `${registry.host}/library/app:1`);
    proxy.fault = ({ url, headers }) =>
      isBlob(url) && headers.range === undefined ? { cutAt: 300_000 } : undefined;
    t.match(
      await ok(daemon, 'pull', 'app:1'),
      /Downloaded newer image for app:1\ndocker.io\/library\/app:1$/,
    );
    t.ok(proxy.seen.some(({ headers }) => headers.range !== undefined));
    await ok(daemon, 'rmi', 'app:1');
    proxy.fault = ({ url }) => (isBlob(url) ? { flipAt: 4000 } : undefined);
    await refused(t, daemon, /filesystem layer verification failed: digest is sha256/, 'pull', 'app:1');
    t.same(remains(daemon), NOTHING);
    proxy.fault = ({ url }) => (isBlob(url) ? { shortenTo: 100 } : undefined);
    await refused(t, daemon, /got 100 bytes/, 'pull', 'app:1');
    t.same(remains(daemon), NOTHING);
    proxy.fault = () => undefined;
  });

  await t.test('two pulls share a download; one that leaves does not end it', async (t) => {
    await ok(daemon, 'image', 'prune', '-f'); // with what broken downloads have left
    t.same(partials(daemon), []);
    const hold = held(proxy);
    const leaving = leave(daemon, '/images/create?fromImage=app&tag=1');
    const staying = pulled(daemon, 'fromImage=app&tag=1');
    await hold.reached;
    leaving.destroy();
    hold.release();
    const last = (await staying).lines.at(-1);
    t.match(last, { status: /^Status: / }, JSON.stringify(last));
    const gets = proxy.seen.filter(({ method, url }) => method === 'GET' && isBlob(url) && /blobs/.test(url));
    const once = new Set(gets.map(({ url }) => url));
    t.ok(gets.length - once.size <= 1, 'each layer once; the configuration is a document, which each reads');
    await ok(daemon, 'rmi', 'app:1');
  });

  await t.test('a pull that the daemon did not live to end goes on from its bytes', async (t) => {
    proxy.fault = ({ url, headers }) =>
      isBlob(url) && headers.range === undefined ? { hangAt: 3_000_000 } : undefined;
    const asked = leave(daemon, '/images/create?fromImage=app&tag=1');
    await until(() => partials(daemon).length > 0 && proxy.seen.some(({ url }) => isBlob(url)));
    await until(() => partialBytes(daemon) > 4_000_000);
    await daemon.kill();
    asked.destroy();
    await daemon.restart();
    t.same(remains(daemon), NOTHING);
    proxy.seen.length = 0;
    proxy.fault = () => undefined;
    t.match(await ok(daemon, 'pull', 'app:1'), /Downloaded newer image/);
    t.ok(proxy.seen.some(({ headers }) => /^bytes=[23]\d{6}-$/.test(headers.range ?? '')));
    t.same(partials(daemon), []);
    await ok(daemon, 'rmi', 'app:1');
  });
});

t.test('a full disk: a clear error, and nothing left', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const source = await startTestDaemon(t);
  const name = `${registry.host}/app:1`;
  await loadApp(source, name);
  await ok(source, 'push', name);
  const dir = mkdtempSync(join(tmpdir(), 'gantry-small-'));
  const [disk, at] = [join(dir, 'disk'), join(dir, 'at')];
  mkdirSync(at);
  await run('truncate', ['-s', '32M', disk]);
  await run('mkfs.ext4', ['-q', '-O', '^has_journal', disk]);
  await run('mount', ['-o', 'loop', disk, at]);
  t.teardown(async () => {
    await run('umount', [at]);
    rmSync(dir, { recursive: true, force: true });
  });
  const daemon = await startTestDaemon(t, { dataRoot: join(at, 'data') });
  await refused(t, daemon, /no space left/i, 'pull', name);
  t.same(remains(daemon), NOTHING);
  t.same(partials(daemon), []);
  await refused(t, daemon, /no space left/i, 'load', '-i', join(source.dir, 'app.tar'));
  t.same(remains(daemon), NOTHING);
  // The store, which is on the same disk and keeps 16 MiB for its log, may have met its end too: it asks for a restart.
  await daemon.restart();
  t.same(remains(daemon), NOTHING);
  const { stdout } = await daemon.docker(['import', '-', 'tiny'], {
    input: tar([{ name: 'a', content: 'a' }]),
  });
  t.match(stdout, /^sha256:/, 'what is small enough is taken');
});

t.test('credentials and certificates', { skip: noRegistry }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-certs-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  makeCertificate(key, cert, 'registry');
  const [clientKey, clientCert] = [join(dir, 'client.key'), join(dir, 'client.cert')];
  makeCertificate(clientKey, clientCert, 'client');
  const user = { name: 'bob', password: 'secret' };
  const registry = await startRegistry(t, { tls: { cert, key, ca: clientCert }, user });
  const host = `localhost:${registry.port}`;
  const hosts = join(dir, 'certs.d', host);
  const daemon = await startTestDaemon(t, { args: ['--registry-cert-dir', join(dir, 'certs.d')] });
  await daemon.loadBusybox();
  await ok(daemon, 'tag', 'busybox', `${host}/a`);
  // Without the client's certificate; that of the registry itself is not looked at on loopback.
  await refused(t, daemon, /certificate|HTTPS|ECONNRESET|answered 400/i, 'push', `${host}/a`);
  mkdirSync(hosts, { recursive: true });
  copyFileSync(cert, join(hosts, 'ca.crt'));
  copyFileSync(clientCert, join(hosts, 'client.cert'));
  copyFileSync(clientKey, join(hosts, 'client.key'));
  await refused(t, daemon, /unauthorized/i, 'push', `${host}/a`);
  await refused(t, daemon, /pull access denied for .*docker login/, 'pull', `${host}/a`);
  await refused(t, daemon, /unauthorized/i, 'login', '-u', 'bob', '-p', 'wrong', host);
  t.match(await ok(daemon, 'login', '-u', 'bob', '-p', 'secret', host), /Login Succeeded/);
  t.match(await ok(daemon, 'push', `${host}/a`), /digest: sha256/);
  await ok(daemon, 'rmi', `${host}/a`);
  t.match(await ok(daemon, 'pull', `${host}/a`), /Status: Downloaded newer image/);
});

t.test('skopeo and a stock Docker Engine', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const daemon = await startTestDaemon(t);
  await loadApp(daemon, 'app:1');
  const id = await ok(daemon, 'image', 'inspect', '-f', '{{.Id}}', 'app:1');
  const saved = join(daemon.dir, 'saved.tar');
  await ok(daemon, 'tag', 'app:1', 'again:2');
  await ok(daemon, 'save', '-o', saved, 'app:1', 'again:2');
  const skopeo = (...args: string[]) => run('skopeo', ['--insecure-policy', ...args]);

  await t.test('skopeo', async (t) => {
    for (const from of [`docker-archive:${saved}:app:1`, `oci-archive:${saved}:1`]) {
      const { stdout } = await skopeo('inspect', '--config', '--raw', from);
      t.match(JSON.parse(stdout), { config: { Labels: { app: 'yes' } } }, from);
    }
    const to = `docker-daemon:skopeo:1`;
    await skopeo('copy', '-q', '--dest-daemon-host', daemon.host, `docker-archive:${saved}:again:2`, to);
    t.equal(await ok(daemon, 'run', '--rm', '--network', 'none', 'skopeo:1', 'cat', '/hello'), 'hello');
    const remote = `docker://${registry.host}/from/skopeo:1`;
    await skopeo(
      'copy',
      '-q',
      '--src-daemon-host',
      daemon.host,
      '--dest-tls-verify=false',
      'docker-daemon:app:1',
      remote,
    );
    t.match(await ok(daemon, 'pull', `${registry.host}/from/skopeo:1`), /Status: /);
    // A schema 2 manifest with gzip layers, and zstd.
    for (const [format, compression] of [
      ['v2s2', 'gzip'],
      ['oci', 'zstd'],
    ] as const) {
      const tag = `${registry.host}/from/skopeo:${compression}`;
      const how = ['--dest-tls-verify=false', '--format', format, '--dest-compress-format', compression];
      await skopeo('copy', '-q', ...how, `docker-archive:${saved}:app:1`, `docker://${tag}`);
      await ok(daemon, 'pull', tag);
      t.equal(
        await ok(daemon, 'run', '--rm', '--network', 'none', tag, 'cat', '/hello'),
        'hello',
        compression,
      );
    }
  });

  await t.test('an index is chosen from by platform', async (t) => {
    const name = `${registry.host}/from/skopeo`;
    await ok(daemon, 'rmi', '-f', `${name}:1`);
    const { body } = await daemon.api('GET', `/distribution/${name}:1/json`);
    const { Descriptor } = body as { Descriptor: { mediaType: string; digest: string; size: number } };
    const index = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [
        {
          ...Descriptor,
          platform: { os: 'linux', architecture: process.arch === 'x64' ? 'amd64' : process.arch },
        },
        { ...Descriptor, platform: { os: 'linux', architecture: 's390x' } },
      ],
    });
    await put(registry.port, '/v2/from/skopeo/manifests/multi', index);
    t.match(await ok(daemon, 'pull', `${name}:multi`), /Status: /);
    await refused(
      t,
      daemon,
      /no matching manifest for linux\/mips64le/,
      'pull',
      '--platform',
      'linux/mips64le',
      `${name}:multi`,
    );
    const shown = await daemon.api('GET', `/distribution/${name}:multi/json`);
    t.match(shown.body, { Platforms: [{}, { architecture: 's390x' }] });
  });

  await t.test(
    'a stock engine',
    { skip: dockerIsInstalled() ? false : 'no Docker Engine here' },
    async (t) => {
      const root = mkdtempSync(join(tmpdir(), 'gantry-docker-'));
      const engine = await startDocker(root, 'host');
      t.teardown(async () => {
        await engine.stop();
        rmSync(root, { recursive: true, force: true, maxRetries: 3 });
      });
      const docker = async (...args: string[]) =>
        (
          await run('docker', ['-H', `unix://${engine.socket}`, ...args], {
            env: { ...process.env, DOCKER_CONFIG: root },
          })
        ).stdout;
      const name = `${registry.host}/both/app`;
      await ok(daemon, 'tag', 'app:1', `${name}:gantry`);
      await ok(daemon, 'push', `${name}:gantry`);
      t.match(await docker('pull', `${name}:gantry`), /Downloaded newer image/);
      t.equal((await docker('image', 'inspect', '-f', '{{.Id}}', `${name}:gantry`)).trim(), id);
      await docker('tag', `${name}:gantry`, `${name}:docker`);
      await docker('push', `${name}:docker`);
      t.match(await ok(daemon, 'pull', `${name}:docker`), /Status: /);
      t.equal(await ok(daemon, 'image', 'inspect', '-f', '{{.Id}}', `${name}:docker`), id);
      t.match(await docker('load', '-i', saved), /Loaded image: app:1[\s\S]*again:2|again:2[\s\S]*app:1/);
      const back = join(daemon.dir, 'docker.tar');
      await docker('save', '-o', back, 'app:1');
      await ok(daemon, 'rmi', '-f', id);
      t.match(await ok(daemon, 'load', '-i', back), /Loaded image: app:1/);
      t.equal(await ok(daemon, 'image', 'inspect', '-f', '{{.Id}}', 'app:1'), id);
    },
  );
});

function isBlob(url: string): boolean {
  return url.includes('/blobs/sha256');
}

function partials(daemon: TestDaemon): readonly string[] {
  return readdirSync(join(daemon.dataRoot, 'content/partial'));
}

function partialBytes(daemon: TestDaemon): number {
  return partials(daemon).reduce(
    (sum, name) =>
      sum + (statSync(join(daemon.dataRoot, 'content/partial', name), { throwIfNoEntry: false })?.size ?? 0),
    0,
  );
}

/** The proxy keeps every blob back from the first byte on, until it is told otherwise. */
function held(proxy: FaultyProxy) {
  const reached = Promise.withResolvers<void>();
  proxy.seen.length = 0;
  let left = 2;
  proxy.fault = ({ url }) => {
    // Both have found the image, and its blobs are asked for.
    if (url.includes('/manifests/') && --left === 0) setTimeout(reached.resolve, 300);
    return isBlob(url) ? { slowMs: 1500 } : undefined;
  };
  return {
    reached: reached.promise,
    release: () => {
      proxy.fault = () => undefined;
    },
  };
}

/** A request whose answer is not waited for. */
function leave(daemon: TestDaemon, path: string) {
  const asked = request({ socketPath: daemon.socket, method: 'POST', path, agent: false }, (answer) =>
    answer.resume(),
  );
  asked.on('error', () => {});
  asked.end();
  return asked;
}

async function until(holds: () => boolean): Promise<void> {
  const end = Date.now() + 30_000;
  while (!holds()) {
    if (Date.now() > end) throw new Error('it has not come to that');
    await delay(20);
  }
}

function put(port: number, path: string, body: string): Promise<void> {
  const headers = {
    'Content-Type': JSON.parse(body).mediaType as string,
    'Content-Length': Buffer.byteLength(body),
  };
  return new Promise((done, failed) => {
    const asked = request(
      { host: '127.0.0.1', port, path, method: 'PUT', headers, agent: false },
      (answer) => {
        answer.resume();
        if (answer.statusCode === 201) done();
        else failed(new Error(`PUT ${path}: ${answer.statusCode}`));
      },
    );
    asked.on('error', failed);
    asked.end(body);
  });
}
