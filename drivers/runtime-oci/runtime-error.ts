/** What the runtime said when it failed, as an error. It speaks text alone, so here, and only here, text is looked at. */
import { HostError } from '@gantry/plugin-sdk/errors.ts';

const NOT_FOUND =
  /executable file .*not found|open (executable|`[^`]*`): no such file|exec.*no such file or directory/i;
const NOT_EXECUTABLE =
  /open executable: (permission denied|operation not permitted)|exec.*(permission denied|is a directory)/i;

/** The command could not be executed: Docker's clients know these two by their text, and exit with 127 and 126. */
export function commandFailed(verb: string, id: string, command: string, output: string): HostError {
  // runc says this before every reason, and it looks like one.
  const said = lastMessage(output).replace(/^exec failed: unable to start container process: /, '');
  const cause = new Error(said);
  if (NOT_FOUND.test(said)) {
    const where = command.includes('/') ? 'no such file or directory' : 'executable file not found in $PATH';
    return new HostError(
      'InvalidArgument',
      'COMMAND_NOT_FOUND',
      `exec: ${JSON.stringify(command)}: ${where}`,
      {
        cause,
      },
    );
  }
  if (NOT_EXECUTABLE.test(said)) {
    const message = `exec: ${JSON.stringify(command)}: permission denied`;
    return new HostError('InvalidArgument', 'COMMAND_NOT_EXECUTABLE', message, { cause });
  }
  return runtimeFailed(verb, id, said);
}

export function runtimeFailed(verb: string, id: string, output: string): HostError {
  return new HostError('Unknown', 'RUNTIME_FAILED', `${verb} task "${id}": ${lastMessage(output)}`);
}

/** crun writes plain lines, with a time when its log is a file; runc logrus' `level=error msg="..."`. */
function lastMessage(output: string): string {
  const line = output.trim().split('\n').at(-1) ?? '';
  const quoted = /msg=("(?:[^"\\]|\\.)*")/.exec(line)?.[1];
  if (quoted === undefined) {
    const said = line.replace(/^\d{4}-\d\d-\d\dT\S+: /, '') || 'the runtime gave no reason';
    // `: No such file or directory`, as in C; Docker's clients look for Go's, which is in lower case.
    return said.replace(/: [A-Z][^:]*$/, (reason) => reason.toLowerCase());
  }
  return JSON.parse(quoted.replace(/\\x/g, '\\\\x')) as string;
}
