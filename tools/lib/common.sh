# shellcheck shell=bash
# common.sh: what the scripts of tools/ share. Source it from the top of the checkout.

FLATTONE_TOOLS=${FLATTONE_TOOLS:-$HOME/.cache/flattone}
export FLATTONE_TOOLS
export PATH="$FLATTONE_TOOLS/go/bin:$FLATTONE_TOOLS/npm/node_modules/.bin:$PATH"
# Objects are shared between checkouts in different folders: paths below the checkout count as relative.
export CCACHE_BASEDIR="${CCACHE_BASEDIR:-$PWD}" CCACHE_NOHASHDIR=1 CCACHE_MAXSIZE="${CCACHE_MAXSIZE:-20G}"
export CCACHE_SLOPPINESS=pch_defines,time_macros

die() { echo "$*" >&2; exit 1; }
note() { echo "[$(date +%H:%M:%S)] $*" >&2; }

as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif command -v sudo >/dev/null; then sudo "$@"
  else die "setup: '$*' needs root, and sudo is not installed"; fi
}

package_list() { sed -e 's/#.*//' -e 's/[[:space:]]*$//' -e '/^$/d' "$@"; }

install_debian_packages() {  # install_debian_packages LIST...: build, demo, test
  local missing=() name
  for name in $(local lists=("${@/#/tools/packages/debian-}"); package_list "${lists[@]/%/.txt}"); do
    # `name?command`: a machine that has the command from elsewhere keeps its own.
    case $name in *\?*) if command -v "${name#*\?}" >/dev/null; then continue; fi; name=${name%%\?*} ;; esac
    [ "$(dpkg-query -W -f='${Status}' "$name" 2>/dev/null)" = "install ok installed" ] || missing+=("$name")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  note "installing ${#missing[@]} Debian packages"
  as_root apt-get update -qq
  # policy-rc.d: packages that bring servers (PostgreSQL, rtpengine) must not start them here.
  local policy=/usr/sbin/policy-rc.d made=
  if [ ! -e $policy ]; then
    printf '#!/bin/sh\nexit 101\n' | as_root tee $policy >/dev/null
    as_root chmod 755 $policy; made=yes
  fi
  local status=0
  as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "${missing[@]}" \
    >/tmp/flattone-apt.log 2>&1 || status=$?
  [ -z "$made" ] || as_root rm -f $policy
  [ $status = 0 ] || { tail -20 /tmp/flattone-apt.log >&2; die "setup: apt-get install failed"; }
}

# once NAME FILE... -- COMMAND...: runs the command unless it ran for the same contents of the files.
once() {
  local name=$1 files=() stamp sum; shift
  while [ "$1" != -- ]; do files+=("$1"); shift; done; shift
  stamp=$FLATTONE_TOOLS/.done-$name
  sum=$(cat "${files[@]}" | sha256sum)
  [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] && return 0
  mkdir -p "$FLATTONE_TOOLS"
  note "installing $name"
  # Two scripts may start at once on a machine with several checkouts.
  ( flock 9
    [ "$(cat "$stamp" 2>/dev/null)" = "$sum" ] || { "$@" && echo "$sum" >"$stamp"; }
  ) 9>"$FLATTONE_TOOLS/.lock-$name" || die "setup: installing $name failed"
}

_python_tools() {
  [ -x "$FLATTONE_TOOLS/venv/bin/python" ] || /usr/bin/python3 -m venv "$FLATTONE_TOOLS/venv"
  "$FLATTONE_TOOLS/venv/bin/pip" install -q --disable-pip-version-check -r tools/packages/python.txt
}
install_python_tools() { once python-tools tools/packages/python.txt -- _python_tools; }

_npm_tools() {
  mkdir -p "$FLATTONE_TOOLS/npm"
  cp tools/packages/package.json "$FLATTONE_TOOLS/npm/"
  (cd "$FLATTONE_TOOLS/npm" && npm install --silent --no-audit --no-fund --no-update-notifier >/dev/null)
}
install_npm_tools() { once npm-tools tools/packages/package.json -- _npm_tools; }

_go_tools() {
  local go=$FLATTONE_TOOLS/venv/bin/go line
  mkdir -p "$FLATTONE_TOOLS/go/bin"
  while read -r line; do
    GOTOOLCHAIN=local GOBIN="$FLATTONE_TOOLS/go/bin" GOPATH="$FLATTONE_TOOLS/go/path" GOFLAGS=-modcacherw \
      "$go" install "$line" || return 1
  done < <(package_list tools/packages/go.txt)
}
install_go_tools() { once go-tools tools/packages/go.txt -- _go_tools; }

# build_preset PRESET [TARGET ...]: one at a time for each preset; whoever comes second finds it built.
build_preset() {
  local preset=$1; shift
  mkdir -p build
  ( flock 9
    if [ ! -e "build/$preset/build.ninja" ]; then cmake --preset "$preset" >"/tmp/flattone-cmake-$$.log" 2>&1 ||
      { tail -40 "/tmp/flattone-cmake-$$.log" >&2; die "setup: cmake --preset $preset failed"; }; fi
    cmake --build --preset "$preset" ${*:+--target "$@"} -- --quiet >"/tmp/flattone-build-$preset-$$.log" 2>&1 ||
      { tail -60 "/tmp/flattone-build-$preset-$$.log" >&2; die "setup: building $preset failed"; }
  ) 9>"build/.lock-$preset"
}
