/** Clients of the distribution that nobody changes any more: python3-docker, and the docker-compose written with it. */
import { spawn, spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

/** The distribution's: another one on the PATH would not know its packages. */
const PYTHON = '/usr/bin/python3';
const has = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;

t.setTimeout(240_000);
t.jobs = 2;

const noPython = !has(PYTHON, '-c', 'import docker') && 'python3-docker is not installed';
t.test('python3-docker', { skip: noPython, buffered: true }, async (t) => {
  const daemon = await startTestDaemon(t);
  await daemon.loadBusybox();
  const program = path.join(import.meta.dirname, 'old-clients/client.py');
  const { stdout, stderr } = await run(daemon, PYTHON, [program]);
  const lines = stdout.split('\n').filter((line) => /^(not )?ok /.test(line));
  for (const line of lines) t.ok(line.startsWith('ok'), line.replace(/^(not )?ok \d+ - /, ''), { stderr });
  t.match(stdout, new RegExp(`^1\\.\\.${lines.length}$`, 'm'), 'it came to its end', { stderr });
});

const COMPOSE = `
version: '2.4'
services:
  writer:
    image: busybox
    network_mode: none
    command: sh -c 'echo "$$WORD" | tee /d/f; trap exit TERM; while :; do sleep 1; done'
    environment: { WORD: composed }
    volumes: ['data:/d']
    stop_grace_period: 20s
    mem_limit: 64m
    healthcheck: { test: test -s /d/f, interval: 200ms, timeout: 5s, retries: 50 }
  reader:
    image: busybox
    network_mode: none
    depends_on: { writer: { condition: service_healthy } }
    volumes: ['data:/d:ro']
    command: cat /d/f
volumes: { data: {} }
`;

t.test(
  'docker-compose',
  { skip: !has('docker-compose', 'version') && 'docker-compose is not installed', buffered: true },
  async (t) => {
    const daemon = await startTestDaemon(t);
    await daemon.loadBusybox();
    const dir = path.join(daemon.dir, 'project');
    mkdirSync(dir);
    writeFileSync(path.join(dir, 'docker-compose.yml'), COMPOSE);
    const compose = (...args: string[]) =>
      run(daemon, 'docker-compose', [
        '--no-ansi',
        '--project-directory',
        dir,
        '-f',
        path.join(dir, 'docker-compose.yml'),
        ...args,
      ]);
    const says = async (expected: object, ...args: string[]) => {
      const ended = await compose(...args);
      t.match(ended, expected, args.join(' '), ended);
    };
    await says({ code: 0, stdout: /writer/ }, 'config', '--services');
    await says({ code: 0 }, 'up', '-d');
    await says({ code: 0, stdout: /project_writer_1\s.*Up \(healthy\)/ }, 'ps');
    await says({ code: 0, stdout: 'composed\n' }, 'exec', '-T', 'writer', 'cat', '/d/f');
    await daemon.docker(['wait', 'project_reader_1']);
    t.match(
      await compose('logs', '--no-color', 'reader'),
      { code: 0, stdout: /reader_1\s+\| composed/ },
      'logs',
    );
    await says({ code: 0, stdout: /once/ }, 'run', '--rm', '-T', 'reader', 'echo', 'once');
    await says({ code: 0, stdout: /sleep|sh -c/ }, 'top', 'writer');
    await says({ code: 0 }, 'pause', 'writer');
    await says({ code: 0 }, 'unpause', 'writer');
    await says({ code: 0 }, 'restart', '-t', '20', 'writer');
    // It reads a field of images that API 1.45 took away, and asks for the newest version all the same.
    process.env.COMPOSE_API_VERSION = '1.41';
    await says({ code: 0 }, 'up', '-d', '--force-recreate', '--no-deps', 'writer');
    delete process.env.COMPOSE_API_VERSION;
    await says({ code: 0, stdout: /busybox/ }, 'images');
    await says({ code: 0 }, 'stop', '-t', '20');
    await says({ code: 0 }, 'down', '-v');
    t.match(await daemon.docker(['ps', '-aq']), { stdout: '' }, 'no container is left');
    t.match(await daemon.docker(['volume', 'ls', '-q']), { stdout: '' }, 'and no volume');
  },
);

function run(
  daemon: TestDaemon,
  program: string,
  args: readonly string[],
): Promise<{ code: number; stdout: string; stderr: string }> {
  const { DOCKER_CONTEXT, ...inherited } = process.env;
  const env = { ...inherited, DOCKER_HOST: daemon.host, DOCKER_CONFIG: path.join(daemon.dir, 'docker') };
  const child = spawn(program, args, { env, stdio: ['ignore', 'pipe', 'pipe'] });
  const said = { stdout: '', stderr: '' };
  for (const name of ['stdout', 'stderr'] as const) {
    child[name].setEncoding('utf8').on('data', (text: string) => {
      said[name] += text;
    });
  }
  return new Promise((ended, failed) => {
    child.once('error', failed);
    child.once('close', (code) => ended({ ...said, code: code ?? 128 }));
  });
}
