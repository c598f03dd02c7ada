/** The bench's volume plugin, a process of its own: `volume-plugin.ts SOCKET`. Keeps names in memory and nothing else. */

import { rmSync } from 'node:fs';
import http from 'node:http';

const [socket = ''] = process.argv.slice(2);
const names = new Set<string>();

type Request = { Name?: string };
const methods: Readonly<Record<string, (request: Request) => object>> = {
  '/Plugin.Activate': () => ({ Implements: ['VolumeDriver'] }),
  '/VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: 'local' } }),
  '/VolumeDriver.Create': ({ Name = '' }) => {
    names.add(Name);
    return { Err: '' };
  },
  '/VolumeDriver.Remove': ({ Name = '' }) => {
    names.delete(Name);
    return { Err: '' };
  },
  '/VolumeDriver.Get': ({ Name = '' }) =>
    names.has(Name)
      ? { Volume: { Name, Mountpoint: `/nowhere/${Name}` }, Err: '' }
      : { Volume: null, Err: 'no such volume' },
  '/VolumeDriver.List': () => ({ Volumes: [...names].map((Name) => ({ Name })), Err: '' }),
};

rmSync(socket, { force: true });
http
  .createServer((req, res) => {
    let text = '';
    req.on('data', (chunk) => (text += chunk));
    req.on('end', () => {
      const answer = methods[req.url ?? '']?.(text ? (JSON.parse(text) as Request) : {}) ?? {
        Err: 'unknown method',
      };
      const body = JSON.stringify(answer);
      res
        .writeHead(200, { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(body) })
        .end(body);
    });
  })
  .listen(socket);
