/** The registry client against the distribution's registry, with a proxy between that breaks what can break. */
import { createHash, randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { connect } from 'node:tls';
import t, { type Test } from 'tap';
import { secureContextFor } from '../../registry/client/certificates.ts';
import { download } from '../../registry/client/download.ts';
import type { Descriptor, ManifestDocument } from '../../registry/client/manifest.ts';
import { Repository } from '../../registry/client/repository.ts';
import { searchIndex } from '../../registry/client/search.ts';
import { endpointsFor, isInsecure, type RegistrySettings } from '../../registry/client/settings.ts';
import type { Credentials } from '../../registry/client/tokens.ts';
import { putManifest, type UploadBlob, upload } from '../../registry/client/upload.ts';
import { fails } from '../fixtures/fails.ts';
import { startFaultyProxy } from '../fixtures/faulty-proxy.ts';
import { noRegistry, startRegistry } from '../fixtures/registry.ts';
import { makeCertificate, startTokenServer, TOKEN_USER } from '../fixtures/token-server.ts';

const SETTINGS: RegistrySettings = {
  insecure: [],
  mirrors: [],
  attempts: 4,
  httpProxy: '',
  httpsProxy: '',
  noProxy: '',
  certDirs: [],
  userAgent: 'gantry/test',
  stallMs: 700,
  backoffMs: 5,
};
const SIGNAL = AbortSignal.timeout(120_000);
const sha256 = (bytes: Buffer) => `sha256:${createHash('sha256').update(bytes).digest('hex')}`;

function repository(
  host: string,
  path: string,
  more: Partial<ConstructorParameters<typeof Repository>[0]> = {},
) {
  return new Repository({ domain: host, path, purpose: 'push', settings: SETTINGS, ...more });
}

const BLOB = randomBytes(3_000_000);
const DESCRIPTOR: Descriptor = {
  digest: sha256(BLOB),
  sizeBytes: BLOB.length,
  mediaType: 'application/octet-stream',
};

function source(bytes: Buffer): UploadBlob {
  return {
    digest: sha256(bytes),
    sizeBytes: bytes.length,
    open: (start, end) => Readable.from([bytes.subarray(start, end)]),
  };
}

async function fetched(from: Repository, blob: Descriptor = DESCRIPTOR, begun: Buffer = Buffer.alloc(0)) {
  const chunks: Buffer[] = [begun];
  const target = {
    sizeBytes: begun.length,
    write(chunk: Buffer) {
      chunks.push(Buffer.from(chunk));
      target.sizeBytes += chunk.length;
    },
  };
  await download(from, blob, target, SIGNAL);
  return Buffer.concat(chunks);
}

t.test('registry client', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const proxy = await startFaultyProxy(t, registry.port);
  await using direct = repository(registry.host, 'a/b');
  await upload(direct, source(BLOB), { signal: SIGNAL });
  /** Requests of the proxy for the blob's content, from now on. */
  const through = async (t: Test) => {
    proxy.seen.length = 0;
    const one = repository(proxy.host, 'a/b');
    t.teardown(() => one[Symbol.asyncDispose]());
    return one;
  };
  const gets = () => proxy.seen.filter(({ method, url }) => method === 'GET' && url.includes('/blobs/'));

  await t.test('a download that is cut goes on from there', async (t) => {
    const cuts = [500_000, 400_000, 1];
    proxy.fault = ({ url }) =>
      url.includes('/blobs/') && cuts.length > 0 ? { cutAt: cuts.shift() ?? 0 } : undefined;
    t.ok((await fetched(await through(t))).equals(BLOB));
    t.ok(gets().length >= 2);
    t.match(
      gets()
        .slice(1)
        .map(({ headers }) => headers.range),
      [/^bytes=\d+-$/],
    );
  });

  await t.test('a registry without ranges sends it all again', async (t) => {
    proxy.fault = ({ url, headers }) =>
      url.includes('/blobs/')
        ? { ignoreRange: true, ...(headers.range === undefined && { cutAt: 700_000 }) }
        : undefined;
    t.ok((await fetched(await through(t))).equals(BLOB));
  });

  await t.test('what was there before a restart is not fetched again', async (t) => {
    proxy.fault = () => undefined;
    t.ok((await fetched(await through(t), DESCRIPTOR, BLOB.subarray(0, 2_000_000))).equals(BLOB));
    t.equal(gets()[0]?.headers.range, 'bytes=2000000-');
  });

  await t.test('silence is ended and the rest asked for', async (t) => {
    let hangs = 1;
    proxy.fault = ({ url }) => (url.includes('/blobs/') && hangs-- > 0 ? { hangAt: 100_000 } : undefined);
    t.ok((await fetched(await through(t))).equals(BLOB));
    t.equal(gets().length, 2);
  });

  await t.test('too few and too many bytes', async (t) => {
    proxy.fault = ({ url }) => (url.includes('/blobs/') ? { shortenTo: 1000 } : undefined);
    await t.rejects(fetched(await through(t)), fails('InvalidArgument', { code: 'SIZE_MISMATCH' }));
    proxy.fault = ({ url }) => (url.includes('/blobs/') ? { lengthenBy: 1000 } : undefined);
    await t.rejects(fetched(await through(t)), fails('InvalidArgument', { code: 'SIZE_MISMATCH' }));
  });

  await t.test('illness is waited for, and an end made of it', async (t) => {
    let left = 3;
    proxy.fault = ({ url }) => {
      if (!url.includes('/blobs/') || left-- <= 0) return undefined;
      return left === 2 ? { status: 429, headers: { 'Retry-After': '0' } } : { status: 503 };
    };
    t.ok((await fetched(await through(t))).equals(BLOB));
    proxy.fault = ({ url }) => (url.includes('/blobs/') ? { status: 500 } : undefined);
    await t.rejects(fetched(await through(t)), fails('Unavailable', { code: 'REGISTRY_UNAVAILABLE' }));
    t.equal(gets().length, SETTINGS.attempts);
    // A pause that nobody would wait for is told instead.
    proxy.fault = ({ url }) =>
      url.includes('/blobs/') ? { status: 429, headers: { 'Retry-After': '86400' } } : undefined;
    await t.rejects(
      fetched(await through(t)),
      fails('ResourceExhausted', { code: 'REGISTRY_TOO_MANY_REQUESTS' }),
    );
    t.equal(gets().length, 1);
    proxy.fault = ({ url }) => (url.includes('/blobs/') ? { status: 404 } : undefined);
    await t.rejects(fetched(await through(t)), fails('NotFound'));
  });

  await t.test('manifests: what they are by digest is verified, and a changed one is refused', async (t) => {
    const config = Buffer.from('{"architecture":"amd64","os":"linux"}');
    const bytes = Buffer.from(
      JSON.stringify({
        schemaVersion: 2,
        mediaType: 'application/vnd.oci.image.manifest.v1+json',
        config: {
          mediaType: 'application/vnd.oci.image.config.v1+json',
          digest: sha256(config),
          size: config.length,
        },
        layers: [
          {
            mediaType: 'application/vnd.oci.image.layer.v1.tar',
            digest: DESCRIPTOR.digest,
            size: BLOB.length,
          },
        ],
      }),
    );
    const document: ManifestDocument = {
      bytes,
      digest: sha256(bytes),
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
    };
    await upload(direct, source(config), { signal: SIGNAL });
    for (const tag of ['v1', 'v2', 'v3']) await putManifest(direct, tag, document, SIGNAL);
    t.match(await direct.manifest('v1', SIGNAL), { digest: document.digest });
    t.same(await direct.tags(SIGNAL), ['v1', 'v2', 'v3']);
    t.same(await direct.configOf(document, SIGNAL), config);
    proxy.fault = ({ url }) => (url.includes('/manifests/') ? { flipAt: 20 } : undefined);
    for (const reference of ['v1', document.digest]) {
      await t.rejects(
        (await through(t)).manifest(reference, SIGNAL),
        fails('InvalidArgument', { code: 'DIGEST_MISMATCH' }),
      );
    }
    proxy.fault = ({ url }) => (url.includes('/blobs/') ? { flipAt: 2 } : undefined);
    await t.rejects(
      (await through(t)).configOf(document, SIGNAL),
      fails('InvalidArgument', { code: 'DIGEST_MISMATCH' }),
    );
    await t.rejects(
      direct.manifest('nosuch', SIGNAL),
      fails('NotFound', { details: { codes: ['MANIFEST_UNKNOWN'] } }),
    );
  });

  await t.test('a redirect is followed without the credentials', async (t) => {
    const elsewhere = await startFaultyProxy(t, registry.port);
    const user = { name: 'bob', password: 'secret' };
    const guarded = await startRegistry(t, { user });
    const front = await startFaultyProxy(t, guarded.port);
    front.fault = ({ url }) =>
      url.includes('/blobs/sha256')
        ? { status: 307, headers: { Location: `http://${elsewhere.host}${url}` } }
        : undefined;
    const credentials = { username: user.name, password: user.password };
    await using one = repository(front.host, 'a/b', { credentials });
    t.ok((await fetched(one)).equals(BLOB));
    t.ok(front.seen.some(({ headers }) => headers.authorization !== undefined));
    t.equal(elsewhere.seen.length, 1);
    t.equal(elsewhere.seen[0]?.headers.authorization, undefined);
    front.fault = ({ url }) =>
      url.includes('/blobs/') ? { status: 307, headers: { Location: url } } : undefined;
    await t.rejects(fetched(one), fails('Unknown', { code: 'REGISTRY_ANSWER_INVALID' }));
  });

  await t.test('uploads: nothing twice, from another repository, in chunks that may break', async (t) => {
    proxy.fault = () => undefined;
    const again = await through(t);
    t.same(await upload(again, source(BLOB), { signal: SIGNAL }), { how: 'present' });
    t.same(
      proxy.seen.filter(({ url }) => url.includes('/blobs/')).map(({ method }) => method),
      ['HEAD'],
    );
    await using other = repository(registry.host, 'c/d', { readsFrom: ['a/b'] });
    t.same(await upload(other, source(BLOB), { mountFrom: ['no/such', 'a/b'], signal: SIGNAL }), {
      how: 'mounted',
      from: 'a/b',
    });
    const big = randomBytes(40 << 20);
    const cuts = [0, 9 << 20];
    proxy.fault = ({ method }) => {
      const cutRequestAt = method === 'PATCH' ? cuts.pop() : undefined;
      return cutRequestAt ? { cutRequestAt } : undefined;
    };
    const progress: number[] = [];
    const chunked = await through(t);
    const call = { signal: SIGNAL, onProgress: (sent: number) => progress.push(sent) };
    t.same(await upload(chunked, source(big), call), { how: 'sent' });
    t.ok(proxy.seen.filter(({ method }) => method === 'PATCH').length >= 4);
    t.equal(progress.at(-1), big.length);
    const descriptor = { ...DESCRIPTOR, digest: sha256(big), sizeBytes: big.length };
    t.ok((await fetched(direct, descriptor)).equals(big));
    // Something on the way takes no more than a megabyte at once.
    const middling = randomBytes(3 << 20);
    proxy.fault = ({ headers }) =>
      Number(headers['content-length'] ?? 0) > 1 << 20 ? { status: 413 } : undefined;
    t.same(await upload(await through(t), source(middling), { signal: SIGNAL }), { how: 'sent' });
    t.ok(
      (await fetched(direct, { ...DESCRIPTOR, digest: sha256(middling), sizeBytes: middling.length })).equals(
        middling,
      ),
    );
    // The registry refuses what has another digest than is claimed.
    proxy.fault = () => undefined;
    const wrong = { ...source(randomBytes(1000)), open: () => Readable.from([Buffer.alloc(1000)]) };
    await t.rejects(
      upload(direct, wrong, { signal: SIGNAL }),
      fails('Unknown', { details: { codes: ['DIGEST_INVALID'] } }),
    );
  });

  await t.test('a password', async (t) => {
    const guarded = await startRegistry(t, { user: { name: 'bob', password: 'a:b' } });
    const as = (credentials?: Credentials) =>
      repository(guarded.host, 'x/y', credentials ? { credentials } : {});
    for (const credentials of [undefined, { username: 'bob', password: 'wrong' }]) {
      await using one = as(credentials);
      await t.rejects(one.tags(SIGNAL), fails('Unauthenticated', { code: 'REGISTRY_UNAUTHORIZED' }));
      await t.rejects(one.login(SIGNAL), fails('Unauthenticated'));
    }
    await using one = as({ username: 'bob', password: 'a:b' });
    t.equal(await one.login(SIGNAL), '');
    await t.rejects(one.tags(SIGNAL), fails('NotFound', { details: { codes: ['NAME_UNKNOWN'] } }));
  });

  await t.test('tokens: one for all requests, by password and by identity token', async (t) => {
    const tokens = await startTokenServer(t);
    const guarded = await startRegistry(t, { tokens });
    const as = (path: string, purpose: 'pull' | 'push', credentials: Credentials = {}) =>
      repository(guarded.host, path, { purpose, credentials });
    const password = { username: TOKEN_USER.name, password: TOKEN_USER.password };
    await using pushing = as('public/x', 'push', password);
    for (let at = 0; at < 3; at++)
      await upload(pushing, source(Buffer.from(`blob ${at}`)), { signal: SIGNAL });
    t.same(tokens.asked, [{ scopes: ['repository:public/x:pull,push'], by: 'password' }]);
    t.equal(await pushing.login(SIGNAL), TOKEN_USER.refreshToken);
    await using nobody = as('public/x', 'pull');
    const blob = { ...DESCRIPTOR, digest: sha256(Buffer.from('blob 1')), sizeBytes: 6 };
    t.equal(String(await fetched(nobody, blob)), 'blob 1');
    t.equal(tokens.asked.at(-1)?.by, 'nobody');
    await using stranger = as('private/x', 'pull');
    await t.rejects(stranger.tags(SIGNAL), fails('Unauthenticated'));
    await using later = as('private/x', 'push', { identityToken: TOKEN_USER.refreshToken });
    await upload(later, source(Buffer.from('later')), { signal: SIGNAL });
    t.equal(tokens.asked.at(-1)?.by, 'refresh');
    await using wrong = as('public/x', 'pull', { ...password, password: 'wrong' });
    await t.rejects(
      wrong.tags(SIGNAL),
      fails('Unauthenticated', { message: /incorrect username or password/ }),
    );
  });

  await t.test('who calls it off is not kept', async (t) => {
    proxy.fault = ({ url }) => (url.includes('/blobs/') ? { hangAt: 10 } : undefined);
    const leaving = new AbortController();
    const one = await through(t);
    const target = { sizeBytes: 0, write: () => leaving.abort() };
    await t.rejects(download(one, DESCRIPTOR, target, leaving.signal), { name: 'AbortError' });
    await t.rejects(download(one, DESCRIPTOR, target, AbortSignal.abort()), { name: 'AbortError' });
  });

  await t.test('a registry that stops in the middle is waited for', async (t) => {
    let isFirst = true;
    proxy.fault = ({ url }) => {
      if (!url.includes('/blobs/') || !isFirst) return undefined;
      isFirst = false;
      void registry.stop().then(() => registry.start());
      return { cutAt: 200_000 };
    };
    const patient = { ...SETTINGS, attempts: 12, backoffMs: 20 };
    await using one = repository(proxy.host, 'a/b', { settings: patient });
    t.ok((await fetched(one)).equals(BLOB));
  });
});

