/**
 * One bundle for the daemon, one for the command, and the extraction worker beside them, each in about a second. Start
 * and memory are measured on these; see docs/adr/0002.
 */
import { rmSync } from 'node:fs';
import { type BuildOptions, build, type Plugin } from 'esbuild';

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

const SHARED: BuildOptions = {
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  minify: true,
  plugins: [onlyRouter],
  sourcemap: 'linked',
  // koffi finds its native part beside its own files; few daemons serve metrics, and all would keep what they need for it.
  external: ['koffi', 'prom-client'],
  // CommonJS packages inside an ES module bundle need these names.
  banner: {
    js: "import { createRequire as $cr } from 'node:module'; const require = $cr(import.meta.url);",
  },
  logLevel: 'warning',
};

// As CommonJS: an ES module that imports `node:http` has Node load its fetch and WebSocket too, for names never used.
await build({
  ...SHARED,
  entryPoints: { gantryd: 'core/gantryd.ts' },
  format: 'cjs',
  outExtension: { '.js': '.cjs' },
  define: { 'import.meta.url': 'moduleUrl', 'import.meta.dirname': '__dirname' },
  banner: { js: "const moduleUrl = require('node:url').pathToFileURL(__filename).href;" },
});
await build({
  ...SHARED,
  entryPoints: {
    'extract-worker': 'core/images/extract/extract-worker.ts',
    'tree-worker': 'core/trees/tree-worker.ts',
  },
});

// What a command loads lazily stays in files of its own: in one file all of their imports would be loaded at once, and
// those of Node's parts alone take as long as the rest.
rmSync('dist/gantry', { recursive: true, force: true });
await build({
  ...SHARED,
  entryPoints: { gantry: 'core/gantry.ts' },
  splitting: true,
  chunkNames: 'gantry/[name]-[hash]',
});
