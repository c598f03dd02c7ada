/** `test/setup.sh` on machines that lack something, each made of a PATH of its own and stand-ins for apt and sudo. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, delimiter, join, resolve } from 'node:path';
import t from 'tap';

const SETUP = resolve(import.meta.dirname, '../setup.sh');
/** On every machine, however bare. */
const BASE =
  'sh bash cat cp cut dirname env find grep head id mkdir mktemp paste printf rm sed sort tail touch tr true'.split(
    ' ',
  );
const RUN = ['crun', 'runc', 'conmon', 'ip', 'setpriv', 'mount', 'socat', 'xz'];
const TESTS = [
  'docker',
  'dockerd',
  'containerd',
  'skopeo',
  'umoci',
  'mkfs.ext4',
  'curl',
  'docker-registry',
  'htpasswd',
  'openssl',
  'zstd',
  'catatonit',
  'python3',
  'ps',
];

interface Machine {
  /** Stand-in programs, each a shell script's text. */
  readonly programs?: Readonly<Record<string, string>>;
  readonly has?: readonly string[];
  readonly modules?: boolean;
}

interface Outcome {
  readonly status: number | null;
  readonly output: string;
  /** What the stand-ins wrote down. */
  readonly calls: string;
}

function setUp(
  t: { teardown(fn: () => void): unknown },
  { programs = {}, has = [], modules = true }: Machine,
  args: string[] = [],
): Outcome {
  const dir = mkdtempSync(join(tmpdir(), 'setup-'));
  t.teardown(() => rmSync(dir, { recursive: true, force: true }));
  const bin = join(dir, 'bin');
  for (const path of [bin, join(dir, 'test')]) mkdirSync(path);
  copyFileSync(SETUP, join(dir, 'test/setup.sh'));
  writeFileSync(join(dir, 'package-lock.json'), '{}');
  if (modules) mkdirSync(join(dir, 'node_modules'));
  if (modules) writeFileSync(join(dir, 'node_modules/.package-lock.json'), '{}');
  for (const name of BASE) symlinkSync(which(name), join(bin, name));
  const scripts = { ...Object.fromEntries(has.map((name) => [name, ''])), ...programs };
  for (const [name, text] of Object.entries(scripts)) {
    rmSync(join(bin, name), { force: true });
    writeFileSync(join(bin, name), `#!/bin/sh\n${text}\n`);
    chmodSync(join(bin, name), 0o755);
  }
  // The search that setup.sh adds for what is not on the PATH must not find this machine's programs.
  const script = readFileSync(SETUP, 'utf8').replaceAll(/:\/usr\/local\/sbin:\/usr\/sbin:\/sbin/g, '');
  writeFileSync(join(dir, 'test/setup.sh'), script);
  const calls = join(dir, 'calls');
  const env = { PATH: bin, CALLS: calls, BIN: bin };
  const { status, stdout, stderr } = spawnSync('/bin/sh', [join(dir, 'test/setup.sh'), ...args], { env });
  return {
    status,
    output: `${stdout}${stderr}`,
    calls: existsSync(calls) ? readFileSync(calls, 'utf8') : '',
  };
}

function which(name: string): string {
  const found = ['/usr/bin', '/bin', ...(process.env.PATH ?? '').split(delimiter)]
    .map((dir) => join(dir, name))
    .find((path) => existsSync(path));
  if (found === undefined) throw new Error(`this machine has no ${name}`);
  return found;
}

const user = { id: 'echo 1000' };
const root = { id: 'echo 0' };
const aptCache = { 'apt-cache': 'case $2 in docker-cli) exit 100;; esac' };
/** Notes its call, and installs a program for each package that `PACKAGE=PROGRAM` rows name. */
const aptGet = (makes: readonly string[] = []) => ({
  'apt-get': `echo "apt-get $*" >> $CALLS
case "$*" in *install*) for program in ${makes.join(' ')}; do cp $BIN/true $BIN/$program; done;; esac`,
});

t.test('says and does nothing when nothing is to be done', async (t) => {
  const outcome = setUp(t, { has: [...RUN, ...TESTS], programs: aptGet() }, ['test']);
  t.same(outcome, { status: 0, output: '', calls: '' });
});

t.test('names what is missing where there is no apt', async (t) => {
  const { status, output } = setUp(t, { has: RUN.filter((name) => name !== 'conmon') });
  t.equal(status, 1);
  t.equal(
    output,
    'setup: these programs are missing, and there is no apt-get to install them with: conmon\n',
  );
});

