#!/bin/sh
# `npm run crash -- --runs N --seed N`, `--seconds S` or `--sweep`: builds, then crashes it; see main.ts.
set -eu
cd "$(dirname "$0")/../.."
npm run --silent build
exec node --disable-warning=ExperimentalWarning test/crash/main.ts "$@"
