/** What the gantry command reads of its environment. */

export interface ClientEnvironment {
  /** Address of the daemon: GANTRY_HOST, else DOCKER_HOST, else ''. */
  readonly host: string;
  /** Directories in which programs are looked for. */
  readonly path: readonly string[];
}

export function clientEnvironment(): ClientEnvironment {
  const { GANTRY_HOST, DOCKER_HOST, PATH = '' } = process.env;
  return { host: GANTRY_HOST || DOCKER_HOST || '', path: PATH.split(':').filter(Boolean) };
}
