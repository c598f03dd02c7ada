/** Up to 1.24: the client removes what it ran with `--rm`; a container that is being removed still shows as `exited`. */
import { each, object, type Shape, type VersionStep, within } from './step.ts';

const exited = (state: unknown): unknown => (state === 'removing' ? 'exited' : state);

/** `name=seccomp,profile=builtin` was `seccomp`. */
function nameOnly(option: unknown): unknown {
  return /^name=([^,]*)/.exec(String(option))?.[1] ?? option;
}

export const v1_24: VersionStep = {
  version: '1.24',
  up: {
    'container.create': object(within('HostConfig', (hostConfig) => ({ ...hostConfig, AutoRemove: false }))),
  },
  down: {
    'container.list': each((container) => ({ ...container, State: exited(container.State) })),
    'container.inspect': object(
      within('State', (state: Shape) => ({ ...state, Status: exited(state.Status) })),
    ),
    'system.info': object((info) => ({
      ...info,
      ExecutionDriver: '<not supported>',
      SecurityOptions: (info.SecurityOptions as unknown[]).map(nameOnly),
    })),
  },
};
