#!/bin/sh
# Installs the real servers and clients that tests/real/ needs, on Debian 12, as root.
#
# From the distribution: nginx, haproxy, prometheus, nats-server, pebble, chromium and its driver, wrk,
# slowhttptest, h2load, curl, certutil, testssl.sh, a C compiler. Into .tools/ of the checkout: Matrix Synapse, JupyterLab, SSLyze, the Autobahn testsuite. Into
# the environment that runs the tests (DAARION_TEST_VENV, else .venv): the clients of
# requirements.txt. What is there already is left alone, so a second run takes a second.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
project=$(cd "$here/../.." && pwd)
tools=$project/.tools
venv=${DAARION_TEST_VENV:-$project/.venv}
mkdir -p "$tools"

say() { printf 'install.sh: %s\n' "$*"; }

install_packages() {
    wanted=
    for package in nginx haproxy prometheus nats-server pebble chromium chromium-driver wrk slowhttptest \
        nghttp2-client curl testssl.sh gcc libc6-dev libnss3-tools python3-venv; do
        dpkg-query -W -f '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' ||
            wanted="$wanted $package"
    done
    [ -n "$wanted" ] || return 0
    [ "$(id -u)" = 0 ] || { say "not root, these packages are missing:$wanted"; return 1; }
    say "apt:$wanted"
    export DEBIAN_FRONTEND=noninteractive
    # A package's service must not start by itself: the tests start their own servers.
    policy=/usr/sbin/policy-rc.d
    [ -e "$policy" ] || { printf '#!/bin/sh\nexit 101\n' >"$policy"; chmod +x "$policy"; ours=1; }
    apt-get -qq -o DPkg::Lock::Timeout=300 update
    # shellcheck disable=SC2086  # a list of words
    apt-get -qq -o DPkg::Lock::Timeout=600 install -y --no-install-recommends $wanted >/dev/null
    [ -z "${ours:-}" ] || rm -f "$policy"
}

python3_of_ours() {
    for python in python3.11 python3.12 python3.13 python3; do
        "$python" -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null &&
            { echo "$python"; return; }
    done
    say 'no Python 3.11 or newer with venv' >&2
    return 1
}

# A virtual environment under .tools/; the list of packages is noted in it when all went well.
environment() {
    name=$1
    shift
    [ "$(cat "$tools/$name/installed" 2>/dev/null)" = "$*" ] && return 0
    say "$name: $*"
    rm -rf "${tools:?}/$name"
    "$(python3_of_ours)" -m venv "$tools/$name"
    "$tools/$name/bin/python" -m pip install -q --disable-pip-version-check "$@"
    echo "$*" >"$tools/$name/installed"
}

clients() {
    [ -x "$venv/bin/python" ] || "$(python3_of_ours)" -m venv "$venv"
    cmp -s "$here/requirements.txt" "$venv/real-requirements.txt" && return 0
    say "clients into $venv"
    "$venv/bin/python" -m pip install -q --disable-pip-version-check -r "$here/requirements.txt"
    cp "$here/requirements.txt" "$venv/real-requirements.txt"
}

python2() {
    for python in "${PYTHON2:-/nowhere}" "$HOME"/.pyenv/versions/2.7.*/bin/python2.7 "${PYENV_ROOT:-/nowhere}"/versions/2.7.*/bin/python2.7 \
        /usr/bin/python2.7 /usr/local/bin/python2.7; do
        "$python" -m pip --version >/dev/null 2>&1 && { echo "$python"; return; }
    done
    return 1
}

# The testsuite is written for Python 2.7, which Debian 12 no longer has and no registry offers as
# a package: pyenv's is taken where there is one, or the one that PYTHON2 names.
autobahn() {
    version=25.10.1
    folder=$tools/autobahn-testsuite
    [ "$(cat "$folder/installed" 2>/dev/null)" = "$version" ] && [ -x "$folder/python" ] && return 0
    if ! python=$(python2); then
        say 'the Autobahn testsuite needs Python 2.7 with pip: none in pyenv, /usr or /usr/local.'
        say 'All else is installed. Name one as PYTHON2=/path/to/python2.7 and run this again.'
        return 1
    fi
    say "the Autobahn testsuite, with $python"
    rm -rf "$folder"
    mkdir -p "$folder"
    # In its own folder: pip of that age takes a package that lies about for an installed one.
    (cd "$folder" && "$python" -m pip install -q --disable-pip-version-check \
        --no-warn-script-location \
        --target lib "autobahntestsuite==$version") >"$folder/log" 2>&1 ||
        { cat "$folder/log"; return 1; }
    # pip --target leaves the namespace package without its file.
    touch "$folder/lib/zope/__init__.py"
    cat >"$folder/python" <<WRAPPER
#!/bin/sh
PYTHONPATH='$folder/lib' exec '$python' -W ignore "\$@"
WRAPPER
    chmod +x "$folder/python"
    "$folder/python" "$folder/lib/bin/wstest" --help >/dev/null
    echo "$version" >"$folder/installed"
}

install_packages
environment synapse 'matrix-synapse>=1.163'
environment jupyter 'jupyterlab>=4.4' 'ipykernel>=6.29'
environment sslyze 'sslyze>=6.1'
clients
autobahn
