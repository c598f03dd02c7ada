/** docs/options.md and the table of options, held together. */
import { spawnSync } from 'node:child_process';
import t from 'tap';
import { FOREIGN } from '../../../core/config/options/foreign.ts';
import { OPTIONS } from '../../../core/config/options/table.ts';
import { refreshed } from '../../docs/options.ts';
import { markdown } from './files.ts';

t.test('the page is up to date', async (t) => {
  const page = markdown('docs/options.md');
  t.equal(page, refreshed(page), 'npm run docs writes it anew');
});

t.test('no flag, short flag or key stands for two options', async (t) => {
  const rows = [...Object.values(OPTIONS), ...FOREIGN];
  for (const names of [
    rows.map(({ flag }) => flag),
    rows.map(({ key }) => key),
    rows.map(({ short = '' }) => short),
  ]) {
    const given = names.filter((name) => name !== '');
    t.same(
      given.filter((name, index) => given.indexOf(name) !== index),
      [],
    );
  }
});

const dockerd = spawnSync('dockerd', ['--help'], { encoding: 'utf8' });
const skip = dockerd.status !== 0 && 'dockerd is not on this machine';
t.test('every flag of dockerd is known', { skip }, async (t) => {
  const theirs = [...dockerd.stdout.matchAll(/^\s+(?:-\w, )?--([\w-]+)/gm)].map(([, flag = '']) => flag);
  t.ok(theirs.length > 70, `${theirs.length} flags`);
  const ours = [...Object.values(OPTIONS), ...FOREIGN].map(({ flag }) => flag);
  t.same(
    theirs.filter((flag) => ![...ours, 'help', 'version'].includes(flag)),
    [],
  );
});
