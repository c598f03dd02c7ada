/**
 * One bundle for the daemon, one for the command, and the extraction worker beside them, each in about a second. Start
 * and memory are measured on these; see docs/adr/0002.
 */
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { type BuildOptions, type BuildResult, build, type Plugin } from 'esbuild';

/**
 * Parts of express that Gantry never calls, left out of the bundle. Its router is what is used: bodies, content types and
 * answers are our own, and the rest is two thirds of a megabyte of tables (character sets, media types) that would be kept
 * in memory, and a tenth of the daemon's start.
 */
const onlyRouter: Plugin = {
  name: 'only-router',
  setup({ onResolve, onLoad }) {
    const leftOut = ({ path }: { path: string }) => ({ path, namespace: 'left-out' });
    onResolve({ filter: /^(body-parser|iconv-lite|mime-db|serve-static)$/ }, leftOut);
    onResolve({ filter: /^\.\/(application|request|response)$/ }, (from) =>
      from.importer.endsWith('/express/lib/express.js') ? leftOut(from) : undefined,
    );
    onLoad({ filter: /.*/, namespace: 'left-out' }, () => ({ contents: 'module.exports = {};' }));
  },
};

/** What a start does not need, with the names that are used of it. Each is evaluated when a name is first asked for. */
const AT_FIRST_USE: Readonly<Record<string, readonly string[]>> = {
  ajv: ['Ajv'],
};

/** Puts getters in the place of a package's names: the rest of the bundle reads them as it would read the names. */
const atFirstUse: Plugin = {
  name: 'at-first-use',
  setup({ onResolve, onLoad }) {
    onResolve({ filter: new RegExp(`^(${Object.keys(AT_FIRST_USE).join('|')})$`) }, ({ path, namespace }) =>
      namespace === 'at-first-use' ? undefined : { path, namespace: 'at-first-use' },
    );
    onLoad({ filter: /.*/, namespace: 'at-first-use' }, ({ path }) => ({
      contents: (AT_FIRST_USE[path] ?? [])
        .map(
          (name) =>
            `Object.defineProperty(exports, '${name}', { enumerable: true, get: () => require('${path}').${name} });`,
        )
        .join('\n'),
      resolveDir: import.meta.dirname,
    }));
  },
};

const SHARED: BuildOptions = {
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
  plugins: [onlyRouter, atFirstUse],
  sourcemap: 'linked',
  // koffi finds its native part beside its own files; few daemons serve metrics, and all would keep what they need for it.
  external: ['koffi', 'prom-client'],
  // CommonJS packages inside an ES module bundle need these names.
  banner: {
    js: "import { createRequire as $cr } from 'node:module'; const require = $cr(import.meta.url);",
  },
  logLevel: 'warning',
  metafile: true,
};

/** What a bundle was made from, for core/bin/find-node.sh: it runs one only while it is newer than each of these. */
function writeInputs(name: string, ...results: readonly BuildResult[]): void {
  const files = results.flatMap(({ metafile }) => Object.keys(metafile?.inputs ?? {}));
  const ours = files.filter((file) => !file.startsWith('node_modules/') && existsSync(file));
  const all = [...new Set([...ours, 'core/build.ts', 'package-lock.json'])].sort();
  writeFileSync(`dist/${name}.inputs`, `inputs='\n${all.join('\n')}\n'\n`);
}

// An old list must not vouch for a new bundle that is half written.
for (const name of ['gantryd', 'gantry']) rmSync(`dist/${name}.inputs`, { force: true });

// As CommonJS: an ES module that imports `node:http` has Node load its fetch and WebSocket too, for names never used.
const daemon = await build({
  ...SHARED,
  entryPoints: { gantryd: 'core/gantryd.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': 'moduleUrl', 'import.meta.dirname': '__dirname' },
  banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
});
const workers = await build({
  ...SHARED,
  entryPoints: {
    'extract-worker': 'core/images/extract/extract-worker.ts',
    'tree-worker': 'core/trees/tree-worker.ts',
  },
});

// What a command loads lazily stays in files of its own: in one file all of their imports would be loaded at once, and
// those of Node's parts alone take as long as the rest.
rmSync('dist/gantry', { recursive: true, force: true });
const command = await build({
  ...SHARED,
  entryPoints: { gantry: 'core/gantry.ts' },
  splitting: true,
  chunkNames: 'gantry/[name]-[hash]',
});

writeInputs('gantryd', daemon, workers);
writeInputs('gantry', command);
