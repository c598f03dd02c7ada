/**
 * The load's client, a process of its own: makes and removes volumes through the Engine API, several at a time.
 * `client.ts SOCKET DRIVER CLIENTS PAIRS` prints the milliseconds that one pair took on average. It writes requests to
 * its sockets itself, since Node's own client takes as much of the two processors as the engine that is measured.
 */
import { createConnection, type Socket } from 'node:net';

const [socketPath = '', driver = '', clientsText = '1', pairsText = '1'] = process.argv.slice(2);
const clients = Number(clientsText);
const pairs = Number(pairsText);

class Connection {
  readonly #socket: Socket = createConnection(socketPath);
  #received = '';
  #waiting = Promise.withResolvers<void>();

  constructor() {
    this.#socket.setEncoding('latin1');
    this.#socket.on('data', (text) => this.#receive(String(text)));
    this.#socket.on('error', (error) => this.#waiting.reject(error));
    this.#socket.on('close', () => this.#waiting.reject(new Error('the engine closed the connection')));
  }

  /** Throws when the answer's status is not one of success. */
  call(method: string, path: string, body?: object): Promise<void> {
    const text = body ? JSON.stringify(body) : '';
    const headers = body ? `Content-Type: application/json\r\nContent-Length: ${text.length}\r\n` : '';
    this.#waiting = Promise.withResolvers<void>();
    this.#socket.write(`${method} /v1.41${path} HTTP/1.1\r\nHost: localhost\r\n${headers}\r\n${text}`);
    return this.#waiting.promise;
  }

  end(): void {
    this.#socket.removeAllListeners('close').destroy();
  }

  /** Both engines answer these with a length, or with 204. */
  #receive(text: string): void {
    this.#received += text;
    const head = this.#received.indexOf('\r\n\r\n') + 4;
    if (head < 4) return;
    const length = Number(/^content-length: *(\d+)/im.exec(this.#received)?.[1] ?? 0);
    if (this.#received.length < head + length) return;
    const answer = this.#received;
    this.#received = '';
    if (Number(answer.slice(9, 12)) < 400) this.#waiting.resolve();
    else this.#waiting.reject(new Error(answer));
  }
}

async function client(id: number): Promise<void> {
  const connection = new Connection();
  for (let pair = 0; pair < pairs; pair += 1) {
    const name = `bench-${id}-${pair}`;
    await connection.call('POST', '/volumes/create', { Name: name, Driver: driver });
    await connection.call('DELETE', `/volumes/${name}`);
  }
  connection.end();
}

const begun = performance.now();
await Promise.all(Array.from({ length: clients }, (_, id) => client(id)));
process.stdout.write(`${(performance.now() - begun) / (clients * pairs)}\n`);
