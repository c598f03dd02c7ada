/** Requests as no client would make them. */
import { request } from 'node:http';
import { connect } from 'node:net';

export interface Sent {
  readonly method?: string;
  /** Goes out as it is: nothing is escaped or resolved. */
  readonly path: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string | Buffer;
}

export interface Received {
  readonly status: number;
  readonly type: string;
  readonly text: string;
}

export function send(
  socketPath: string,
  { method = 'GET', path, headers = {}, body }: Sent,
): Promise<Received> {
  return new Promise((received, failed) => {
    const outgoing = request({ socketPath, method, path: '/', headers, agent: false });
    Object.assign(outgoing, { path });
    outgoing.once('response', (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (chunk: string) => {
        text += chunk;
      });
      const done = () =>
        received({ status: response.statusCode ?? 0, type: response.headers['content-type'] ?? '', text });
      response.once('close', done);
    });
    outgoing.once('error', failed); // no effect once there is an answer
    outgoing.end(body);
  });
}

/** Bytes on the wire, and whatever comes back until the other side closes. */
export function sendRaw(socketPath: string, bytes: string): Promise<string> {
  return new Promise((received, failed) => {
    const socket = connect(socketPath, () => socket.end(bytes));
    let text = '';
    socket.setEncoding('utf8').on('data', (chunk: string) => {
      text += chunk;
    });
    socket.once('error', failed);
    socket.once('close', () => received(text));
  });
}
