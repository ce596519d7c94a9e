#!/usr/bin/env bash
# make bench-count: instructions of the gateway for each request, handshake and message.
# IANITOR names another binary, COUNT_ARGS goes to count.py, RECORD=1 writes counts.toml.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

missing=
need() {
    have "$1" || missing="$missing $2"
}

need valgrind valgrind
need python3 python3
need openssl openssl
need setpriv util-linux
# shellcheck disable=SC2086 # A list of words.
[ -z "$missing" ] || install_packages $missing
python3 -c 'import tomllib' 2>/dev/null || fail "python3 is too old: this needs 3.11 or newer."

if [ -z "${IANITOR:-}" ]; then
    ensure_toolchain
    cargo build --release --locked
    IANITOR=${CARGO_TARGET_DIR:-target}/release/ianitor
fi
IANITOR=$(realpath "$IANITOR")
export IANITOR

(cd benches/count && python3 -B -m unittest -q test_compare)

# shellcheck disable=SC2206 # A list of words.
args=(${COUNT_ARGS:-})
[ -z "${RECORD:-}" ] || args+=(--record)
export OPENSSL_CONF=$PWD/benches/count/openssl.cnf
exec python3 -B benches/count/count.py "${args[@]}" </dev/null
