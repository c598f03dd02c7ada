/** Docker's JSON log files: the same as a stock dockerd writes them, rotated, on a full disk, and over crashes. */
import { execFile, execFileSync, spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { promisify } from 'node:util';
import { gunzipSync } from 'node:zlib';
import t, { type Test } from 'tap';
import { dockerIsInstalled, startDocker } from '../bench/peer.ts';
import { startTestDaemon, type TestDaemon } from '../fixtures/daemon.ts';
import { makeBusyboxArchive } from '../fixtures/make-busybox-image.ts';

t.setTimeout(300_000);
const exec = promisify(execFile);

async function withDaemon(t: Test, dataRoot?: string): Promise<TestDaemon> {
  const daemon = await startTestDaemon(t, dataRoot === undefined ? {} : { dataRoot });
  await daemon.loadBusybox();
  return daemon;
}

type Docker = (...args: string[]) => Promise<string>;

function dockerOf(daemon: TestDaemon): Docker {
  return async (...args) => {
    const { code, stdout, stderr } = await daemon.docker(args);
    if (code !== 0) throw new Error(stderr);
    return stdout.trim();
  };
}

/** Runs to its end; answers the path of its log. */
async function ran(docker: Docker, name: string, script: string, ...options: string[]): Promise<string> {
  await docker('run', '--name', name, '--network', 'none', ...options, 'busybox', 'sh', '-c', script);
  return docker('inspect', '-f', '{{.LogPath}}', name);
}

/** What a log says, but for what differs from run to run. */
function comparable(file: string): readonly string[] {
  return readFileSync(file, 'latin1')
    .split('\n')
    .map((line) =>
      line
        .replace(/"time":"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,9})?Z"\}$/, '"time":TIME}')
        .replace(/sha256:[0-9a-f]{5,64}/, 'IMAGE')
        .replace(/\b[0-9a-f]{12}\b/, 'ID'),
    );
}

/** Every byte but the newline and the percent sign, as printf takes it. */
const EVERY_BYTE = Array.from({ length: 256 }, (_, byte) => byte)
  .filter((byte) => byte !== 10 && byte !== 37)
  .map((byte) => `\\${byte.toString(8).padStart(3, '0')}`)
  .join('');

const SCRIPTS: readonly (readonly [name: string, script: string, ...options: string[]])[] = [
  ['every-byte', `printf '${EVERY_BYTE}\\n'`],
  [
    'unicode',
    "printf 'x\\342\\200\\250\\342\\200\\251y\\303\\251\\360\\237\\230\\200 \\355\\240\\200 \\300\\200 \\342\\202z\\n'",
  ],
  [
    'long-lines',
    'head -c 40000 /dev/zero | tr "\\0" x; echo; head -c 16384 /dev/zero | tr "\\0" y; echo; echo; printf end',
  ],
  ['streams', 'echo out; sleep 0.2; echo err >&2; sleep 0.2; echo more'],
  ['terminal', 'echo a; echo b', '-t'],
  [
    'attributes',
    'echo x',
    ...[
      '-l',
      'l<1=v"&',
      '-l',
      'lab2=q',
      '-e',
      'E1=x',
      '-e',
      'E2=y=z',
      '--log-opt',
      'labels=l<1',
      '--log-opt',
      'env=E1',
    ],
    ...['--log-opt', 'env-regex=^E2', '--log-opt', 'labels-regex=^lab'],
    ...['--log-opt', 'tag={{.Name}}/{{.ID}} {{.ImageName}} {{.ImageID}} {{.Command}} {{lower .Name}}'],
  ],
];

t.test(
  'byte for byte what a stock dockerd writes',
  { skip: !dockerIsInstalled() && 'there is no dockerd' },
  async (t) => {
    const root = mkdtempSync(join(tmpdir(), 'gantry-dockerd-'));
    const peer = await startDocker(root);
    t.teardown(async () => {
      await peer.stop();
      rmSync(root, { recursive: true, force: true });
    });
    const theirs: Docker = async (...args) =>
      (await exec('docker', ['-H', `unix://${peer.socket}`, ...args], { encoding: 'latin1' })).stdout.trim();
    const archive = join(root, 'busybox.tar');
    makeBusyboxArchive(archive, { tag: 'busybox:latest', format: 'docker' });
    await theirs('load', '-i', archive);
    const ours = dockerOf(await withDaemon(t));
    for (const [name, script, ...options] of SCRIPTS) {
      const [expected, found] = await Promise.all([
        ran(theirs, name, script, ...options),
        ran(ours, name, script, ...options),
      ]);
      t.same(comparable(found), comparable(expected), name);
      t.match(found, /\/([0-9a-f]{64})\/\1-json\.log$/);
    }
  },
);

