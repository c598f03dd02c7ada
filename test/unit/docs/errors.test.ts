/** docs/errors.md and the codes in the sources, compared in both directions, with their kinds and statuses. */
import { ERROR_KINDS, type ErrorKind, HostError } from '@gantry/plugin-sdk/errors.ts';
import t from 'tap';
import { toErrorAnswer } from '../../../core/api/errors.ts';
import { markdown, sourcesBelow } from './files.ts';

interface Thrown {
  readonly file: string;
  /** Undefined when the kind is worked out where it is thrown. */
  readonly kind: string | undefined;
  readonly code: string;
}

/** `new HostError(KIND, 'CODE'` as far as the code is written out; the kind may be an expression. */
const THROWN = /new HostError\(\s*(?:'(\w+)'|[^'(),]+(?:'\w+'[^'(),]+)*),\s*'(\w+)'/g;
/** Any code at all, so that the pattern above proves to miss none. */
const ANY = /new HostError\(/g;
/** What passes on an error from elsewhere, kind and code with it. */
const PASSED_ON = [
  'core/images/extract/extractor.ts',
  'core/trees/tree-threads.ts',
  'plugin-sdk/rpc/errors.ts',
];
/** Their errors are theirs, as those of any stranger's plugin. */
const EXAMPLES = 'plugin-sdk/examples/';

const files = sourcesBelow('core', 'drivers', 'plugin-sdk', 'registry').filter(
  ({ path }) => !path.startsWith(EXAMPLES),
);
const thrown = files.flatMap(({ path, text }) =>
  [...text.matchAll(THROWN)].map(([, kind, code = '']): Thrown => ({ file: path, kind, code })),
);

const rows = [
  ...markdown('docs/errors.md').matchAll(/^\| `(\w+)` \| ([^|]+) \| ([^|]+) \| ([^|]+) \| ([^|]+) \|$/gm),
].map(([, code = '', kinds = '', statuses = '', when = '', remedy = '']) => ({
  code,
  kinds,
  statuses,
  when,
  remedy,
}));

t.test('every code is documented, and every documented code exists', async (t) => {
  const inSources = new Set(thrown.map(({ code }) => code));
  const documented = rows.map(({ code }) => code);
  t.ok(inSources.size > 80, `${inSources.size} codes`);
  t.same([...inSources].filter((code) => !documented.includes(code)).sort(), [], 'missing in docs/errors.md');
  t.same(documented.filter((code) => !inSources.has(code)).sort(), [], 'no longer thrown');
  t.same(
    documented.filter((code, at) => documented.indexOf(code) !== at),
    [],
    'documented twice',
  );
});

t.test('no code escapes the comparison', async (t) => {
  for (const { path, text } of files) {
    const all = [...text.matchAll(ANY)].length;
    const understood = thrown.filter(({ file }) => file === path).length;
    if (all !== understood && !PASSED_ON.includes(path)) t.equal(understood, all, path);
  }
});

t.test('kinds and statuses are those of the sources', async (t) => {
  for (const { code, kinds, statuses } of rows) {
    const places = thrown.filter((place) => place.code === code);
    const sure = new Set(places.flatMap(({ kind }) => kind ?? []));
    if (kinds === 'of its cause') {
      t.equal(sure.size, 0, code);
      continue;
    }
    const documented = kinds.split(', ');
    for (const kind of sure) t.ok(documented.includes(kind), `${code} is also ${kind}`);
    if (sure.size === places.length) t.equal(documented.length, sure.size, code);
    const answered = documented.map((kind) => {
      t.ok((ERROR_KINDS as readonly string[]).includes(kind), `${code}: ${kind}`);
      return String(toErrorAnswer(new HostError(kind as ErrorKind, code, '')).status);
    });
    t.equal(statuses, answered.join(', '), code);
  }
});

t.test('the table of kinds has every kind with its status', async (t) => {
  const text = markdown('docs/errors.md');
  const table = [...text.matchAll(/^\| ([A-Z][\w, ]+) \| [^|]+ \| ([\d, ]+) \|/gm)].map(
    ([, kinds = '', statuses = '']) => ({ kinds: kinds.split(', '), statuses: statuses.split(', ') }),
  );
  const documented = table.flatMap(({ kinds }) => kinds);
  t.same([...documented].sort(), [...ERROR_KINDS].sort());
  for (const { kinds, statuses } of table) {
    for (const [at, kind] of kinds.entries()) {
      const { status } = toErrorAnswer(new HostError(kind as ErrorKind, 'ANY', ''));
      t.equal(statuses[at] ?? statuses[0], String(status), kind);
    }
  }
});

t.test('the pattern finds what it must', async (t) => {
  const found = (text: string) => [...text.matchAll(THROWN)].map(([, kind, code]) => [kind, code]);
  t.same(found("new HostError('NotFound', 'A_B', `x`)"), [['NotFound', 'A_B']]);
  t.same(found("new HostError(\n  'NotFound',\n  'A_B',\n  `x`)"), [['NotFound', 'A_B']]);
  t.same(found("new HostError(kind, 'A_B', `x`)"), [[undefined, 'A_B']]);
  t.same(found("new HostError(kind === 'NotFound' ? 'Unknown' : kind, 'A_B', x)"), [[undefined, 'A_B']]);
  t.same(found('new HostError(kind, code, message)'), []);
});
