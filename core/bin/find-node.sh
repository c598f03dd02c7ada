# Sourced by the executables beside it: sets `node` and `node_flags`, and answers what to run.

node=$root/node_modules/.bin/node
# A small young generation, whole from the start, and few malloc arenas: less memory at the same speed (npm run bench).
node_flags="--disable-warning=ExperimentalWarning --min-semi-space-size=4 --max-semi-space-size=4"
export MALLOC_ARENA_MAX="${MALLOC_ARENA_MAX:-2}"
export UV_THREADPOOL_SIZE="${UV_THREADPOOL_SIZE:-6}"

export NODE_COMPILE_CACHE="${NODE_COMPILE_CACHE:-$root/node_modules/.cache/compile}"

if [ ! -x "$node" ]; then
  case $(node --version 2>/dev/null) in
    v24.*) node=node ;;
    *)
      echo "$(basename "$0"): the pinned Node 24 is missing: run npm install in $root" >&2
      exit 1
      ;;
  esac
fi

# find_entry ROOT NAME: sets `entry` to the bundle, while it is newer than each file it was made from, else to the source.
# The list is read and compared by the shell itself: a program started for it would cost more than all of that.
find_entry() {
  entry=$1/core/$2.ts
  bundle=$1/dist/$2.js
  [ -f "$bundle" ] || bundle=$1/dist/$2.cjs
  [ -f "$bundle" ] && [ -f "$1/dist/$2.inputs" ] || return 0
  . "$1/dist/$2.inputs"
  for input in $inputs; do
    [ "$bundle" -nt "$1/$input" ] || return 0
  done
  entry=$bundle
}