t.test('search asks the index, and says when there is none', { skip: noRegistry }, async (t) => {
  const registry = await startRegistry(t);
  const call = { settings: SETTINGS, signal: SIGNAL };
  await t.rejects(
    searchIndex(registry.host, 'x', 5, call),
    fails('NotImplemented', { code: 'SEARCH_UNSUPPORTED' }),
  );
  await t.rejects(searchIndex('127.0.0.1:1', 'x', 5, call), fails('Unavailable'));
});

t.test('whose certificate is believed', { skip: noRegistry }, async (t) => {
  const dir = mkdtempSync(join(tmpdir(), 'gantry-certs-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const [key, cert] = [join(dir, 'key.pem'), join(dir, 'cert.pem')];
  makeCertificate(key, cert, 'registry');
  const { host, port } = await startRegistry(t, { tls: { cert, key } });
  const handshake = async () => {
    const socket = connect({
      host: '127.0.0.1',
      port,
      secureContext: await secureContextFor(host, [join(dir, 'certs.d')]),
    });
    await once(socket, 'secureConnect').finally(() => socket.destroy());
  };
  await t.rejects(handshake(), { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' });
  mkdirSync(join(dir, 'certs.d', host), { recursive: true });
  copyFileSync(cert, join(dir, 'certs.d', host, 'ca.crt'));
  await handshake();
  copyFileSync(cert, join(dir, 'certs.d', host, 'client.cert'));
  await t.rejects(handshake(), fails('FailedPrecondition', { message: /has no client.key/ }));
});

t.test('where a registry is looked for', async (t) => {
  const settings = { ...SETTINGS, mirrors: ['http://mirror:5000'], insecure: ['plain:80', '10.0.0.0/8'] };
  const at = async (domain: string, purpose: 'pull' | 'push' = 'pull') =>
    (await endpointsFor(domain, purpose, settings)).map(({ base }) => base.href);
  t.same(await at('docker.io'), ['http://mirror:5000/', 'https://registry-1.docker.io/']);
  t.same(await at('docker.io', 'push'), ['https://registry-1.docker.io/']);
  t.same(await at('127.0.0.1:5000'), ['https://127.0.0.1:5000/', 'http://127.0.0.1:5000/']);
  t.same(await at('10.1.2.3'), ['https://10.1.2.3/', 'http://10.1.2.3/']);
  t.same(await at('192.0.2.1'), ['https://192.0.2.1/']);
  t.ok(await isInsecure('[::1]:5000', settings));
  t.ok(await isInsecure('plain:80', settings));
  t.notOk(await isInsecure('plain:81', settings));
});
