#!/bin/sh
# `npm run bench [-- --rounds N --only WORD --write]`: set-up, build, then the comparison with a real Docker Engine.
set -eu
cd "$(dirname "$0")/../.."
sh test/setup.sh test
PATH=$PWD/node_modules/.bin:$PATH
export PATH
node core/build.ts
exec sh test/as-root.sh node --disable-warning=ExperimentalWarning test/bench/main.ts "$@"