const LINE = /^line (\d{6}) x{80}$/;
const writer = (count: number, pause = '') =>
  `x=${'x'.repeat(80)}; i=0; while [ $i -lt ${count} ]; do printf 'line %06d %s\\n' $i $x; i=$((i+1)); ${pause} done`;

/** The texts in the files of a log, the oldest first. */
function textsIn(file: string): readonly string[] {
  const names = readdirSync(dirname(file))
    .map((name) => join(dirname(file), name))
    .filter((path) => path.startsWith(file))
    .sort((a, b) => numberOf(b) - numberOf(a));
  return names.flatMap((path) => {
    const bytes = path.endsWith('.gz') ? gunzipSync(readFileSync(path)) : readFileSync(path);
    return bytes
      .toString('utf8')
      .split('\n')
      .slice(0, -1)
      .map((line) => (JSON.parse(line) as { log: string }).log.trimEnd());
  });
}

function numberOf(path: string): number {
  return Number(/\.(\d+)(\.gz)?$/.exec(path)?.[1] ?? 0);
}

const expected = (from: number, to: number) =>
  Array.from(
    { length: to - from },
    (_, at) => `line ${String(from + at).padStart(6, '0')} ${'x'.repeat(80)}`,
  );

t.test('rotation with max-size, max-file and compress', async (t) => {
  const daemon = await withDaemon(t);
  const docker = dockerOf(daemon);
  const options = ['max-size=100k', 'max-file=4', 'compress=true'].flatMap((option) => ['--log-opt', option]);
  const file = await ran(
    docker,
    'rotated',
    writer(8000, 'if [ $((i % 1000)) = 0 ]; then sleep 0.1; fi;'),
    ...options,
  );
  await until('compressed files', () => existsSync(`${file}.1.gz`) && existsSync(`${file}.3.gz`));
  t.notOk(existsSync(`${file}.4.gz`) || existsSync(`${file}.4`));
  const texts = textsIn(file);
  t.same(texts, expected(8000 - texts.length, 8000));
  t.ok(texts.length > 1500 && texts.length < 3000, `${texts.length} lines are kept`);
  t.equal(await docker('logs', 'rotated'), texts.join('\n'), 'docker logs reads compressed files too');
  t.equal(await docker('logs', '--tail', '1200', 'rotated'), texts.slice(-1200).join('\n'));
});

t.test('a daemon that is killed at any moment writes no line twice and loses none', async (t) => {
  const daemon = await withDaemon(t);
  const docker = dockerOf(daemon);
  const id = await docker(
    ...[
      'run',
      '-d',
      '--name',
      'crashed',
      '--network',
      'none',
      '--log-opt',
      'max-size=300k',
      '--log-opt',
      'max-file=9',
    ],
    ...['busybox', 'sh', '-c', writer(12_000, 'if [ $((i % 100)) = 0 ]; then sleep 0.02; fi;')],
  );
  for (let round = 0; round < 4; round += 1) {
    await delay(300 + round * 37);
    await daemon.kill();
    await daemon.restart();
  }
  await docker('wait', 'crashed');
  t.same(textsIn(join(daemon.dataRoot, 'containers', id, `${id}-json.log`)), expected(0, 12_000));
  t.equal(await docker('logs', 'crashed'), expected(0, 12_000).join('\n'));
  t.same(
    readdirSync(join(daemon.dataRoot, 'containers', id)).filter((name) => name.startsWith('container.log')),
    [],
    'no journal is left',
  );
});

