/** The repository's files, for tests that hold the documentation to them. */
import { globSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

export const ROOT = resolve(import.meta.dirname, '../../..');

export interface SourceFile {
  /** From the root of the repository. */
  readonly path: string;
  readonly text: string;
}

/** Every TypeScript file of ours below `dirs`. */
export function sourcesBelow(...dirs: readonly string[]): readonly SourceFile[] {
  return dirs
    .flatMap((dir) => globSync(`${dir}/**/*.ts`, { cwd: ROOT }))
    .filter((path) => !path.includes('node_modules/'))
    .sort()
    .map((path) => ({ path, text: readFileSync(join(ROOT, path), 'utf8') }));
}

export function markdown(path: string): string {
  return readFileSync(join(ROOT, path), 'utf8');
}

/** Every Markdown file that is ours. */
export function markdownFiles(): readonly string[] {
  const exclude = (path: string) => /(^|\/)(node_modules|dist|\.[^/]+)$/.test(path);
  return globSync('**/*.md', { cwd: ROOT, exclude }).sort();
}
