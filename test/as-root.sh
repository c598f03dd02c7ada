#!/bin/sh
# `as-root.sh COMMAND...`: runs a command as root, through sudo where that is needed. What it leaves among our own files
# is given back to the user, who could not remove it otherwise.
set -eu
cd "$(dirname "$0")/.."
if [ "$(id -u)" = 0 ]; then exec "$@"; fi
command -v sudo >/dev/null || {
  echo 'containers need root: run this as root, or install sudo' >&2
  exit 1
}
trap : INT TERM # the command ends first
sudo -E env PATH="$PATH:/usr/local/sbin:/usr/sbin:/sbin" "$@" && status=0 || status=$?
for path in node_modules/.cache .tap dist; do
  [ ! -e $path ] || sudo chown -R "$(id -u):$(id -g)" $path
done
exit $status
