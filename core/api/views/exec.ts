/** Execs as the newest Engine API shows them. */
import { detachSequence } from '../../controllers/container/detach-keys.ts';
import type { Exec } from '../../controllers/container/exec.ts';

export function execView(exec: Exec): object {
  const { id, containerId, config, status, exitCode, pid } = exec;
  const [entrypoint = '', ...args] = config.args;
  return {
    ID: id,
    Running: status === 'running',
    ExitCode: exitCode,
    ProcessConfig: {
      tty: config.terminal,
      entrypoint,
      arguments: args,
      privileged: config.privileged,
      user: config.user,
    },
    OpenStdin: config.stdin,
    OpenStderr: config.stderr,
    OpenStdout: config.stdout,
    CanRemove: status === 'ended',
    ContainerID: containerId,
    DetachKeys: config.detachKeys === '' ? '' : detachSequence(config.detachKeys).toString('base64'),
    Pid: pid,
  };
}
