/** Where the API is served, and who may speak to it. */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { linkSync, mkdtempSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import t, { type Test } from 'tap';
import { startTestDaemon } from '../fixtures/daemon.ts';

t.test('the unix socket is for root and the docker group alone', async (t) => {
  const daemon = await startTestDaemon(t);
  const { mode, gid, uid } = statSync(daemon.socket);
  t.equal(mode & 0o777, 0o660);
  t.equal(uid, process.getuid?.());
  const docker = /^docker:[^:]*:(\d+)/m.exec(readFileSync('/etc/group', 'utf8'))?.[1];
  t.equal(gid, docker === undefined ? process.getgid?.() : Number(docker));
});

t.test('a second daemon on the same socket is refused', async (t) => {
  const daemon = await startTestDaemon(t);
  const args = [
    '-H',
    `unix://${daemon.socket}`,
    '--data-root',
    path.join(daemon.dir, 'd2'),
    '--exec-root',
    path.join(daemon.dir, 'r2'),
  ];
  const second = spawnSync('core/bin/gantryd', args, { encoding: 'utf8' });
  t.equal(second.status, 1);
  t.match(second.stderr, /another daemon answers there/);
});

t.test('a second daemon on the same data root is refused, and one after a crash is not', async (t) => {
  const daemon = await startTestDaemon(t);
  const args = ['-H', `unix://${daemon.dir}/other.sock`, '--data-root', daemon.dataRoot];
  const second = spawnSync('core/bin/gantryd', [...args, '--exec-root', path.join(daemon.dir, 'r2')], {
    encoding: 'utf8',
  });
  t.equal(second.status, 1);
  t.match(second.stderr, /another daemon works on it/);
  await daemon.kill();
  await daemon.restart();
  t.equal((await daemon.api('GET', '/_ping')).status, 200);
});

t.test('tcp:// without TLS', async (t) => {
  const port = await freePort();
  await startTestDaemon(t, { args: ['-H', `tcp://127.0.0.1:${port}`] });
  const { status, text } = await get(http, { port, path: '/_ping' });
  t.same([status, text], [200, 'OK']);
  const { status: code, stdout } = docker(
    '-H',
    `tcp://127.0.0.1:${port}`,
    'version',
    '--format',
    '{{.Server.APIVersion}}',
  );
  t.same([code, stdout.trim()], [0, '1.55']);
});

t.test('tcp:// with mutual TLS', async (t) => {
  const port = await freePort();
  const pki = makePki(t);
  if (!pki) {
    t.pass('openssl is missing', { skip: 'openssl is missing' });
    return;
  }
  const flags = [
    '--tlsverify',
    '--tlscacert',
    pki.ca,
    '--tlscert',
    pki.serverCert,
    '--tlskey',
    pki.serverKey,
  ];
  const daemon = await startTestDaemon(t, { args: ['-H', `tcp://127.0.0.1:${port}`, ...flags] });
  const ca = readFileSync(pki.ca);
  const client = { cert: readFileSync(pki.clientCert), key: readFileSync(pki.clientKey), ca };

  const { status, text } = await get(https, { port, path: '/_ping', ...client });
  t.same([status, text], [200, 'OK'], 'with a certificate of the authority');
  await t.rejects(get(https, { port, path: '/_ping', ca }), 'without a certificate');
  const stranger = makePki(t);
  const theirs = {
    ca,
    cert: readFileSync(stranger?.clientCert ?? ''),
    key: readFileSync(stranger?.clientKey ?? ''),
  };
  await t.rejects(get(https, { port, path: '/_ping', ...theirs }), "with another authority's certificate");
  await t.rejects(get(http, { port, path: '/_ping' }), 'without TLS');

  const tls = ['--tlsverify', '--tlscacert', pki.ca, '--tlscert', pki.clientCert, '--tlskey', pki.clientKey];
  await daemon.loadBusybox();
  const run = docker(
    ...tls,
    '-H',
    `tcp://127.0.0.1:${port}`,
    'run',
    '--rm',
    '--network',
    'none',
    'busybox',
    'echo',
    'hi',
  );
  t.same([run.status, run.stdout], [0, 'hi\n'], 'an attached run, which takes the connection over');
});

t.test('fd:// takes the sockets of a service manager', async (t) => {
  const dir = mkdtempSync(path.join(tmpdir(), 'gantry-fd-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const socket = path.join(dir, 'handed-over.sock');
  const server = net.createServer();
  await once(server.listen(socket), 'listening');
  const fd = (server as unknown as { _handle: { fd: number } })._handle.fd;
  // LISTEN_PID must name the daemon itself, so the shell that becomes it sets it.
  const script =
    'LISTEN_PID=$$ LISTEN_FDS=1; export LISTEN_PID LISTEN_FDS; exec core/bin/gantryd -H fd:// --data-root "$0/d" --exec-root "$0/r"';
  const child = spawn('sh', ['-c', script, dir], { stdio: ['ignore', 'ignore', 'pipe', fd] });
  t.teardown(() => child.kill('SIGKILL'));
  // This process must not accept any more; closing takes the socket's name away, so it is kept by a second one.
  linkSync(socket, `${socket}.kept`);
  server.close();
  renameSync(`${socket}.kept`, socket);
  await once(child.stderr as NonNullable<typeof child.stderr>, 'data');
  const { status } = await get(http, { socketPath: socket, path: '/_ping' });
  t.equal(status, 200);
  child.kill('SIGTERM');
  const [code] = await once(child, 'exit');
  t.equal(code, 0, 'SIGTERM ends with status 0');
});

t.test('bad flags are refused by name', async (t) => {
  const rows = [
    [['--nonsense'], /nonsense/],
    [['--data-root'], /data-root/],
    [['extra'], /extra/],
    [['--tlsverify'], /--tlscert, --tlskey, --tlscacert/],
    [['-H', 'ftp://x', '--data-root', '/nonexistent-gantry/x'], /./],
  ] as const;
  for (const [args, message] of rows) {
    const { status, stderr } = spawnSync('core/bin/gantryd', args, { encoding: 'utf8' });
    t.equal(status, 1, args.join(' '));
    t.match(stderr, message);
  }
  rmSync('/nonexistent-gantry', { recursive: true, force: true });
});

function docker(...args: string[]) {
  return spawnSync('docker', args, { encoding: 'utf8' });
}

function get(
  over: typeof http | typeof https,
  options: https.RequestOptions,
): Promise<{ status: number | undefined; text: string }> {
  const { promise, resolve, reject } = Promise.withResolvers<{ status: number | undefined; text: string }>();
  const request = over.get({ host: '127.0.0.1', agent: false, ...options }, (response) => {
    let text = '';
    response.on('data', (chunk) => (text += chunk));
    response.on('end', () => resolve({ status: response.statusCode, text }));
    response.on('error', reject);
  });
  request.once('error', reject);
  return promise;
}

async function freePort(): Promise<number> {
  const server = net.createServer();
  await once(server.listen(0, '127.0.0.1'), 'listening');
  const { port } = server.address() as net.AddressInfo;
  server.close();
  await once(server, 'close');
  return port;
}

interface Pki {
  readonly ca: string;
  readonly serverCert: string;
  readonly serverKey: string;
  readonly clientCert: string;
  readonly clientKey: string;
}

/** An authority with a server's and a client's certificate, for an hour. */
function makePki(t: Test): Pki | undefined {
  const dir = mkdtempSync(path.join(tmpdir(), 'gantry-pki-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const at = (name: string) => path.join(dir, name);
  const openssl = (...args: string[]) => spawnSync('openssl', args).status === 0;
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
  if (
    !openssl(
      'req',
      '-x509',
      ...key,
      '-subj',
      '/CN=authority',
      '-days',
      '1',
      '-keyout',
      at('ca.key'),
      '-out',
      at('ca.pem'),
    )
  )
    return undefined;
  writeFileSync(at('server.ext'), 'subjectAltName=IP:127.0.0.1\nextendedKeyUsage=serverAuth\n');
  writeFileSync(at('client.ext'), 'extendedKeyUsage=clientAuth\n');
  for (const name of ['server', 'client']) {
    openssl('req', ...key, '-subj', `/CN=${name}`, '-keyout', at(`${name}.key`), '-out', at(`${name}.csr`));
    openssl(
      'x509',
      '-req',
      '-in',
      at(`${name}.csr`),
      '-CA',
      at('ca.pem'),
      '-CAkey',
      at('ca.key'),
      '-CAcreateserial',
      '-days',
      '1',
      '-extfile',
      at(`${name}.ext`),
      '-out',
      at(`${name}.pem`),
    );
  }
  return {
    ca: at('ca.pem'),
    serverCert: at('server.pem'),
    serverKey: at('server.key'),
    clientCert: at('client.pem'),
    clientKey: at('client.key'),
  };
}
