/** As much of dockerode as the quickstart uses; the package brings no types. */
declare module 'dockerode' {
  import type { Duplex, Readable, Writable } from 'node:stream';

  interface Container {
    readonly id: string;
    attach(options: object): Promise<Duplex>;
    start(): Promise<unknown>;
    wait(options: { condition: string }): Promise<{ readonly StatusCode: number }>;
    remove(options: { force: boolean }): Promise<unknown>;
  }

  interface ContainerRow {
    readonly Image: string;
    readonly Names: readonly string[];
    readonly Status: string;
  }

  export default class Docker {
    readonly modem: { demuxStream(stream: Readable, stdout: Writable, stderr: Writable): void };
    constructor(options: { socketPath: string });
    loadImage(file: string): Promise<Readable>;
    createVolume(options: {
      Name: string;
      Driver: string;
    }): Promise<{ readonly Name?: string; readonly name?: string }>;
    getVolume(name: string): { remove(): Promise<unknown> };
    createContainer(options: object): Promise<Container>;
    getContainer(name: string): Container;
    listContainers(): Promise<readonly ContainerRow[]>;
  }
}
