#!/bin/sh
# `npm test`: everything, with all its own set-up. `npm test -- unit` runs one part: lint, unit, integration, crash.
set -eu
cd "$(dirname "$0")/.."
sh test/setup.sh test
if [ "$(id -u)" != 0 ]; then exec sudo -E env "PATH=$PWD/node_modules/.bin:$PATH" "$PWD/node_modules/.bin/node" test/run.ts "$@"; fi
PATH=$PWD/node_modules/.bin:$PATH exec node test/run.ts "$@"
