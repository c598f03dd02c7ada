/** The daemon's options: their flags, defaults and meaning, in one table. */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { DEFAULT_LOG_CONFIG, type LogConfig, mergeLogConfig } from '../controllers/logs/log-config.ts';

export interface DaemonOptions {
  /** Addresses to listen on: `unix://PATH`, `tcp://HOST:PORT`, `fd://`. */
  readonly hosts: readonly string[];
  readonly dataRoot: string;
  readonly execRoot: string;
  readonly pidfile: string;
  readonly group: string;
  readonly debug: boolean;
  readonly defaultRuntime: string;
  /** Log driver and options of containers that name none. */
  readonly log: LogConfig;
  readonly pluginSocketDirs: readonly string[];
  readonly pluginSpecDirs: readonly string[];
  readonly tls: TlsOptions | undefined;
}

export interface TlsOptions {
  readonly verify: boolean;
  readonly ca: string | undefined;
  readonly cert: string;
  readonly key: string;
}

const DEFAULT_SOCKET = 'unix:///run/gantry/gantry.sock';

const FLAGS = {
  host: {
    type: 'string',
    short: 'H',
    multiple: true,
    help: `Listen here: unix://PATH, tcp://HOST:PORT or fd:// (default ${DEFAULT_SOCKET})`,
  },
  'data-root': { type: 'string', help: 'Directory of what must last (default /var/lib/gantry)' },
  'exec-root': {
    type: 'string',
    help: 'Directory of what may go with a restart of the machine (default /run/gantry)',
  },
  pidfile: { type: 'string', short: 'p', help: 'Write the process id here' },
  group: {
    type: 'string',
    short: 'G',
    help: 'Group that may use the unix socket (default docker, where there is one)',
  },
  debug: { type: 'boolean', short: 'D', help: 'Log more' },
  'default-runtime': {
    type: 'string',
    help: 'Runtime of containers that name none: crun or runc (default: the first there is)',
  },
  'log-driver': {
    type: 'string',
    help: `Log driver of containers that name none (default ${DEFAULT_LOG_CONFIG.Type})`,
  },
  'log-opt': { type: 'string', multiple: true, help: 'NAME=VALUE of the default log driver' },
  'plugin-socket-dir': {
    type: 'string',
    multiple: true,
    help: 'Look for plugin sockets here (default /run/docker/plugins)',
  },
  'plugin-spec-dir': {
    type: 'string',
    multiple: true,
    help: 'Look for .spec and .json files here (default /etc/docker/plugins and /usr/lib/docker/plugins)',
  },
  tls: { type: 'boolean', help: 'Serve tcp:// with TLS; implied by --tlsverify' },
  tlsverify: {
    type: 'boolean',
    help: 'Serve tcp:// with TLS and ask clients for a certificate of --tlscacert',
  },
  tlscacert: { type: 'string', help: 'Certificates that may sign clients' },
  tlscert: { type: 'string', help: 'Certificate of the daemon' },
  tlskey: { type: 'string', help: 'Key of the daemon' },
  version: { type: 'boolean', short: 'v', help: 'Print the version and exit' },
  help: { type: 'boolean', short: 'h', help: 'Print this and exit' },
} as const;

export type Parsed =
  | { readonly action: 'help'; readonly options?: never }
  | { readonly action: 'version'; readonly options?: never }
  | { readonly action: 'run'; readonly options: DaemonOptions };

/** Errors: InvalidArgument for a flag that is unknown or lacks its value. */
export function parseDaemonArgs(args: readonly string[]): Parsed {
  const values = parse(args);
  if (values.help) return { action: 'help' };
  if (values.version) return { action: 'version' };
  const hosts = values.host?.length ? values.host : [DEFAULT_SOCKET];
  return {
    action: 'run',
    options: {
      hosts,
      dataRoot: path.resolve(values['data-root'] ?? '/var/lib/gantry'),
      execRoot: path.resolve(values['exec-root'] ?? '/run/gantry'),
      pidfile: values.pidfile ?? '',
      group: values.group ?? 'docker',
      debug: values.debug ?? false,
      defaultRuntime: values['default-runtime'] ?? '',
      log: logOf(values['log-driver'], values['log-opt']),
      pluginSocketDirs: values['plugin-socket-dir'] ?? ['/run/docker/plugins'],
      pluginSpecDirs: values['plugin-spec-dir'] ?? ['/etc/docker/plugins', '/usr/lib/docker/plugins'],
      tls: tlsOf(values),
    },
  };
}

export function daemonHelp(): string {
  const rows = Object.entries(FLAGS).map(([name, flag]) => {
    const short = 'short' in flag ? `-${flag.short}, ` : '    ';
    const value = flag.type === 'string' ? ' VALUE' : '';
    return `  ${short}--${`${name}${value}`.padEnd(26)} ${flag.help}`;
  });
  return `Usage: gantryd [OPTIONS]\n\nA container host that is nothing but drivers.\n\nOptions:\n${rows.join('\n')}\n`;
}

function parse(args: readonly string[]) {
  try {
    return parseArgs({ args: [...args], options: FLAGS, strict: true, allowPositionals: false }).values;
  } catch (error) {
    throw new HostError('InvalidArgument', 'INVALID_FLAG', (error as Error).message, {
      hint: 'see gantryd --help',
    });
  }
}

function logOf(driver: string | undefined, options: readonly string[] = []): LogConfig {
  const pairs = options.map((option) => {
    const [name = '', value] = option.split(/=(.*)/s);
    if (name && value !== undefined) return [name, value] as const;
    throw new HostError('InvalidArgument', 'INVALID_FLAG', `--log-opt ${option}: NAME=VALUE was expected`);
  });
  return mergeLogConfig(
    { ...(driver && { Type: driver }), Config: Object.fromEntries(pairs) },
    DEFAULT_LOG_CONFIG,
  );
}

function tlsOf(values: ReturnType<typeof parse>): TlsOptions | undefined {
  if (!values.tls && !values.tlsverify) return undefined;
  const missing = (
    ['tlscert', 'tlskey', ...(values.tlsverify ? (['tlscacert'] as const) : [])] as const
  ).filter((flag) => !values[flag]);
  if (missing.length > 0) {
    throw new HostError(
      'InvalidArgument',
      'INVALID_FLAG',
      `TLS needs ${missing.map((flag) => `--${flag}`).join(', ')}`,
    );
  }
  return {
    verify: values.tlsverify ?? false,
    ca: values.tlscacert,
    cert: values.tlscert ?? '',
    key: values.tlskey ?? '',
  };
}
