#!/bin/sh
# `npm run bench [-- --rounds N --only WORD --write]`: builds, then compares with a real Docker Engine.
set -eu
cd "$(dirname "$0")/../.."
npm run --silent build
exec node --disable-warning=ExperimentalWarning test/bench/main.ts "$@"