t.test('the journal goes where its driver has taken everything', async (t) => {
  const daemon = await withDaemon(t);
  const docker = dockerOf(daemon);
  const script = `yes '${'x'.repeat(99)}' | head -c 60000000; sleep 1000`;
  const id = await docker('run', '-d', '--network', 'none', 'busybox', 'sh', '-c', script);
  const dir = join(daemon.dataRoot, 'containers', id);
  const sizeOf = (wanted: (name: string) => boolean) =>
    readdirSync(dir).reduce((sum, name) => sum + (wanted(name) ? statSync(join(dir, name)).size : 0), 0);
  await until('all is written', () => sizeOf((name) => name.endsWith('-json.log')) > 60_000_000);
  await until('it is cut', () => sizeOf((name) => name.startsWith('container.log')) < 20_000_000);
  t.equal(await docker('logs', '--tail', '1', id), 'x'.repeat(99));
  await docker('kill', id);
  t.equal(
    sizeOf((name) => name.startsWith('container.log')),
    0,
  );
});

t.test('a full disk', async (t) => {
  const dataRoot = mkdtempSync(join(tmpdir(), 'gantry-full-'));
  const small = join(dataRoot, 'containers');
  mkdirSync(small);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=2m', 'tmpfs', small]);
  t.teardown(() => {
    spawnSync('umount', ['-l', small]);
    rmSync(dataRoot, { recursive: true, force: true });
  });
  const daemon = await withDaemon(t, dataRoot);
  const docker = dockerOf(daemon);
  const filler = join(small, 'filler');
  const file = (id: string) => join(small, id, `${id}-json.log`);
  const start = (name: string, ...options: string[]) =>
    docker(
      ...['run', '-d', '--name', name, '--network', 'none', ...options, 'busybox', 'sh', '-c'],
      `${writer(1_000_000, 'if [ $((i % 50)) = 0 ]; then echo $i >/tmp/at; sleep 0.02; fi;')}`,
    );
  const at = async (name: string) => Number(await docker('exec', name, 'cat', '/tmp/at'));
  const last = async (name: string) =>
    Number(LINE.exec(await docker('logs', '--tail', '1', name))?.[1] ?? -1);

  for (const [name, options] of [
    ['plain', []],
    ['rotating', ['--log-opt', 'max-size=200k', '--log-opt', 'max-file=2', '--log-opt', 'compress=true']],
  ] as const) {
    await t.test(name, async (t) => {
      const id = await start(name, ...options);
      await until('it writes', async () => (await last(name)) > 500);
      fill(filler);
      const stuck = await at(name);
      await until('it goes on without room', async () => (await at(name)) > stuck + 1000);
      rmSync(filler);
      const free = await at(name);
      await until('logs go on', async () => (await last(name)) > free);
      t.equal(await docker('inspect', '-f', '{{.State.Running}}', name), 'true');
      await docker('rm', '-f', name);
      t.notOk(existsSync(file(id)));
    });
  }

  await t.test('nothing is torn', async (t) => {
    const id = await start('torn');
    await until('it writes', async () => (await last('torn')) > 500);
    fill(filler);
    const stuck = await at('torn');
    await until('it goes on without room', async () => (await at('torn')) > stuck + 1000);
    rmSync(filler);
    const free = await at('torn');
    await until('logs go on', async () => (await last('torn')) > free);
    await docker('kill', 'torn');
    const texts = textsIn(file(id));
    t.same(
      texts.slice(0, -1).filter((text) => !LINE.test(text)),
      [],
    );
    const numbers = texts.slice(0, -1).map((text) => Number(LINE.exec(text)?.[1]));
    t.ok(
      numbers.every((number, index) => index === 0 || number > (numbers[index - 1] ?? 0)),
      'in order, and none twice',
    );
  });
});

/** Takes all the room that there is. */
function fill(file: string): void {
  for (const size of [65_536, 4096]) {
    try {
      for (;;) writeFileSync(file, Buffer.alloc(size), { flag: 'a' });
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
    }
  }
}

/** Polls until `look` answers true. */
async function until(what: string, look: () => boolean | Promise<boolean>): Promise<void> {
  for (let left = 1000; left > 0; left -= 1) {
    if (await look()) return;
    await delay(30);
  }
  throw new Error(`it did not come in time: ${what}`);
}
