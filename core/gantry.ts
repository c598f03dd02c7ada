/** The gantry command's program: arguments in, exit status out. Nothing heavy is loaded before it is needed. */
import { main } from './cli/main.ts';
import { clientEnvironment } from './config/client.ts';

// A reader that has seen enough, as `head`, is no fault; nobody is left to go on for.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  if (error.code !== 'EPIPE') throw error;
  process.exit();
});

process.exitCode = await main(process.argv.slice(2), {
  environment: clientEnvironment(),
  print: (text) => void process.stdout.write(text),
  complain: (text) => void process.stderr.write(text),
});
