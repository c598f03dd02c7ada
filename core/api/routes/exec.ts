/** `/containers/ID/exec` and `/exec/*`. */
import type { Exec } from '../../controllers/container/exec.ts';
import { sizeOf, validateExecStart } from '../../controllers/container/exec-request.ts';
import type { ExecClient } from '../../controllers/container/exec-run.ts';
import type { Engine } from '../../engine.ts';
import { requireObject } from '../body.ts';
import type { Answer, Call, Row } from '../route.ts';
import { streamType } from '../stream-type.ts';
import { execView } from '../views/exec.ts';

export function execRows(engine: Engine): readonly Row[] {
  const { execs } = engine;
  const row = (method: Row['method'], path: string, name: string, handler: Row['handler']): Row => ({
    name: `exec.${name}`,
    method,
    path,
    kind: 'json',
    handler,
  });
  return [
    row('POST', '/containers/:id/exec', 'create', async ({ params, body }) => {
      engine.containers.anticipate();
      const { id } = execs.create(params.id ?? '', requireObject(body));
      return { status: 201, body: { Id: id } };
    }),
    { ...row('POST', '/exec/:id/start', 'start', (call) => start(engine, call)), kind: 'hijack' },
    row('POST', '/exec/:id/resize', 'resize', async ({ params, query, signal }) => {
      await execs.resize(params.id ?? '', query.whole('h'), query.whole('w'), signal);
      return { status: 200 };
    }),
    row('GET', '/exec/:id/json', 'inspect', async ({ params }) => ({
      body: execView(execs.find(params.id ?? '')),
    })),
  ];
}

async function start(engine: Engine, call: Call): Promise<Answer | undefined> {
  const { params, body } = call;
  const request = validateExecStart(body ?? {});
  const exec = engine.execs.find(params.id ?? '');
  const raw = request.Tty ?? false;
  const consoleSize = raw ? sizeOf(request.ConsoleSize) : undefined;
  if (request.Detach) {
    await engine.execs.start(exec.id, { consoleSize });
    return { status: 200 };
  }
  await engine.execs.start(exec.id, { consoleSize, connect: () => connect(call, exec, raw) });
  return undefined;
}

/** As in Docker the client says how it wants the output, which may differ from what the exec was made with. */
function connect({ version, hijack }: Call, { config }: Exec, raw: boolean): ExecClient {
  const { stream, upgraded } = hijack(streamType(raw, version));
  return { stream, stdin: upgraded && config.stdin, raw };
}
