/**
 * One bundle for the daemon, one for the command, and the extraction worker beside them, each in about a second. Start
 * and memory are measured on these; see docs/adr/0002.
 */
import { build } from 'esbuild';

const ENTRIES = {
  gantryd: 'core/gantryd.ts',
  gantry: 'core/gantry.ts',
  'extract-worker': 'core/images/extract/extract-worker.ts',
};

await build({
  entryPoints: ENTRIES,
  outdir: 'dist',
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node24',
  splitting: false,
  minifySyntax: true,
  sourcemap: 'linked',
  // koffi finds its native part beside its own files.
  external: ['koffi'],
  // CommonJS packages inside an ES module bundle need these names.
  banner: {
    js: "import { createRequire as $cr } from 'node:module'; const require = $cr(import.meta.url);",
  },
  logLevel: 'warning',
});
