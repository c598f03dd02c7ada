/** `/_ping`, `/version`, `/info`. */
import os from 'node:os';
import type { Engine } from '../../engine.ts';
import type { Call, Row } from '../route.ts';
import { NEWEST_API, OLDEST_API } from '../version.ts';
import { infoView } from '../views/info.ts';

export function systemRows(engine: Engine): readonly Row[] {
  const ping = async ({ req, res }: Call) => {
    // The docker command begins so whatever it is for.
    engine.containers.anticipate();
    res.writeHead(200, {
      'Content-Type': 'text/plain; charset=utf-8',
      'Cache-Control': 'no-cache, no-store, must-revalidate',
      Pragma: 'no-cache',
    });
    res.end(req.method === 'HEAD' ? undefined : 'OK');
    return undefined;
  };
  return [
    { name: 'system.ping', method: 'HEAD', path: '/_ping', kind: 'stream', handler: ping },
    { name: 'system.ping', method: 'GET', path: '/_ping', kind: 'stream', handler: ping },
    {
      name: 'system.version',
      method: 'GET',
      path: '/version',
      kind: 'json',
      handler: async () => ({ body: await versionView(engine) }),
    },
    {
      name: 'system.info',
      method: 'GET',
      path: '/info',
      kind: 'json',
      handler: async () => ({ body: infoView(engine) }),
    },
  ];
}

async function versionView(engine: Engine): Promise<object> {
  const runtime = await engine.runtimeVersion();
  const details = {
    ApiVersion: NEWEST_API,
    MinAPIVersion: OLDEST_API,
    GitCommit: '',
    GoVersion: `node${process.versions.node}`,
    Os: 'linux',
    Arch: goArchitecture(),
    KernelVersion: os.release(),
    BuildTime: '',
  };
  return {
    Platform: { Name: 'Gantry' },
    Version: engine.version,
    ...details,
    Components: [
      { Name: 'Engine', Version: engine.version, Details: { ...details, Experimental: 'false' } },
      { Name: runtime.name, Version: runtime.version, Details: {} },
    ],
  };
}

/** The word that Docker's clients compare with image platforms. */
export function goArchitecture(): string {
  const names: Readonly<Record<string, string>> = { x64: 'amd64', arm64: 'arm64' };
  return names[process.arch] ?? process.arch;
}
