/** Copies a whole tree: owners, modes, times, links, devices, extended attributes; shares blocks where it can. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';
import { run } from '@gantry/plugin-sdk/system/run.ts';

/** Ends with the daemon: what it did after a crash would come in the way of replay. */
const PROGRAM = '/usr/bin/setpriv';

/** `from` and `to`: existing directories; the content of one goes into the other, which gets its owner, mode and time. */
export async function copyTree(from: string, to: string, signal: AbortSignal): Promise<void> {
  const copy = ['/bin/cp', '-a', '--reflink=auto', '--sparse=auto', '--', `${from}/.`, `${to}/`];
  const { code, stderr } = await run(PROGRAM, ['--pdeathsig', 'KILL', ...copy], { signal });
  signal.throwIfAborted();
  if (code === 0) return;
  const why = `copy ${from}: ${stderr.trim().split('\n').at(-1) ?? ''}`;
  if (/No space left|Disk quota/.test(stderr)) throw new HostError('ResourceExhausted', 'DISK_FULL', why);
  throw new HostError('Internal', 'COPY_FAILED', why);
}
