/** Every sub-command in the help of the docker commands here has a case of a test, or a reason why it has none. */
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import t from 'tap';
import { GROUPS } from './docker-command/cases.ts';
import { installedDockers, namesOf, subCommands } from './docker-help/commands.ts';

/** Needs more than a line of shell: the test that has it, and the words there. */
const ELSEWHERE: Readonly<Record<string, readonly [file: string, words: string]>> = {
  attach: ['terminal.test.ts', 'attach'],
  login: ['pull.test.ts', "'login'"],
  push: ['pull.test.ts', "'push'"],
  pull: ['pull.test.ts', "'pull'"],
  search: ['registry-client.test.ts', 'search asks the index'],
};

/** `group` for all of a group, or one command. */
const REASONS: Readonly<Record<string, string>> = {
  build: 'BuildKit builds, not the engine (docs/scope.md)',
  buildx: 'a program of its own',
  compose: 'a program of its own',
  builder: 'BuildKit builds, not the engine (docs/scope.md)',
  completion: 'the client’s own: never asks an engine',
  checkpoint: 'experimental, and needs CRIU',
  config: 'swarm (docs/scope.md)',
  context: 'the client’s own: never asks an engine',
  engine: 'for engines of Docker Enterprise',
  logout: 'the client’s own: never asks an engine',
  manifest: 'the client talks to the registry by itself',
  network: 'networks are not there yet (docs/scope.md)',
  node: 'swarm (docs/scope.md)',
  plugin: 'managed plugins are not there yet (docs/scope.md)',
  port: 'networks are not there yet (docs/scope.md)',
  'container port': 'networks are not there yet (docs/scope.md)',
  scan: 'a program of its own',
  secret: 'swarm (docs/scope.md)',
  service: 'swarm (docs/scope.md)',
  stack: 'swarm (docs/scope.md)',
  swarm: 'swarm (docs/scope.md)',
  'system dial-stdio': 'a tunnel of the client’s own',
  trust: 'the client talks to the registry by itself',
  'image build': 'BuildKit builds, not the engine (docs/scope.md)',
  'volume update': 'cluster volumes are swarm’s (docs/scope.md)',
};

const commands = Object.values(GROUPS)
  .flat()
  .map(([command]) => command);

for (const { program, version } of installedDockers()) {
  t.test(`docker ${version}`, async (t) => {
    const all = subCommands(program);
    t.ok(all.length > 50, `${all.length} sub-commands`);
    for (const command of all) {
      const names = namesOf(command);
      const reason = REASONS[command] ?? REASONS[command.split(' ', 1)[0] ?? ''];
      const shown = names.some(hasCase) || names.some(isElsewhere);
      t.ok(shown || reason, `${command}: ${shown ? 'tested' : (reason ?? 'neither a case nor a reason')}`);
    }
  });
}

function hasCase(name: string): boolean {
  const words = new RegExp(`\\bdocker( -[-\\w]+(=\\S+)?)* ${name}\\b`);
  return commands.some((command) => words.test(command));
}

function isElsewhere(name: string): boolean {
  const [file, words] = ELSEWHERE[name] ?? ['', ''];
  const full = path.join(import.meta.dirname, file);
  return file !== '' && existsSync(full) && readFileSync(full, 'utf8').includes(words);
}
