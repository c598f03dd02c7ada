#!/bin/sh
# `npm test`: everything, with all its own set-up. `npm test -- unit` runs one part: lint, unit, build, integration, crash.
set -eu
cd "$(dirname "$0")/.."
sh test/setup.sh test
PATH=$PWD/node_modules/.bin:$PATH
export PATH
exec sh test/as-root.sh node test/run.ts "$@"
