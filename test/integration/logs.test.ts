/** `docker logs` and what follows from it, with the real daemon, real containers and the real docker command. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

t.setTimeout(240_000);

const NO_NETWORK = ['--network', 'none'];

/** Runs to its end and stays, so that its log can be read; answers its name. */
async function ran(daemon: TestDaemon, script: string, ...options: string[]): Promise<string> {
  const name = `c${counter++}`;
  const { code, stderr } = await daemon.docker([
    'run',
    '-d',
    '--name',
    name,
    ...NO_NETWORK,
    ...options,
    'busybox',
    'sh',
    '-c',
    script,
  ]);
  if (code !== 0) throw new Error(stderr);
  await daemon.docker(['wait', name]);
  return name;
}

async function started(daemon: TestDaemon, script: string, ...options: string[]): Promise<string> {
  const name = `c${counter++}`;
  const { code, stderr } = await daemon.docker([
    'run',
    '-d',
    '--name',
    name,
    ...NO_NETWORK,
    ...options,
    'busybox',
    'sh',
    '-c',
    script,
  ]);
  if (code !== 0) throw new Error(stderr);
  return name;
}

let counter = 10;

async function logs(daemon: TestDaemon, ...args: string[]): Promise<string> {
  const { stdout } = await daemon.docker(['logs', ...args]);
  return stdout;
}

/** Runs a shell line with the docker command at hand as `$D`. */
function shell(daemon: TestDaemon, line: string): Promise<string> {
  const child = spawn('sh', ['-c', line], {
    env: { ...process.env, NODE_OPTIONS: '', D: `docker -H ${daemon.host}` },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  let text = '';
  child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk;
  });
  return new Promise((ended, failed) => {
    child.once('error', failed);
    child.once('close', () => ended(text));
  });
}

/** Polls until `look` answers something. */
async function until<T>(look: () => T | undefined | false | Promise<T | undefined | false>): Promise<T> {
  for (let left = 500; left > 0; left -= 1) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    await delay(20);
  }
  throw new Error('it did not come in time');
}

async function withDaemon(t: Test, args: readonly string[] = []): Promise<TestDaemon> {
  const daemon = await startTestDaemon(t, { args });
  await daemon.loadBusybox();
  return daemon;
}

t.test('a container that has ended', async (t) => {
  const daemon = await withDaemon(t);

  await t.test('plain, and stderr apart from stdout', async (t) => {
    const name = await ran(daemon, 'echo out; echo err >&2; echo more');
    t.match(await daemon.docker(['logs', name]), { code: 0, stdout: 'out\nmore\n', stderr: 'err\n' });
    const only = async (query: string) => (await daemon.api('GET', `/containers/${name}/logs?${query}`)).text;
    t.equal(await only('stdout=1'), '\x01\0\0\0\0\0\0\x04out\n\x01\0\0\0\0\0\0\x05more\n');
    t.equal(await only('stderr=1'), '\x02\0\0\0\0\0\0\x04err\n');
  });

  await t.test('--tail', async (t) => {
    const name = await ran(daemon, 'i=0; while [ $i -lt 50 ]; do echo line $i; i=$((i+1)); done');
    t.equal(await logs(daemon, '--tail', '3', name), 'line 47\nline 48\nline 49\n');
    t.equal(await logs(daemon, '-n', '0', name), '');
    t.equal((await logs(daemon, '--tail', 'all', name)).split('\n').length, 51);
    t.equal((await logs(daemon, '--tail', '1000', name)).split('\n').length, 51);
  });

  await t.test('-t, --since and --until', async (t) => {
    const name = await ran(daemon, 'echo one; sleep 0.2; echo two; sleep 0.2; echo three');
    const text = await logs(daemon, '-t', name);
    t.match(text, /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{9}Z (one|two|three)\n){3}$/);
    const times = text.split('\n').map((line) => line.split(' ')[0] ?? '');
    t.ok(Math.abs(Date.parse(times[0] ?? '') - Date.now()) < 60_000, 'the time is now');
    t.equal(await logs(daemon, '--since', times[1] ?? '', name), 'two\nthree\n');
    t.equal(await logs(daemon, '--until', times[1] ?? '', name), 'one\ntwo\n');
    t.equal(await logs(daemon, '--since', times[1] ?? '', '--until', times[1] ?? '', name), 'two\n');
    t.equal(await logs(daemon, '--since', '1h', name), 'one\ntwo\nthree\n');
    t.equal(await logs(daemon, '--until', '1h', name), '');
  });

  await t.test('a terminal', async (t) => {
    const name = await ran(daemon, 'echo out; echo err >&2', '-t');
    t.equal(await logs(daemon, name), 'out\r\nerr\r\n');
  });

  await t.test('a line of 200 kB, and an end without a newline', async (t) => {
    const name = await ran(daemon, 'head -c 200000 /dev/zero | tr "\\0" x; echo; printf end');
    t.equal(await logs(daemon, name), `${'x'.repeat(200_000)}\nend`);
    t.match(await logs(daemon, '-t', name), /^\S{30} x{200000}\n\S{30} end$/);
    t.equal(await logs(daemon, '--tail', '1', name), 'end');
    t.equal(await logs(daemon, '--tail', '2', name), `${'x'.repeat(200_000)}\nend`);
  });

  await t.test('50 MB byte for byte, in constant memory', async (t) => {
    const name = await ran(
      daemon,
      'head -c 50000000 /dev/urandom >/tmp/f; cat /tmp/f; sha256sum </tmp/f >&2',
    );
    const before = peakMemory(daemon.pid);
    const sum = await shell(daemon, `$D logs ${name} 2>/dev/null | sha256sum`);
    t.equal(sum, (await daemon.docker(['logs', '--tail', '1', name])).stderr);
    const slow = await shell(daemon, `$D logs ${name} 2>/dev/null | { sleep 1; wc -c; }`);
    t.equal(slow.trim(), '50000000');
    t.ok(peakMemory(daemon.pid) - before < 40_000, 'the daemon needed less than 40 MB more', {
      before,
      after: peakMemory(daemon.pid),
    });
  });

  await t.test('two runs of it follow each other', async (t) => {
    const name = await ran(daemon, 'echo run');
    await daemon.docker(['start', '-a', name]);
    t.equal(await logs(daemon, '-f', name), 'run\nrun\n');
  });

  await t.test('never started, and unknown', async (t) => {
    await daemon.docker(['create', '--name', 'never', 'busybox', 'true']);
    t.match(await daemon.docker(['logs', '-f', 'never']), { code: 0, stdout: '', stderr: '' });
    t.match(await daemon.docker(['logs', 'unknown']), {
      code: 1,
      stderr: 'Error response from daemon: No such container: unknown\n',
    });
  });

  await t.test('what is asked for wrongly', async (t) => {
    const ask = (query: string) => daemon.api('GET', `/containers/never/logs?${query}`);
    t.match(await ask(''), {
      status: 400,
      body: { message: 'Bad parameters: you must choose at least one stream' },
    });
    t.match(await ask('stdout=1&since=yesterday'), {
      status: 400,
      body: { message: /invalid value for "since"/ },
    });
    t.match(await ask('stdout=1&until=99999999999999'), { status: 400 });
    t.match(await ask('stdout=1&tail=some'), { status: 200 });
  });
});

