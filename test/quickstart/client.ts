/** The quickstart's two ways to talk to the daemon: the docker command, and dockerode with the same requests. */
import { PassThrough } from 'node:stream';
import { text } from 'node:stream/consumers';
import { finished } from 'node:stream/promises';
import Docker from 'dockerode';
import type { TestDaemon } from '../fixtures/daemon.ts';

export interface Run {
  readonly name?: string;
  readonly detach?: boolean;
  /** `VOLUME:TARGET[:ro]` */
  readonly volume: string;
  readonly command: readonly string[];
}

/** Everything answers what there is to show of it. */
export interface Client {
  load(file: string): Promise<string>;
  createVolume(name: string, driver: string): Promise<string>;
  removeVolume(name: string): Promise<string>;
  run(run: Run): Promise<string>;
  list(): Promise<string>;
  remove(container: string): Promise<string>;
}

const IMAGE = 'busybox';

/** The arguments of the docker command for each request. */
export const commandLines: { readonly [K in keyof Client]: (...args: Parameters<Client[K]>) => string[] } = {
  load: (file) => ['load', '-i', file],
  createVolume: (name, driver) => ['volume', 'create', '-d', driver, name],
  removeVolume: (name) => ['volume', 'rm', name],
  run: ({ name, detach, volume, command }) => [
    ...['run', detach ? '-d' : '--rm'],
    ...(name ? ['--name', name] : []),
    ...['--network', 'none', '-v', volume, IMAGE, ...command],
  ],
  list: () => ['ps', '--format', 'table {{.Image}}\\t{{.Status}}\\t{{.Names}}'],
  remove: (container) => ['rm', '-f', container],
};

export function dockerCommand(daemon: TestDaemon): Client {
  const run = async (args: readonly string[]) => {
    const { stdout, stderr, code } = await daemon.docker(args);
    if (code !== 0) throw new Error(`docker ${args[0]} ended with ${code}: ${stderr.trim()}`);
    return stdout;
  };
  return {
    load: (file) => run(commandLines.load(file)),
    createVolume: (name, driver) => run(commandLines.createVolume(name, driver)),
    removeVolume: (name) => run(commandLines.removeVolume(name)),
    run: (asked) => run(commandLines.run(asked)),
    list: () => run(commandLines.list()),
    remove: (container) => run(commandLines.remove(container)),
  };
}

export function dockerode(daemon: TestDaemon): Client {
  const docker = new Docker({ socketPath: daemon.socket });
  return {
    async load(file) {
      const lines = (await text(await docker.loadImage(file))).trim().split('\n');
      return lines.map((line) => (JSON.parse(line) as { stream?: string }).stream ?? line).join('');
    },
    async createVolume(name, driver) {
      await docker.createVolume({ Name: name, Driver: driver });
      return name;
    },
    async removeVolume(name) {
      await docker.getVolume(name).remove();
      return name;
    },
    run: (asked) => runContainer(docker, asked),
    async list() {
      const rows = await docker.listContainers();
      return rows.map(({ Image, Status, Names }) => [Image, Status, Names.join(' ')].join('   ')).join('\n');
    },
    async remove(container) {
      await docker.getContainer(container).remove({ force: true });
      return container;
    },
  };
}

/** The requests of `docker run` in its order: the wait is under way before the start, so that no exit is missed. */
async function runContainer(docker: Docker, { name, detach, volume, command }: Run): Promise<string> {
  const container = await docker.createContainer({
    ...(name && { name }),
    ...{ Image: IMAGE, Cmd: command, AttachStdout: !detach, AttachStderr: !detach },
    HostConfig: { Binds: [volume], NetworkMode: 'none', AutoRemove: !detach },
  });
  if (detach) {
    await container.start();
    return container.id;
  }
  const stream = await container.attach({ stream: true, stdout: true, stderr: true });
  const output = new PassThrough();
  docker.modem.demuxStream(stream, output, output);
  const ended = finished(stream, { writable: false }).then(() => output.end());
  const removed = container.wait({ condition: 'removed' });
  await container.start();
  const [said, { StatusCode }] = await Promise.all([text(output), removed, ended]);
  if (StatusCode !== 0) throw new Error(`the container ended with ${StatusCode}: ${said}`);
  return said;
}
