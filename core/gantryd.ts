/** The daemon's program: flags in, signals handled, exit status out. */
import { flushCompileCache } from 'node:module';
import { isHostError, messageChain } from '@gantry/plugin-sdk/errors.ts';
import { runtimeDriver } from './builtins.ts';
import { notifySocket } from './config/load.ts';
import { daemonHelp } from './config/options/help.ts';
import { type DaemonOptions, parseDaemonArgs } from './config/options/read.ts';
import { Reload } from './config/reload.ts';
import { type Daemon, startDaemon } from './daemon.ts';
import { createLogger, type DaemonLogger } from './log.ts';
import { ServiceManager } from './service-manager.ts';
import { stopWithin } from './shutdown.ts';
import { VERSION } from './version.ts';

const FLUSH_AFTER_MS = 2_000;

async function main(args: readonly string[]): Promise<void> {
  const { action, options } = parseDaemonArgs(args);
  if (action === 'help') process.stdout.write(daemonHelp());
  else if (action === 'version') process.stdout.write(`gantryd ${VERSION}\n`);
  else if (action === 'validate') validated(options);
  else await run(args, options);
}

/** It would not be here if anything were wrong. */
function validated({ warnings }: DaemonOptions): void {
  for (const warning of warnings) process.stderr.write(`warning: ${warning}\n`);
  process.stderr.write('configuration OK\n');
}

async function run(args: readonly string[], options: DaemonOptions): Promise<void> {
  const log = createLogger({ level: options.logLevel, format: options.logFormat });
  for (const warning of options.warnings) log.warn({}, warning);
  const manager = new ServiceManager(notifySocket(), log);
  const starting = startDaemon(options, log);
  const reload = starting.then(({ engine }) => new Reload({ args, engine, log, runtimeDriver, manager }));
  // One that comes while it starts shall not end it.
  process.on(
    'SIGHUP',
    () =>
      void reload.then(
        (found) => found.run(),
        () => {},
      ),
  );
  const daemon = await starting;
  log.info({ hosts: options.hosts, runtime: daemon.engine.defaults.runtime }, 'API listens');
  manager.ready('serves');
  // A daemon that is killed would not leave its compiled code for the next one to start from.
  setTimeout(() => flushCompileCache(), FLUSH_AFTER_MS).unref();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      // A second signal must be able to end a stop that hangs.
      process.once(name, () => process.exit(130));
      manager.stopping();
      void stop(daemon, log);
    });
  }
}

async function stop(daemon: Daemon, log: DaemonLogger): Promise<void> {
  const { shutdownTimeout: seconds } = daemon.engine.options;
  try {
    if (await stopWithin(seconds, () => daemon.stop())) process.exit(0);
    log.error({ seconds }, 'the stop takes longer than --shutdown-timeout: it ends here');
  } catch (error) {
    log.error({ error }, 'the stop failed');
  }
  process.exit(1);
}

main(process.argv.slice(2)).catch((error: unknown) => {
  const hint = isHostError(error) && error.hint ? ` (${error.hint})` : '';
  process.stderr.write(`gantryd: ${messageChain(error)}${hint}\n`);
  process.exit(1);
});
