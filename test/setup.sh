#!/bin/sh
# What a fresh Debian or Ubuntu needs: the npm packages, and system programs from the distribution. `setup.sh` is enough
# for the quickstart, `setup.sh test` adds what the tests use. Says nothing when nothing is to be done.
set -eu
cd "$(dirname "$0")/.."

# Rows of `PROGRAM PACKAGE`; of several packages, the first that apt knows has the program.
for_quickstart='
  crun crun
  runc runc
  conmon conmon
  busybox busybox-static
  ip iproute2
  setpriv util-linux
  mount mount
  socat socat
  xz xz-utils
'
for_tests='
  docker docker-cli|docker.io
  dockerd docker.io
  containerd containerd
  skopeo skopeo
  umoci umoci
  mkfs.ext4 e2fsprogs
  curl curl
  docker-registry docker-registry
  htpasswd apache2-utils
  openssl openssl
  zstd zstd
  catatonit catatonit
  python3 python3
  ps procps
'

npm_flags='--no-audit --no-fund --loglevel=error'

# Debian keeps these off the PATH of users that are not root.
search=$PATH:/usr/local/sbin:/usr/sbin:/sbin

main() {
  install_npm_packages
  missing=$(missing_rows "$for_quickstart${1:+$for_tests}")
  [ -z "$missing" ] || install_programs "$missing"
}

fail() {
  printf 'setup: %s\n' "$@" >&2
  exit 1
}

install_npm_packages() {
  lock=node_modules/.package-lock.json
  if [ -e $lock ] && [ -z "$(find package-lock.json -newer $lock)" ]; then return; fi
  echo 'setup: npm packages'
  # `npm run` puts the pinned Node first on the PATH, and `npm ci` would remove it under its own feet.
  PATH=$(printf %s "$PATH" | tr : '\n' | grep -v '/node_modules/\.bin$' | paste -sd : -)
  talk=$(mktemp)
  npm ci $npm_flags >"$talk" 2>&1 && status=0 || status=$?
  # The lock and package.json say different things.
  if grep -q EUSAGE "$talk"; then npm install $npm_flags >"$talk" 2>&1 && status=0 || status=$?; fi
  [ $status = 0 ] || cat "$talk" >&2
  rm -f "$talk"
  [ $status = 0 ] || fail 'the npm packages could not be installed: the words of npm stand above'
  touch $lock
}

missing_rows() {
  printf '%s\n' "$1" | while read -r program package; do
    [ -z "$program" ] || is_there "$program" || echo "$program $package"
  done
}

is_there() {
  if [ "$1" = busybox ]; then is_static /bin/busybox; else PATH=$search command -v "$1" >/dev/null; fi
}

# A dynamic program names its loader in its first bytes; in an image without libraries it could not run.
is_static() {
  [ -x "$1" ] && ! head -c 1024 "$1" | grep -q '/ld-'
}

install_programs() {
  programs=$(printf '%s\n' "$1" | cut -d ' ' -f 1 | paste -sd ' ' -)
  PATH=$search command -v apt-get >/dev/null ||
    fail "these programs are missing, and there is no apt-get to install them with: $programs"
  allowed_as_root || fail "these programs are missing: $programs" \
    "they are in these Debian packages: $(packages "$1")" \
    'neither root nor sudo is at hand to install them'

  knows_packages || apt update
  wanted=$(packages "$1")
  echo "setup: installing $wanted"
  before=$(engines)
  hold_services
  # The package lists may be old and name what is no longer there.
  # shellcheck disable=SC2086 # one word a package
  apt install --no-install-recommends $wanted 2>/dev/null ||
    { apt update && apt install --no-install-recommends $wanted; } ||
    { release_services && fail "apt-get could not install $wanted: its words stand above"; }
  release_services
  end_engines "$before"
  left=$(missing_rows "$1")
  [ -z "$left" ] || fail "still missing after the installation: $left"
}

allowed_as_root() {
  [ "$(id -u)" = 0 ] || { command -v sudo >/dev/null && { [ -t 0 ] || sudo -n true 2>/dev/null; }; }
}

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi
}

# apt's own talk only when it fails.
apt() {
  talk=$(mktemp)
  as_root env PATH="$search" DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
    apt-get -qq -y -o DPkg::Lock::Timeout=120 -o Dpkg::Use-Pty=0 "$@" >"$talk" 2>&1 && status=0 || status=$?
  [ $status = 0 ] || cat "$talk" >&2
  rm -f "$talk"
  return $status
}

knows_packages() {
  apt-cache show crun >/dev/null 2>&1
}

packages() {
  printf '%s\n' "$1" | while read -r _ choices; do
    chosen=${choices##*|}
    for choice in $(printf %s "$choices" | tr '|' ' '); do
      if apt-cache show "$choice" >/dev/null 2>&1; then
        chosen=$choice
        break
      fi
    done
    echo "$chosen"
  done | sort -u | paste -sd ' ' -
}

# The tests start an engine of their own; the one that the package would start must not run beside it.
units='docker.socket docker.service containerd.service'

hold_services() {
  held=''
  [ -d /run/systemd/system ] || return 0
  for unit in $units; do
    if ! systemctl cat "$unit" >/dev/null 2>&1; then held="$held $unit"; fi
  done
  # shellcheck disable=SC2086 # one word a unit
  [ -z "$held" ] || as_root systemctl --quiet mask --runtime $held
}

release_services() {
  [ -n "$held" ] || return 0
  # shellcheck disable=SC2086 # one word a unit
  as_root systemctl --quiet unmask --runtime $held
  for unit in $held; do as_root systemctl --quiet disable "$unit" >/dev/null 2>&1 || true; done
}

# Process ids of the engines that run.
engines() {
  for comm in /proc/[0-9]*/comm; do
    read -r name <"$comm" || continue
    pid=${comm#/proc/}
    case $name in dockerd | containerd) echo "${pid%/comm}" ;; esac
  done 2>/dev/null
}

# end_engines BEFORE: ends those that this installation has started nevertheless.
end_engines() {
  for pid in $(engines); do
    printf '%s\n' "$1" | grep -qx "$pid" || as_root kill "$pid"
  done
}

main "$@"
