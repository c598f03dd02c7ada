/**
 * Twenty volume plugins in one program, `plugin-zoo.ts DIR`: fifteen healthy ones (`p00` to `p14`) and one each that
 * hangs, is dead (a socket nobody listens on), answers garbage, sends half a body, and is slow. All of them answer the
 * handshake and `Create` well at first, so that each has a volume; `SIGUSR2` makes the five misbehave.
 */
import { once } from 'node:events';
import { linkSync, renameSync } from 'node:fs';
import http, { type IncomingMessage, type ServerResponse } from 'node:http';
import path from 'node:path';

type Behaviour = (res: ServerResponse, body: string) => void;

const SLOW_MS = 400;
const healthy: Behaviour = (res, body) =>
  void res.writeHead(200, { 'Content-Length': Buffer.byteLength(body) }).end(body);
const bad: Readonly<Record<string, Behaviour>> = {
  hang: () => {},
  dead: () => {},
  garbage: (res) => void res.writeHead(200).end('<html>what?</html>'),
  half: (res, body) => {
    res.writeHead(200, { 'Content-Length': Buffer.byteLength(body) + 100 }).write(body.slice(0, 5));
    setTimeout(() => res.destroy(), 20);
  },
  slow: (res, body) => void setTimeout(() => healthy(res, body), SLOW_MS),
};

let misbehaving = false;
const servers = new Map<string, http.Server>();

function serve(name: string): http.Server {
  const volumes = new Set<string>();
  return http.createServer(async (req: IncomingMessage, res: ServerResponse) => {
    let text = '';
    for await (const chunk of req) text += chunk;
    const { Name = '' } = (text ? JSON.parse(text) : {}) as { Name?: string };
    const behave = misbehaving ? (bad[name] ?? healthy) : healthy;
    behave(res, JSON.stringify(answer(req.url ?? '', Name, volumes)));
  });
}

function answer(url: string, name: string, volumes: Set<string>): object {
  switch (url) {
    case '/Plugin.Activate':
      return { Implements: ['VolumeDriver'] };
    case '/VolumeDriver.Capabilities':
      return { Capabilities: { Scope: 'local' } };
    case '/VolumeDriver.Create':
      volumes.add(name);
      return { Err: '' };
    case '/VolumeDriver.Remove':
      volumes.delete(name);
      return { Err: '' };
    case '/VolumeDriver.Get':
      return volumes.has(name)
        ? { Volume: { Name: name, Mountpoint: `/nowhere/${name}` }, Err: '' }
        : { Volume: null, Err: 'no such volume' };
    case '/VolumeDriver.List':
      return { Volumes: [...volumes].map((Name) => ({ Name })), Err: '' };
    default:
      return { Mountpoint: `/nowhere/${name}`, Err: '' };
  }
}

const [dir = ''] = process.argv.slice(2);
const names = [
  ...Array.from({ length: 15 }, (_, index) => `p${String(index).padStart(2, '0')}`),
  ...Object.keys(bad),
];
for (const name of names) {
  const server = serve(name);
  servers.set(name, server);
  await once(server.listen(path.join(dir, `${name}.sock`)), 'listening');
}
process.on('SIGUSR2', async () => {
  misbehaving = true;
  await leaveSocket('dead');
  for (const server of servers.values()) server.closeAllConnections();
  process.stdout.write('misbehaving\n');
});

/** Stops listening and leaves the socket's file, as a killed program does; closing alone would take it away. */
async function leaveSocket(name: string): Promise<void> {
  const file = path.join(dir, `${name}.sock`);
  linkSync(file, `${file}.kept`);
  const server = servers.get(name);
  server?.close();
  server?.closeAllConnections();
  if (server) await once(server, 'close');
  renameSync(`${file}.kept`, file);
}

process.stdout.write('ready\n');
