#!/usr/bin/env bash
# make bench: this gateway beside others on this machine, loopback only. BENCH_ARGS goes
# to bench.py; "--help" shows what there is. NGINX=, HAPROXY=, CADDY= and IANITOR=
# name other binaries.
# Everything that it starts ends with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
# shellcheck source=scripts/lib.sh
. scripts/lib.sh

# Debian keeps nginx and haproxy where only root looks.
export PATH=$PATH:/usr/sbin:/sbin

# It leaves our session, for a scheduler group of its own, so Ctrl-C has to be passed on.
pid=
# shellcheck disable=SC2317 # Called by the trap.
pass_on() {
    [ -n "$pid" ] || exit 130
    kill -TERM "$pid" 2>/dev/null || :
}
trap pass_on HUP INT TERM

have python3 || install_packages python3
python3 -c 'import tomllib' 2>/dev/null || fail "python3 is too old: this needs 3.11 or newer."

# What the table says of figures is right.
(cd benches && python3 -m unittest -q harness.test_report) 2>/dev/null ||
    fail "benches/harness/test_report.py fails: run 'python3 -m unittest harness.test_report' in benches."

# shellcheck disable=SC2206 # A list of words.
args=(${BENCH_ARGS:-})

case " ${BENCH_ARGS:-} " in
    *" --help "* | *" -h "*) exec python3 benches/bench.py --help ;;
esac

missing=$(python3 benches/bench.py "${args[@]}" --missing)
# shellcheck disable=SC2086 # A list of words.
[ -z "$missing" ] || install_packages $missing

ensure_toolchain
[ -n "${IANITOR:-}" ] || cargo build --release --locked
cargo build --release --locked --manifest-path benches/tools/Cargo.toml

# Only where both builds go to one folder is the path of the second another.
target=${CARGO_TARGET_DIR:-}
IANITOR=${IANITOR:-$(realpath "${target:-target}/release/ianitor")}
BT=$(realpath "${target:-benches/tools/target}/release/bt")
export IANITOR BT

python3 benches/bench.py "${args[@]}" </dev/null &
pid=$!

# A signal interrupts wait; what is under way is being ended then.
status=0
while kill -0 "$pid" 2>/dev/null; do
    status=0
    wait "$pid" || status=$?
done
exit "$status"
