/**
 * The load's client, a process of its own: makes and removes volumes through the Engine API, several at a time.
 * `client.ts SOCKET DRIVER CLIENTS PAIRS` prints the milliseconds that one pair took on average.
 */
import http from 'node:http';

const [socketPath = '', driver = '', clientsText = '1', pairsText = '1'] = process.argv.slice(2);
const clients = Number(clientsText);
const pairs = Number(pairsText);
const agent = new http.Agent({ keepAlive: true, maxSockets: clients });

function call(method: string, path: string, body?: object): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  const text = body && JSON.stringify(body);
  const headers = text
    ? { 'Content-Type': 'application/json', 'Content-Length': Buffer.byteLength(text) }
    : {};
  const request = http.request({ socketPath, agent, method, path: `/v1.41${path}`, headers }, (response) => {
    let answer = '';
    response.on('data', (chunk) => (answer += chunk));
    response.on('end', () => {
      if ((response.statusCode ?? 500) < 400) resolve();
      else reject(new Error(`${method} ${path}: ${response.statusCode} ${answer}`));
    });
  });
  request.once('error', reject);
  request.end(text);
  return promise;
}

async function client(id: number): Promise<void> {
  for (let pair = 0; pair < pairs; pair += 1) {
    const name = `bench-${id}-${pair}`;
    await call('POST', '/volumes/create', { Name: name, Driver: driver });
    await call('DELETE', `/volumes/${name}`);
  }
}

const begun = performance.now();
await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
process.stdout.write(`${(performance.now() - begun) / (clients * pairs)}\n`);
agent.destroy();
