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

# find_entry ROOT NAME: the bundle when it is newer than every source.
find_entry() {
  bundle=$1/dist/$2.js
  [ -f "$bundle" ] || bundle=$1/dist/$2.cjs
  if [ -f "$bundle" ] && [ -z "$(find "$1/core" "$1/drivers" "$1/plugin-sdk" "$1/registry" -name '*.ts' -newer "$bundle" -print -quit 2>/dev/null)" ]; then
    echo "$bundle"
  else
    echo "$1/core/$2.ts"
  fi
}
