/** `docker logs` and what follows from it, with the real daemon, real containers and the real docker command. */
import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { request } from 'node:http';
import { createConnection, type Socket } from 'node:net';
import { join } from 'node:path';
import type { Duplex } from 'node:stream';
import { setTimeout as delay } from 'node:timers/promises';
import t, { type Test } from 'tap';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';

t.setTimeout(240_000);

const NO_NETWORK = ['--network', 'none'];

/** Runs to its end and stays, so that its log can be read; answers its name. */
async function ran(daemon: TestDaemon, script: string, ...options: string[]): Promise<string> {
  const name = await started(daemon, script, ...options);
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
      ...['--log-driver', 'local', '--log-opt', 'max-size=100m'],
    );
    const before = beginPeak(daemon.pid);
    const sum = await shell(daemon, `$D logs ${name} 2>/dev/null | sha256sum`);
    t.equal(sum, (await daemon.docker(['logs', '--tail', '2', name])).stderr);
    const slow = await shell(daemon, `$D logs ${name} 2>/dev/null | { sleep 1; wc -c; }`);
    t.equal(slow.trim(), '50000000');
    t.ok(peakMemory(daemon.pid) - before < 40_000, 'the daemon needed less than 40 MB more', {
      before,
      after: peakMemory(daemon.pid),
    });
  });

  await t.test('six readers that do not read cost little memory', async (t) => {
    const name = await ran(daemon, `yes '${'x'.repeat(99)}' | head -c 40000000`);
    const before = beginPeak(daemon.pid);
    const readers = await Promise.all(
      Array.from({ length: 6 }, (_, index) =>
        stalled(daemon, `/containers/${name}/logs?stdout=1&follow=${index % 2}`),
      ),
    );
    // Others are served meanwhile, and a log of that size passes through.
    t.equal((await shell(daemon, `$D logs ${name} | wc -c`)).trim(), '40000000');
    const more = peakMemory(daemon.pid) - before;
    for (const reader of readers) reader.destroy();
    // Seven times 40 MB would pass through a daemon that holds what is not read.
    t.ok(more < 60_000, 'the daemon needed less than 60 MB more, the one who reads included', { more });
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

/** Forgets the most memory that it ever had; answers what it has now, in kB. */
function beginPeak(pid: number): number {
  writeFileSync(`/proc/${pid}/clear_refs`, '5');
  return peakMemory(pid);
}

/** The most that it had since, in kB. */
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

t.test('attach with logs', async (t) => {
  const daemon = await withDaemon(t);

  await t.test('of one that runs: every byte once, and its input', async (t) => {
    const name = await started(
      daemon,
      'i=0; while [ $i -lt 300 ]; do echo $i; i=$((i+1)); done; read x; echo $x; printf end',
      '-i',
    );
    const { stream, text } = await attach(daemon, name, 'logs=1&stream=1&stdin=1&stdout=1&stderr=1');
    await delay(100);
    stream.write('given\n');
    const lines = Array.from({ length: 300 }, (_, index) => `${index}\n`).join('');
    t.equal(plain(await text), `${lines}given\nend`);
  });

  await t.test('of one that writes without an end', async (t) => {
    const name = await started(daemon, 'i=0; while [ $i -lt 50000 ]; do echo $i; i=$((i+1)); done');
    const { text } = await attach(daemon, name, 'logs=1&stream=1&stdout=1');
    t.equal(plain(await text), Array.from({ length: 50_000 }, (_, index) => `${index}\n`).join(''));
  });

  await t.test('without stream it ends, and only what was asked for comes', async (t) => {
    const name = await started(daemon, 'echo out; echo err >&2; sleep 60');
    await until(async () => (await logs(daemon, name)) === 'out\n');
    const { text } = await attach(daemon, name, 'logs=1&stderr=1');
    t.equal(await text, '\x02\0\0\0\0\0\0\x04err\n');
  });

  await t.test('of one that has ended it goes on at the next start', async (t) => {
    const name = await ran(daemon, 'echo run');
    const { text } = await attach(daemon, name, 'logs=1&stream=1&stdout=1');
    await delay(100);
    await daemon.docker(['start', name]);
    t.equal(plain(await text), 'run\nrun\n');
  });
});

/** The text in frames, which come in one byte a character. */
function plain(framed: string): string {
  const bytes = Buffer.from(framed, 'latin1');
  let text = '';
  for (let at = 0; at < bytes.length; ) {
    const end = at + 8 + bytes.readUInt32BE(at + 4);
    text += bytes.toString('latin1', at + 8, end);
    at = end;
  }
  return text;
}

/** An attached client, and what it was sent until the end. */
function attach(
  daemon: TestDaemon,
  name: string,
  query: string,
): Promise<{ stream: Duplex; text: Promise<string> }> {
  return new Promise((answered, failed) => {
    const path = `/containers/${name}/attach?${query}`;
    const headers = { Connection: 'Upgrade', Upgrade: 'tcp' };
    const asked = request({ socketPath: daemon.socket, path, method: 'POST', headers, agent: false });
    asked.once('error', failed);
    asked.once('upgrade', (_, stream, head) => {
      let said = head.toString('latin1');
      stream.setEncoding('latin1').on('data', (chunk: string) => {
        said += chunk;
      });
      answered({ stream, text: new Promise((ended) => stream.once('end', () => ended(said))) });
    });
    asked.end();
  });
}

/** A client that asks, gets the first bytes, and reads no more. */
function stalled(daemon: TestDaemon, path: string): Promise<Socket> {
  const client = createConnection({ path: daemon.socket });
  client.write(`GET ${path} HTTP/1.1\r\nHost: test\r\n\r\n`);
  return new Promise((answered, failed) => {
    client.once('error', failed);
    client.once('data', () => answered(client.pause()));
  });
}

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

t.test('log drivers and their options', async (t) => {
  const daemon = await withDaemon(t);
  const refused = async (...options: string[]) =>
    (await daemon.docker(['create', ...options, 'busybox'])).stderr.split('\n')[0];

  await t.test('what Docker refuses, in its words', async (t) => {
    const prefix = 'Error response from daemon: ';
    t.equal(
      await refused('--log-opt', 'size=1m'),
      `${prefix}unknown log opt 'size' for json-file log driver`,
    );
    t.match(
      await refused('--log-driver', 'nosuch'),
      `${prefix}logger: no log driver named 'nosuch' is registered`,
    );
    t.equal(await refused('--log-opt', 'mode=some'), `${prefix}logger: logging mode not supported: some`);
  });

  await t.test('none keeps nothing', async (t) => {
    const name = await ran(daemon, 'echo out', '--log-driver', 'none');
    t.match(await daemon.docker(['logs', name]), {
      code: 1,
      stdout: '',
      stderr: 'Error response from daemon: configured logging driver does not support reading\n',
    });
    t.equal((await daemon.api('GET', `/containers/${name}/logs?stdout=1`)).status, 501);
    t.equal((await daemon.api('POST', `/containers/${name}/attach?logs=1&stdout=1`)).status, 501);
    t.same(logFiles(daemon, await idOf(daemon, name)), []);
    const { stdout } = await daemon.docker([
      'run',
      '--rm',
      '--log-driver',
      'none',
      'busybox',
      'echo',
      'seen',
    ]);
    t.equal(stdout, 'seen\n', 'who is attached sees it');
  });

  await t.test('inspect shows them', async (t) => {
    const config = async (...options: string[]) => {
      const { stdout } = await daemon.docker(['create', ...options, 'busybox']);
      const format = '{{json .HostConfig.LogConfig}} {{.LogPath}}';
      return (await daemon.docker(['inspect', '--format', format, stdout.trim()])).stdout;
    };
    t.match(await config(), /^\{"Type":"json-file","Config":\{\}\} \/.*\/([0-9a-f]{64})\/\1-json\.log\n$/);
    t.match(await config('--log-opt', 'max-size=1m'), /^\{"Type":"json-file","Config":\{"max-size":"1m"\}\}/);
    t.match(await config('--log-driver', 'none'), /^\{"Type":"none","Config":\{\}\} \n$/);
  });

  await t.test('--details', async (t) => {
    const options = ['-l', 'b=2 3', '-l', 'c=4', '-e', 'A=1', '--log-opt', 'labels=b', '--log-opt', 'env=A'];
    const name = await ran(daemon, 'echo x', ...options);
    t.equal(await logs(daemon, '--details', name), 'A=1,b=2+3 x\n');
    t.match(await logs(daemon, '--details', '-t', name), /^\S{30} A=1,b=2\+3 x\n$/);
  });
});

t.test('rotation', async (t) => {
  const daemon = await withDaemon(t);
  const line = (index: number) => `line ${String(index).padStart(6, '0')} ${'x'.repeat(80)}`;
  const writer = (count: number, pause: string) =>
    `x=${'x'.repeat(80)}; i=0; while [ $i -lt ${count} ]; do printf 'line %06d %s\\n' $i $x; i=$((i+1)); ${pause} done`;

  await t.test('nothing is lost over renames, read at once and followed', async (t) => {
    const pause = 'if [ $((i % 500)) = 0 ]; then sleep 0.1; fi;';
    const name = await started(
      daemon,
      writer(8000, pause),
      '--log-opt',
      'max-size=100k',
      '--log-opt',
      'max-file=50',
    );
    const whole = `${Array.from({ length: 8000 }, (_, index) => line(index)).join('\n')}\n`;
    t.equal(await logs(daemon, '-f', name), whole);
    t.equal(await logs(daemon, name), whole);
    t.equal(await logs(daemon, '--tail', '5000', name), whole.split('\n').slice(-5001).join('\n'));
    t.ok(logFiles(daemon, await idOf(daemon, name)).length > 2, 'there are several files');
  });

  await t.test('the oldest go', async (t) => {
    const pause = 'if [ $((i % 500)) = 0 ]; then sleep 0.3; fi;';
    const options = ['--log-opt', 'max-size=20k', '--log-opt', 'max-file=2'];
    const name = await started(daemon, `${writer(4000, pause)}; sleep 60`, ...options);
    const id = await idOf(daemon, name);
    const last = async () => (await logs(daemon, '--tail', '1', name)) === `${line(3999)}\n`;
    await until(last);
    await until(() => logFiles(daemon, id).length === 2);
    const kept = (await logs(daemon, name)).trim().split('\n');
    t.ok(kept.length < 4000);
    t.same(
      kept,
      Array.from({ length: kept.length }, (_, index) => line(4000 - kept.length + index)),
    );
  });

  await t.test('a daemon that was away rotates later', async (t) => {
    const name = await started(
      daemon,
      writer(3000, 'sleep 0.001;'),
      '--log-opt',
      'max-size=100k',
      '--log-opt',
      'max-file=9',
    );
    const id = await idOf(daemon, name);
    await daemon.kill();
    await delay(1000);
    t.equal(logFiles(daemon, id).length, 1);
    // As it is when the daemon dies between the rename and the order to open a new file.
    const file = join(daemon.dataRoot, 'containers', id, 'container.log');
    renameSync(file, `${file}.1`);
    await daemon.restart();
    t.equal(
      await logs(daemon, '-f', name),
      `${Array.from({ length: 3000 }, (_, index) => line(index)).join('\n')}\n`,
    );
    t.ok(logFiles(daemon, id).length > 1);
  });
});

t.test("the daemon's defaults", async (t) => {
  const daemon = await withDaemon(t, ['--log-driver', 'local', '--log-opt', 'max-size=2m']);
  const config = async (...options: string[]) => {
    const { stdout } = await daemon.docker(['create', ...options, 'busybox']);
    return (
      await daemon.docker(['inspect', '--format', '{{json .HostConfig.LogConfig}}', stdout.trim()])
    ).stdout.trim();
  };
  t.equal(await config(), '{"Type":"local","Config":{"max-size":"2m"}}');
  t.equal(
    await config('--log-opt', 'max-file=3'),
    '{"Type":"local","Config":{"max-file":"3","max-size":"2m"}}',
  );
  t.equal(await config('--log-driver', 'json-file'), '{"Type":"json-file","Config":{}}');
  t.match(await daemon.docker(['info', '--format', '{{.LoggingDriver}}']), { stdout: 'local\n' });
});

async function idOf(daemon: TestDaemon, name: string): Promise<string> {
  return (await daemon.docker(['inspect', '--format', '{{.Id}}', name])).stdout.trim();
}

function logFiles(daemon: TestDaemon, id: string): readonly string[] {
  const names = readdirSync(join(daemon.dataRoot, 'containers', id));
  return names.filter(
    (name) => name.includes('log') && !name.startsWith('container.log') && name !== 'log.state',
  );
}
