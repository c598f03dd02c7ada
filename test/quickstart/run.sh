#!/bin/sh
# `npm run quickstart`: from a fresh machine to containers on a volume plugin that outlive a crash of the daemon.
# `--client docker|dockerode`: what the daemon is talked to with; the docker command where there is one, unless said.
set -eu
cd "$(dirname "$0")/../.."
sh test/setup.sh
root=$PWD
. core/bin/find-node.sh
find_entry "$root" gantryd
case $entry in
  *.ts) "$node" core/build.ts ;;
esac
exec sh test/as-root.sh "$node" "$node_flags" test/quickstart/main.ts "$@"
