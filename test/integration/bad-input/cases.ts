/** Requests that must be refused, each with its status and its words. */
import type { Sent } from './send.ts';

export interface Case extends Sent {
  readonly name: string;
  readonly status: number;
  readonly message: RegExp;
}

const JSON_TYPE = { 'Content-Type': 'application/json' };
export const CREATE = '/containers/create';

/** A request with a JSON body. */
export function post(path: string, body: unknown, status: number, message: RegExp): Case {
  const text = JSON.stringify(body);
  return {
    name: `POST ${path} ${text.slice(0, 60)}`,
    method: 'POST',
    path,
    headers: JSON_TYPE,
    body: text,
    status,
    message,
  };
}

function get(path: string, status: number, message: RegExp, method = 'GET'): Case {
  return { name: `${method} ${path}`, method, path, status, message };
}

function filters(path: string, value: unknown, method = 'GET'): Case {
  const text = encodeURIComponent(typeof value === 'string' ? value : JSON.stringify(value));
  return get(`${path}?filters=${text}`, 400, /invalid filter/, method);
}

const BODIES: readonly Case[] = [
  {
    name: 'empty body',
    method: 'POST',
    path: CREATE,
    headers: JSON_TYPE,
    status: 400,
    message: /invalid JSON: EOF/,
  },
  {
    name: 'no type',
    method: 'POST',
    path: CREATE,
    body: '{}',
    status: 400,
    message: /unsupported Content-Type header/,
  },
  {
    name: 'other type',
    method: 'POST',
    path: CREATE,
    headers: { 'Content-Type': 'text/plain' },
    body: '{}',
    status: 400,
    message: /unsupported Content-Type header \(text\/plain\)/,
  },
  ...['{', '{"Image":', 'null', '[]', '"text"', '5', '{} {}', '\u0000', '{"Image":"busybox"'].map((body) => ({
    name: `body ${JSON.stringify(body)}`,
    method: 'POST',
    path: CREATE,
    headers: JSON_TYPE,
    body,
    status: 400,
    message: /invalid JSON/,
  })),
  {
    name: 'huge body',
    method: 'POST',
    path: CREATE,
    headers: JSON_TYPE,
    body: Buffer.alloc(9_000_000, 32),
    status: 413,
    message: /request body is larger than 8388608 bytes/,
  },
  {
    name: 'huge body in chunks',
    method: 'POST',
    path: '/volumes/create',
    headers: { ...JSON_TYPE, 'Transfer-Encoding': 'chunked' },
    body: Buffer.alloc(9_000_000, 32),
    status: 413,
    message: /larger than/,
  },
  {
    name: 'deep body',
    method: 'POST',
    path: CREATE,
    headers: JSON_TYPE,
    body: '{"Cmd":'.repeat(100_000),
    status: 400,
    message: /invalid JSON/,
  },
];

