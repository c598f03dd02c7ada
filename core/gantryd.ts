/** The daemon's program: flags in, signals handled, exit status out. */
import { flushCompileCache } from 'node:module';
import { messageChain } from '@gantry/plugin-sdk/errors.ts';
import { daemonHelp, parseDaemonArgs } from './config/options.ts';
import { startDaemon } from './daemon.ts';
import { createLogger } from './log.ts';
import { VERSION } from './version.ts';

const FLUSH_AFTER_MS = 2_000;

async function main(): Promise<void> {
  const parsed = parseDaemonArgs(process.argv.slice(2));
  if (parsed.action !== 'run') {
    process.stdout.write(parsed.action === 'help' ? daemonHelp() : `gantryd ${VERSION}\n`);
    return;
  }
  const log = createLogger(parsed.options.debug ? 'debug' : 'info');
  const daemon = await startDaemon(parsed.options, log);
  log.info({ hosts: parsed.options.hosts, runtime: daemon.engine.defaults.runtime }, 'API listens');
  // A daemon that is killed would not leave its compiled code for the next one to start from.
  setTimeout(() => flushCompileCache(), FLUSH_AFTER_MS).unref();
  for (const name of ['SIGINT', 'SIGTERM'] as const) {
    process.once(name, () => {
      // A second signal must be able to end a stop that hangs.
      process.once(name, () => process.exit(130));
      void daemon.stop().then(() => process.exit(0));
    });
  }
}

main().catch((error: unknown) => {
  process.stderr.write(`gantryd: ${messageChain(error)}\n`);
  process.exit(1);
});