/** The most that it ever had, in kB. */
function peakMemory(pid: number): number {
  return Number(/VmHWM:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]);
}

t.test('a container that runs', async (t) => {
  const daemon = await withDaemon(t);

  await t.test('-f ends with it, with everything that it wrote', async (t) => {
    const name = await started(
      daemon,
      'i=0; while [ $i -lt 20 ]; do echo $i; sleep 0.02; i=$((i+1)); done; printf end',
    );
    const expected = `${Array.from({ length: 20 }, (_, index) => `${index}\n`).join('')}end`;
    t.equal(await logs(daemon, '-f', name), expected);
  });

  await t.test('-f of one that is removed when it ends', async (t) => {
    const name = await started(
      daemon,
      'read x; i=0; while [ $i -lt 2000 ]; do echo $i; i=$((i+1)); done',
      '--rm',
      '-i',
    );
    const text = logs(daemon, '-f', '--tail', '5', name);
    await delay(200);
    await shell(daemon, `echo | $D attach ${name} >/dev/null`);
    t.equal((await text).trim().split('\n').length, 2000);
  });

  await t.test('-f ends at a restart', async (t) => {
    const name = await started(
      daemon,
      'echo begun; trap "echo over; exit" TERM; while :; do sleep 0.05; done',
    );
    const text = logs(daemon, '-f', name);
    await until(async () => (await logs(daemon, name)) === 'begun\n');
    await daemon.docker(['restart', name]);
    t.equal(await text, 'begun\nover\n');
    await until(async () => (await logs(daemon, name)) === 'begun\nover\nbegun\n');
  });

  await t.test('-f --until ends at that time', async (t) => {
    const name = await started(daemon, 'while :; do echo x; sleep 0.1; done');
    const { code, stdout } = await daemon.docker([
      'logs',
      '-f',
      '--until',
      `${Date.now() / 1000 + 0.5}`,
      name,
    ]);
    t.equal(code, 0);
    t.match(stdout, /^(x\n)+$/);
  });

  await t.test('the headers come before there is anything, and a client may leave', async (t) => {
    const name = await started(daemon, 'sleep 60');
    const openFiles = () => readdirSync(`/proc/${daemon.pid}/fd`).length;
    const before = openFiles();
    for (const [version, type] of [
      ['v1.41', 'raw'],
      ['v1.42', 'multiplexed'],
    ]) {
      const headers = await follow(daemon, `/${version}/containers/${name}/logs?stdout=1&follow=1`);
      t.equal(headers['content-type'], `application/vnd.docker.${type}-stream`);
      t.equal(headers['transfer-encoding'], 'chunked');
    }
    t.ok(await until(() => openFiles() <= before + 1), 'nothing is left open');
  });
});

/** The headers of an answer that has no end; the client leaves after them. */
function follow(daemon: TestDaemon, path: string): Promise<Record<string, unknown>> {
  return new Promise((answered, failed) => {
    const asked = request({ socketPath: daemon.socket, path, agent: false }, (response) => {
      response.on('error', () => {});
      answered(response.headers);
      asked.destroy();
    });
    asked.on('error', failed);
    asked.end();
  });
}

t.test('a daemon that dies loses nothing of what is written meanwhile', async (t) => {
  const daemon = await withDaemon(t);
  const name = await started(
    daemon,
    'i=0; while [ $i -lt 300 ]; do echo line $i; sleep 0.01; i=$((i+1)); done',
  );
  await delay(300);
  await daemon.kill();
  await delay(500);
  await daemon.restart();
  const expected = Array.from({ length: 300 }, (_, index) => `line ${index}\n`).join('');
  t.equal(await logs(daemon, '-f', name), expected);
  t.equal(await logs(daemon, name), expected);
});
