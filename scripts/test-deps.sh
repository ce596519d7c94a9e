#!/bin/sh
# Installs what the tests need and is missing: Debian packages, then the published
# clients of tests/real. Asks nothing.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

scripts/build-deps.sh

missing=
need() {
    have "$1" || missing="$missing $2"
}

need curl curl
need openssl openssl
need htpasswd apache2-utils
need systemd-analyze systemd
need janus janus
need prosody prosody
[ -e /usr/share/janus/demos/echotest.html ] || missing="$missing janus-demos"
need chromium chromium
need turnserver coturn
need pebble pebble
need python3 python3
# Debian's python3 has no pip for a venv without it.
python3 -c 'import ensurepip' 2>/dev/null || missing="$missing python3-venv"
need brotli brotli
need zstd zstd
need zsh zsh
need fish fish
need groff groff-base
need promtool prometheus
# Debian keeps these two where only root looks.
PATH=$PATH:/usr/sbin
need haproxy haproxy
need slowhttptest slowhttptest
need nginx nginx-light
need debootstrap debootstrap
need ip iproute2
need umoci umoci
[ -e /usr/lib/nginx/modules/ngx_stream_module.so ] || missing="$missing libnginx-mod-stream"
need node nodejs
need npm npm
# shellcheck disable=SC2086 # A list of words.
[ -z "$missing" ] || install_packages $missing

node -e 'const [a, b] = process.versions.node.split(".").map(Number); process.exit(a > 18 || (a === 18 && b >= 19) ? 0 : 1)' ||
    fail "node is $(node --version), the test clients need 18.19 or newer."

# A program of PyPI in a folder of its own: its name, and its version.
python_program() {
    folder=${CARGO_TARGET_DIR:-target}/$1
    if [ ! -x "$folder/bin/$1" ]; then
        rm -rf "$folder"
        mkdir -p "$folder"
        python3 -m venv "$folder"
        "$folder/bin/pip" install --quiet --disable-pip-version-check "$1==$2"
    fi
}
# Another parser of nginx.conf, to compare with, and a linter of TOML by a JSON Schema.
python_program crossplane 0.5.8
python_program taplo 0.9.3

cd tests/real
# npm leaves a copy of the lock in node_modules when it has finished.
if [ -z "$(find node_modules/.package-lock.json -newer package-lock.json 2>/dev/null)" ]; then
    # Nothing is compiled and no browser is downloaded: packages run no scripts here.
    npm ci --ignore-scripts --no-audit --no-fund --loglevel=error </dev/null
fi

# Debian's simple-whip-server depends on Debian's node, which not everybody has; its files
# are enough, for what they import is among the published packages. npm ci removes them.
whip=node_modules/.simple-whip-server
if [ ! -d "$whip" ]; then
    rm -rf "$whip.new"
    mkdir "$whip.new"
    cd "$whip.new"
    apt-get download -q simple-whip-server || {
        # There are no lists of packages yet: this brings them.
        (cd ../../../.. && install_packages dpkg)
        apt-get download -q simple-whip-server
    }
    dpkg-deb -x simple-whip-server_*.deb .
    cd ../..
    mv "$whip.new" "$whip"
fi