t.test('names programs and packages to a user who may not install them', async (t) => {
  const has = [...RUN, ...TESTS].filter((name) => !['crun', 'docker', 'mkfs.ext4'].includes(name));
  const programs = { ...user, ...aptCache, ...aptGet() };
  const refused = { sudo: 'exit 1' };
  for (const [name, more] of [
    ['no sudo', {}],
    ['a sudo that asks for a password', refused],
  ] as const) {
    const { status, output, calls } = setUp(t, { has, programs: { ...programs, ...more } }, ['test']);
    t.equal(status, 1, name);
    t.match(output, 'setup: these programs are missing: crun docker mkfs.ext4\n', name);
    t.match(output, 'setup: they are in these Debian packages: crun docker.io e2fsprogs\n', name);
    t.match(output, 'setup: neither root nor sudo is at hand to install them\n', name);
    t.equal(calls, '', name);
  }
});

t.test('installs with apt as root, and through sudo as another user', async (t) => {
  const has = RUN.filter((name) => !['crun', 'xz'].includes(name));
  const sudo = { sudo: 'echo "sudo $1" >> $CALLS; case $1 in -n) shift;; esac; "$@"' };
  for (const [name, programs] of [
    ['root', root],
    ['sudo', { ...user, ...sudo }],
  ] as const) {
    const made = { ...aptCache, ...aptGet(['crun', 'xz']) };
    const { status, output, calls } = setUp(t, { has, programs: { ...programs, ...made } });
    t.equal(status, 0, `${name}: ${output}`);
    t.equal(output, 'setup: installing crun xz-utils\n', name);
    t.match(calls, /^apt-get .*install --no-install-recommends crun xz-utils$/m, name);
    t.notMatch(calls, ' update', name);
    t.equal(/^sudo env$/m.test(calls), name === 'sudo', name);
  }
});

t.test(
  'updates the package lists when apt does not know the packages, or their versions are gone',
  async (t) => {
    const has = RUN.filter((name) => name !== 'crun');
    const never = { 'apt-cache': '[ -e $CALLS ]' };
    const first = setUp(t, { has, programs: { ...root, ...never, ...aptGet(['crun']) } });
    t.match(first.calls, /^apt-get .* update\napt-get .*install/);
    const gone = {
      'apt-get': `echo "apt-get $*" >> $CALLS; case "$*" in *update) cp $BIN/true $BIN/now;; *) [ -e $BIN/now ] && cp $BIN/true $BIN/crun;; esac`,
    };
    const second = setUp(t, { has, programs: { ...root, ...aptCache, ...gone } });
    t.equal(second.status, 0, second.output);
    t.match(second.calls, /install.*\napt-get .*update\napt-get .*install/);
  },
);

t.test('fails with the words of apt', async (t) => {
  const has = RUN.filter((name) => name !== 'crun');
  const broken = { 'apt-get': 'echo "E: the disk is full" >&2; exit 100' };
  const { status, output } = setUp(t, { has, programs: { ...root, ...aptCache, ...broken } });
  t.equal(status, 1);
  t.match(output, 'E: the disk is full');
});

t.test('installs npm packages by npm ci, and by npm install when the lock does not fit', async (t) => {
  const npm = (fault: string) => ({
    npm: `echo "npm $1" >> $CALLS; mkdir -p node_modules; [ $1 != ci ] || [ -z "${fault}" ] || { echo "${fault}"; exit 1; }`,
  });
  const setUpWith = (fault: string) => setUp(t, { has: RUN, modules: false, programs: npm(fault) });
  const said = 'setup: npm packages\n';
  t.same(setUpWith(''), { status: 0, output: said, calls: 'npm ci\n' });
  t.same(setUpWith('EUSAGE'), { status: 0, output: said, calls: 'npm ci\nnpm install\n' });
  const away = setUpWith('no network');
  t.equal(away.status, 1);
  t.equal(away.calls, 'npm ci\n');
  t.match(away.output, 'no network');
});

t.test('every program of the fake machines is one that the script asks for', async (t) => {
  const script = readFileSync(SETUP, 'utf8');
  for (const name of [...RUN, ...TESTS]) t.match(script, `\n  ${name} `);
  t.ok(readdirSync(resolve(SETUP, '..')).includes(basename(SETUP)));
});
