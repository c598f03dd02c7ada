/** Every option that means something here, by the name that the program uses, in the groups of the help. */

import { isUnifiedCgroup } from '@gantry/plugin-sdk/oci/default-spec.ts';
import type { LogLevel } from '../../log.ts';
import { isAddress, isLabel, isMirror } from './checks.ts';
import { runtimes, ulimits } from './container-types.ts';
import { option, reloadable } from './option.ts';
import { bytes, choice, list, pairs, text, toggle, whole } from './types.ts';

const NO_TEXTS: readonly string[] = [];

const daemon = {
  configFile: option({
    flag: 'config-file',
    key: '',
    type: text('PATH'),
    default: '/etc/gantry/daemon.json',
    help: 'Options in JSON, with the names of docs/options.md; it need not be there unless it is named',
  }),
  dataRoot: option({
    flag: 'data-root',
    type: text('PATH'),
    default: '/var/lib/gantry',
    help: 'Directory of what must last',
  }),
  execRoot: option({
    flag: 'exec-root',
    type: text('PATH'),
    default: '/run/gantry',
    help: 'Directory of what may go with a restart of the machine',
  }),
  pidfile: option({
    flag: 'pidfile',
    short: 'p',
    type: text('PATH'),
    default: '',
    help: 'Write the process id here',
  }),
  labels: reloadable({
    flag: 'label',
    key: 'labels',
    type: list('KEY=VALUE', isLabel),
    default: NO_TEXTS,
    help: 'Label of this host, which docker info shows',
  }),
  shutdownTimeout: reloadable({
    flag: 'shutdown-timeout',
    type: whole('SECONDS', -1),
    default: 15,
    help: 'How long a stop of the daemon may take; -1: for ever. Containers go on anyway',
  }),
  liveRestore: reloadable({
    flag: 'live-restore',
    type: toggle,
    default: true,
    help: 'Containers go on without the daemon. Always so: false is taken, and warned about',
  }),
  metricsAddress: option({
    flag: 'metrics-addr',
    type: text('HOST:PORT'),
    default: '',
    help: 'Serve Prometheus metrics here, at /metrics',
  }),
};

const api = {
  hosts: option({
    flag: 'host',
    short: 'H',
    key: 'hosts',
    type: list('ADDRESS'),
    default: ['unix:///run/gantry/gantry.sock'] as readonly string[],
    help: 'Listen here: unix://PATH, tcp://HOST:PORT or fd://',
  }),
  group: option({
    flag: 'group',
    short: 'G',
    type: text('GROUP'),
    default: 'docker',
    help: 'Group that may use the unix socket, where there is one',
  }),
  tls: option({
    flag: 'tls',
    type: toggle,
    default: false,
    help: 'Serve tcp:// with TLS; implied by --tlsverify',
  }),
  tlsverify: option({
    flag: 'tlsverify',
    type: toggle,
    default: false,
    help: 'Serve tcp:// with TLS and ask clients for a certificate of --tlscacert',
  }),
  tlscacert: option({
    flag: 'tlscacert',
    type: text('PATH'),
    default: '',
    help: 'Certificates that may sign clients',
  }),
  tlscert: option({ flag: 'tlscert', type: text('PATH'), default: '', help: 'Certificate of the daemon' }),
  tlskey: option({ flag: 'tlskey', type: text('PATH'), default: '', help: 'Key of the daemon' }),
};

const log = {
  debug: reloadable({
    flag: 'debug',
    short: 'D',
    type: toggle,
    default: false,
    help: 'The same as --log-level debug',
  }),
  logLevel: reloadable<LogLevel>({
    flag: 'log-level',
    short: 'l',
    type: choice(['debug', 'info', 'warn', 'error', 'fatal']),
    default: 'info',
    help: 'What the daemon logs of itself',
  }),
  logFormat: option<'text' | 'json'>({
    flag: 'log-format',
    type: choice(['text', 'json']),
    default: 'text',
    help: 'How it does',
  }),
};