const NAMES: readonly Case[] = [
  ...['.', '..', '-a', 'a', 'a b', 'a/b', '../a', 'ä', 'a\u0000b', 'a\nb', '/'].map((name) =>
    post(
      `${CREATE}?name=${encodeURIComponent(name)}`,
      { Image: 'busybox' },
      400,
      /Invalid container name \(/,
    ),
  ),
  ...['.', '..', '-a', 'a b', 'a/b', '../a', 'ä', '\u0000', 'x'.repeat(300)].map((Name) =>
    post('/volumes/create', { Name }, 400, /invalid|name/i),
  ),
  ...['A', 'a b', '', '-', 'a:', 'a@sha256:1', '../a', 'a:b:c', 'x'.repeat(5000)].map((Image) =>
    post(CREATE, { Image }, 400, /invalid reference format|must not be empty/i),
  ),
  post(CREATE, { Image: 'nosuch' }, 404, /^No such image: nosuch:latest$/),
  post(
    CREATE,
    { Image: 'busybox', HostConfig: { Runtime: 'nosuch' } },
    400,
    /runtime driver "nosuch" not found/,
  ),
  post(
    CREATE,
    { Image: 'busybox', HostConfig: { VolumeDriver: 'nosuch', Binds: ['v:/d'] } },
    400,
    /volume driver "nosuch" not found/,
  ),
  post(CREATE, { Image: 'busybox', StopSignal: 'NOSUCH' }, 400, /nosuch/i),
  post(CREATE, { Image: 'busybox', WorkingDir: 'relative' }, 400, /absolute/),
  post(
    CREATE,
    { Image: 'busybox', HostConfig: { Mounts: [{ Type: 'volume', Source: '../x', Target: '/d' }] } },
    400,
    /invalid|name/i,
  ),
  post(CREATE, { Image: 'busybox', HostConfig: { Binds: ['../x:/d'] } }, 400, /invalid|name/i),
  post(
    CREATE,
    { Image: 'busybox', HostConfig: { Binds: ['/etc:/d/../..'] } },
    400,
    /destination can't be '\/'/,
  ),
  post(CREATE, { Image: 'busybox', HostConfig: { Binds: ['a:b:c:d'] } }, 400, /invalid volume specification/),
  post(
    CREATE,
    { Image: 'busybox', HostConfig: { SecurityOpt: ['nosuch=1'] } },
    400,
    /invalid --security-opt 2: "nosuch=1"/,
  ),
  post(CREATE, { Image: 'busybox', HostConfig: { CapAdd: ['NOSUCH'] } }, 400, /NOSUCH/),
  post(CREATE, { Image: 'busybox', Env: ['=x'] }, 400, /invalid environment variable/),
  post('/volumes/create', { Name: 5 }, 400, /Name must be string/),
  post('/volumes/create', { DriverOpts: { a: 1 } }, 400, /DriverOpts\.a must be string/),
  post('/volumes/create', { Labels: ['a'] }, 400, /Labels must be/),
  post('/volumes/create', { Name: 'ok', DriverOpts: { nosuch: '1' } }, 400, /nosuch/),
  post('/volumes/create', { Name: 'ok', ClusterVolumeSpec: {} }, 400, /ClusterVolumeSpec/),
];

const QUERIES: readonly Case[] = [
  ...['/containers/json', '/volumes', '/images/json'].flatMap((path) => [
    ...[{ nosuch: ['1'] }, { label: 5 }, { label: [5] }, '{', '[]', '5', 'null'].map((value) =>
      filters(path, value),
    ),
  ]),
  filters('/volumes/prune', { nosuch: ['1'] }, 'POST'),
  filters('/volumes', { dangling: ['maybe'] }),
  get('/containers/json?limit=many', 400, /limit/),
  get('/containers/nosuch/stop?t=soon', 400, /invalid value for t: "soon"/, 'POST'),
  get('/containers/nosuch/wait?condition=nosuch', 400, /invalid condition: "nosuch"/, 'POST'),
  get('/containers/nosuch/wait', 404, /No such container: nosuch/, 'POST'),
  get('/containers/box/kill?signal=NOSUCH', 400, /Invalid signal: NOSUCH/, 'POST'),
  get('/containers/box/kill?signal=-1', 400, /Invalid signal: -1/, 'POST'),
  get('/containers/box/kill', 409, /is not running/, 'POST'),
  get('/containers/box/resize?h=x&w=1', 400, /invalid value for h: "x"/, 'POST'),
  get('/containers/box/resize?h=1&w=1', 409, /is not running/, 'POST'),
  get('/containers/nosuch/attach?stream=1', 404, /No such container: nosuch/, 'POST'),
  get('/containers/nosuch?force=1', 404, /No such container: nosuch/, 'DELETE'),
];

const PATHS: readonly Case[] = [
  get('/nosuch', 404, /^page not found$/),
  get('/containers/json', 404, /^page not found$/, 'PATCH'),
  get('/containers/%zz/json', 400, /%zz/),
  get('/volumes/%', 400, /%/),
  get('/containers/../version', 404, /page not found|No such container/),
  get('/../../etc/passwd', 404, /^page not found$/),
  get('/containers/..%2f..%2fetc%2fpasswd/json', 404, /^No such container: \.\.\/\.\.\/etc\/passwd$/),
  get('/volumes/..', 404, /no such volume|page not found/),
  get('/volumes/..%2f..%2fcontainers', 404, /no such volume/),
  get('/volumes/%00', 404, /no such volume/),
  get('/volumes/..%2fx', 404, /no such volume/, 'DELETE'),
  get('/images/..%2f..%2fx/json', 400, /invalid reference format/),
  get('/images/%00/json', 400, /invalid reference format/),
  get('/containers/__proto__/json', 404, /No such container: __proto__/),
  get('/volumes/constructor', 404, /no such volume/),
  get('/v1.56/version', 400, /client version 1\.56 is too new\. Maximum supported API version is 1\.55/),
  get('/v99.9/version', 400, /too new/),
  get('/v1/version', 404, /^page not found$/),
  get('/vone.two/version', 404, /^page not found$/),
  get('//version', 404, /^page not found$/),
  get('/nodes', 501, /GET \/nodes is not supported: it is not there yet/),
];

const ARCHIVES: readonly Case[] = [
  { name: 'load nothing', method: 'POST', path: '/images/load', status: 400, message: /./ },
  { name: 'load text', method: 'POST', path: '/images/load', body: 'no archive', status: 400, message: /./ },
  {
    name: 'load zeros',
    method: 'POST',
    path: '/images/load',
    body: Buffer.alloc(10_240),
    status: 400,
    message: /./,
  },
  {
    name: 'import text',
    method: 'POST',
    path: '/images/create?fromSrc=-',
    body: 'no archive',
    status: 400,
    message: /./,
  },
  {
    name: 'import to a bad name',
    method: 'POST',
    path: '/images/create?fromSrc=-&repo=A%20B',
    body: Buffer.alloc(10_240),
    status: 400,
    message: /invalid reference format/,
  },
  {
    name: 'import with a bad change',
    method: 'POST',
    path: '/images/create?fromSrc=-&changes=NOSUCH%20x',
    body: Buffer.alloc(10_240),
    status: 400,
    message: /NOSUCH/,
  },
  get('/images/create?fromImage=BUSYBOX&tag=latest', 400, /must be lowercase/, 'POST'),
  get('/images/create?fromImage=busybox&tag=latest&platform=a/b/c/d', 400, /is no platform/, 'POST'),
  get('/images/create?fromImage=127.0.0.1:1/a&tag=1', 500, /ECONNREFUSED/, 'POST'),
  get('/images/get', 400, /no name was given/),
  get('/images/nosuch/get', 404, /No such image: nosuch/),
  get('/images/search', 400, /no term/),
  get('/images/search?term=a&limit=101', 400, /outside the range/),
  get('/distribution/UPPER/json', 400, /must be lowercase/),
];

export const GROUPS: Readonly<Record<string, readonly Case[]>> = {
  bodies: BODIES,
  names: NAMES,
  queries: QUERIES,
  paths: PATHS,
  archives: ARCHIVES,
};
