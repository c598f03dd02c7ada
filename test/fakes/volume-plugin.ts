/**
 * A Docker plugin as a program of its own, in plain Node: keeps its volumes in a file, so that a SIGKILL loses none,
 * writes down each call, and misbehaves when told to.
 *
 *   node volume-plugin.ts --socket PATH --root DIR [--record FILE] [--behave FILE] [--implements A,B] [--scope local]
 *
 * `--record`: a JSON line a call, { method, request, status, response }; `request` null when there was no body.
 * `--behave`: a JSON object, read again at each call: method to { err | resp | status, body | delay | hangup | die },
 * `delay` in seconds, `die` as `before` or `after` the work and without an answer, with `skip` (calls to leave alone first) and `times` (calls to misbehave at). The same object may be sent as
 * `POST /Test.Behave`; `POST /Test.Calls` answers all calls so far. Prints `ready` when it listens.
 */
import {
  appendFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';

interface Behaviour {
  err?: string;
  resp?: unknown;
  status?: number;
  body?: string;
  delay?: number;
  hangup?: boolean;
  die?: 'before' | 'after';
  skip?: number;
  times?: number;
}
type Behaviours = Record<string, Behaviour>;
interface Volume {
  n: number;
  opts: Record<string, string> | null;
  mounts: string[];
}
interface Answer {
  status: number;
  body: string;
}
interface Request {
  Name: string;
  ID: string;
  Opts: Record<string, string> | null;
}

const { values: options } = parseArgs({
  options: {
    socket: { type: 'string' },
    root: { type: 'string' },
    record: { type: 'string' },
    behave: { type: 'string' },
    implements: { type: 'string', default: 'VolumeDriver' },
    scope: { type: 'string', default: 'local' },
  },
});
const { socket, root } = options;
if (socket === undefined || root === undefined)
  throw new Error('volume-plugin: --socket and --root are needed');

mkdirSync(root, { recursive: true });
mkdirSync(dirname(socket), { recursive: true });
const stateFile = join(root, '.state.json');
const state: { made: number; volumes: Record<string, Volume> } = existsSync(stateFile)
  ? JSON.parse(readFileSync(stateFile, 'utf8'))
  : { made: 0, volumes: {} };
const calls: object[] = [];
let sent: Behaviours = {};
let behaveText = '';
let fromFile: Behaviours = {};
let counts = new Map<string, number>();

function save(): void {
  writeFileSync(`${stateFile}.new`, JSON.stringify(state));
  renameSync(`${stateFile}.new`, stateFile);
}

/** What to do instead at this call, or undefined; counts the calls of each method since the behaviours changed. */
function behaviourOf(method: string): Behaviour | undefined {
  const text = options.behave && existsSync(options.behave) ? readFileSync(options.behave, 'utf8') : '';
  if (text !== behaveText) {
    behaveText = text;
    fromFile = text.trim() === '' ? {} : JSON.parse(text);
    counts = new Map();
  }
  const behaviour = sent[method] ?? fromFile[method];
  if (behaviour === undefined) return undefined;
  const nth = counts.get(method) ?? 0;
  counts.set(method, nth + 1);
  const from = behaviour.skip ?? 0;
  return nth >= from && nth < from + (behaviour.times ?? Number.POSITIVE_INFINITY) ? behaviour : undefined;
}

function view(name: string, volume: Volume): object {
  return {
    Name: name,
    Mountpoint: join(root as string, name),
    Status: { recorded: true, n: volume.n },
    CreatedAt: '2026-01-02T03:04:05Z',
  };
}

const methods: Record<string, (request: Request) => object> = {
  'Plugin.Activate': () => ({ Implements: options.implements.split(',').filter(Boolean) }),
  'VolumeDriver.Create': ({ Name, Opts }) => {
    state.volumes[Name] ??= { n: ++state.made, opts: Opts, mounts: [] };
    mkdirSync(join(root as string, Name), { recursive: true });
    return { Err: '' };
  },
  'VolumeDriver.Remove': ({ Name }) => {
    if (state.volumes[Name] === undefined) return { Err: 'no such volume' };
    delete state.volumes[Name];
    rmSync(join(root as string, Name), { recursive: true, force: true });
    return { Err: '' };
  },
  'VolumeDriver.Mount': ({ Name, ID }) => {
    const volume = state.volumes[Name];
    if (volume === undefined) return { Mountpoint: '', Err: 'no such volume' };
    if (!volume.mounts.includes(ID)) volume.mounts.push(ID);
    return { Mountpoint: join(root as string, Name), Err: '' };
  },
  'VolumeDriver.Unmount': ({ Name, ID }) => {
    const volume = state.volumes[Name];
    if (volume === undefined) return { Err: 'no such volume' };
    volume.mounts = volume.mounts.filter((id) => id !== ID);
    return { Err: '' };
  },
  'VolumeDriver.Path': ({ Name }) =>
    state.volumes[Name] === undefined
      ? { Mountpoint: '', Err: 'no such volume' }
      : { Mountpoint: join(root as string, Name), Err: '' },
  'VolumeDriver.Get': ({ Name }) => {
    const volume = state.volumes[Name];
    return volume === undefined
      ? { Volume: null, Err: 'no such volume' }
      : { Volume: view(Name, volume), Err: '' };
  },
  'VolumeDriver.List': () => ({
    Volumes: Object.keys(state.volumes).map((name) => ({
      Name: name,
      Mountpoint: join(root as string, name),
    })),
    Err: '',
  }),
  'VolumeDriver.Capabilities': () => ({ Capabilities: { Scope: options.scope }, Err: '' }),
  'Test.Calls': () => calls,
};

const CHANGES = new Set(['Create', 'Remove', 'Mount', 'Unmount'].map((word) => `VolumeDriver.${word}`));

function regular(method: string, request: unknown): Answer {
  const answer = methods[method]?.((request ?? {}) as Request);
  if (answer === undefined) return { status: 404, body: '404 page not found\n' };
  if (CHANGES.has(method)) save();
  return { status: 200, body: JSON.stringify(answer) };
}

function misbehaved({ err, resp, status = 200, body }: Behaviour): Answer | undefined {
  if (body !== undefined) return { status, body };
  if (err !== undefined) return { status, body: JSON.stringify({ Err: err }) };
  if (resp !== undefined) return { status, body: JSON.stringify(resp) };
  return status === 200 ? undefined : { status, body: '' };
}

function record(method: string, request: unknown, answer: Answer | undefined): void {
  let response: unknown = answer?.body ?? null;
  try {
    if (answer !== undefined) response = JSON.parse(answer.body);
  } catch {
    response = { _body: answer?.body };
  }
  const call = { method, request, status: answer?.status ?? null, response };
  calls.push(call);
  if (options.record !== undefined) appendFileSync(options.record, `${JSON.stringify(call)}\n`);
}

async function serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
  const method = (incoming.url ?? '').slice(1);
  let text = '';
  for await (const chunk of incoming) text += chunk;
  const request: unknown = text.trim() === '' ? null : JSON.parse(text);
  if (method === 'Test.Behave') {
    sent = (request ?? {}) as Behaviours;
    counts = new Map();
    response.end('{}');
    return;
  }
  const behaviour = behaviourOf(method);
  if (behaviour?.delay !== undefined)
    await new Promise((go) => setTimeout(go, (behaviour.delay ?? 0) * 1000));
  if (behaviour?.die === 'before') process.kill(process.pid, 'SIGKILL');
  const answer = behaviour?.hangup
    ? undefined
    : ((behaviour && misbehaved(behaviour)) ?? regular(method, request));
  if (!method.startsWith('Test.')) record(method, request, answer);
  if (behaviour?.die === 'after') process.kill(process.pid, 'SIGKILL');
  if (answer === undefined) incoming.socket.destroy();
  else response.writeHead(answer.status, { 'Content-Type': 'application/json' }).end(answer.body);
}

const server = createServer((incoming, response) => void serve(incoming, response));
server.keepAliveTimeout = 0;
rmSync(socket, { force: true });
server.listen(socket, () => process.stdout.write('ready\n'));
process.on('SIGTERM', () => {
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