const containers = {
  defaultRuntime: reloadable({
    flag: 'default-runtime',
    type: text('NAME'),
    default: '',
    defaultWords: 'the first there is of crun and runc',
    help: 'Runtime of containers that name none',
  }),
  runtimes: reloadable({
    flag: 'add-runtime',
    key: 'runtimes',
    type: runtimes,
    default: {},
    help: 'Another OCI runtime. A reload adds; it takes a restart to change or remove one',
  }),
  logDriver: reloadable({
    flag: 'log-driver',
    type: text('NAME'),
    default: 'json-file',
    help: 'Log driver of containers that name none',
  }),
  logOpts: reloadable({
    flag: 'log-opt',
    key: 'log-opts',
    type: pairs,
    default: {},
    help: 'Option of the default log driver',
  }),
  logBacklogMax: option({
    flag: 'log-backlog-max',
    type: bytes,
    default: 0,
    defaultWords: 'as far as the disk goes',
    help: 'How far a log plugin may stay behind a container before the oldest lines are given up',
  }),
  defaultUlimits: reloadable({
    flag: 'default-ulimit',
    key: 'default-ulimits',
    type: ulimits,
    default: {},
    help: 'Resource limit of containers that do not set it',
  }),
  defaultShmSize: reloadable({
    flag: 'default-shm-size',
    type: bytes,
    default: 64 * 1024 * 1024,
    defaultWords: '64m',
    help: 'Size of /dev/shm',
  }),
  defaultIpcMode: reloadable<'private' | 'shareable'>({
    flag: 'default-ipc-mode',
    type: choice(['private', 'shareable']),
    default: 'private',
    help: 'IPC namespace of containers that name none',
  }),
  defaultCgroupnsMode: reloadable<'private' | 'host'>({
    flag: 'default-cgroupns-mode',
    type: choice(['private', 'host']),
    default: isUnifiedCgroup() ? 'private' : 'host',
    defaultWords: 'host, and private where there is cgroup v2 alone',
    help: 'Cgroup namespace of containers that name none',
  }),
  cgroupParent: reloadable({
    flag: 'cgroup-parent',
    type: text('PATH'),
    default: '',
    defaultWords: '/gantry',
    help: 'Cgroup below which those of containers are made',
  }),
  init: reloadable({ flag: 'init', type: toggle, default: false, help: 'An init process in each container' }),
  initPath: reloadable({
    flag: 'init-path',
    type: text('PATH'),
    default: '',
    defaultWords: 'docker-init, catatonit or tini from PATH',
    help: 'The init program',
  }),
  noNewPrivileges: reloadable({
    flag: 'no-new-privileges',
    type: toggle,
    default: false,
    help: 'No container gains privileges by a set-user-id program, unless it asks to',
  }),
  seccompProfile: reloadable({
    flag: 'seccomp-profile',
    type: text('PATH'),
    default: '',
    defaultWords: 'builtin',
    help: 'Profile of system calls: a file, builtin or unconfined',
  }),
  dns: reloadable({
    flag: 'dns',
    type: list('ADDRESS', isAddress),
    default: NO_TEXTS,
    help: 'Name server of containers',
  }),
  dnsOptions: reloadable({
    flag: 'dns-opt',
    key: 'dns-opts',
    type: list('OPTION'),
    default: NO_TEXTS,
    help: 'Option of their resolv.conf',
  }),
  hostGateways: reloadable({
    flag: 'host-gateway-ip',
    key: 'host-gateway-ips',
    type: list('ADDRESS', isAddress),
    default: NO_TEXTS,
    help: 'What host-gateway stands for in --add-host',
  }),
  dnsSearch: reloadable({
    flag: 'dns-search',
    type: list('DOMAIN'),
    default: NO_TEXTS,
    help: 'Domain in which they look for names',
  }),
};

const images = {
  storageDriver: option({
    flag: 'storage-driver',
    short: 's',
    type: text('NAME'),
    default: '',
    defaultWords: 'the first that works',
    help: "Snapshot driver, overlay or vfs; Docker's overlay2 is overlay here",
  }),
  insecureRegistries: reloadable({
    flag: 'insecure-registry',
    key: 'insecure-registries',
    type: list('HOST'),
    default: NO_TEXTS,
    help: 'Registry, or network of registries, that may go without TLS',
  }),
  registryMirrors: reloadable({
    flag: 'registry-mirror',
    key: 'registry-mirrors',
    type: list('URL', isMirror),
    default: NO_TEXTS,
    help: 'Ask here first for images of Docker Hub',
  }),
  registryCertDirs: option({
    flag: 'registry-cert-dir',
    key: 'registry-cert-dirs',
    type: list('PATH'),
    default: ['/etc/docker/certs.d', '/etc/gantry/certs.d'],
    help: 'Look here for HOST/ca.crt, HOST/client.cert and HOST/client.key of registries',
  }),
  maxConcurrentDownloads: reloadable({
    flag: 'max-concurrent-downloads',
    type: whole('COUNT', 0),
    default: 3,
    help: 'Layers that one pull fetches at once',
  }),
  maxConcurrentUploads: reloadable({
    flag: 'max-concurrent-uploads',
    type: whole('COUNT', 0),
    default: 5,
    help: 'Layers that one push sends at once',
  }),
  maxDownloadAttempts: reloadable({
    flag: 'max-download-attempts',
    type: whole('COUNT', 1),
    default: 5,
    help: 'How often a layer is tried',
  }),
  httpProxy: option({
    flag: 'http-proxy',
    type: text('URL'),
    default: '',
    help: 'Proxy for registries without TLS',
  }),
  httpsProxy: option({ flag: 'https-proxy', type: text('URL'), default: '', help: 'Proxy for registries' }),
  noProxy: option({
    flag: 'no-proxy',
    type: text('HOSTS'),
    default: '',
    help: 'Hosts that no proxy is used for',
  }),
};

const plugins = {
  pluginSocketDirs: option({
    flag: 'plugin-socket-dir',
    key: 'plugin-socket-dirs',
    type: list('PATH'),
    default: ['/run/docker/plugins'] as readonly string[],
    help: 'Look for plugin sockets here',
  }),
  pluginSpecDirs: option({
    flag: 'plugin-spec-dir',
    key: 'plugin-spec-dirs',
    type: list('PATH'),
    default: ['/etc/docker/plugins', '/usr/lib/docker/plugins'] as readonly string[],
    help: 'Look for .spec and .json files here',
  }),
  driverSocketDirs: option({
    flag: 'driver-socket-dir',
    key: 'driver-socket-dirs',
    type: list('PATH'),
    default: ['/run/gantry/drivers'] as readonly string[],
    help: 'Look for sockets of drivers that speak JSON-RPC here',
  }),
};

export const GROUPS = {
  'The daemon': daemon,
  'The API': api,
  'Its log': log,
  'Containers, where they do not say': containers,
  Images: images,
  Plugins: plugins,
};

export const OPTIONS = { ...daemon, ...api, ...log, ...containers, ...images, ...plugins };

type Table = typeof OPTIONS;
type ValueOf<O> = O extends { readonly type: { fromFlags: (texts: readonly string[]) => infer T } }
  ? T
  : never;

/** The value of each row. */
export type OptionValues = { readonly [Name in keyof Table]: ValueOf<Table[Name]> };
