#!/bin/sh
# make dist: the binary to install, stripped, with its debug information in a file beside it.
# Debuggers and profilers find that by name and checksum (.gnu_debuglink).
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

ensure_toolchain
have objcopy || install_packages binutils
# The allocator does not start where pages are larger than it was built for, and kernels for
# aarch64 have pages of 4, 16 or 64 KiB.
[ "$(uname -m)" != aarch64 ] || export JEMALLOC_SYS_WITH_LG_PAGE=16
# `ianitor version` prints it; outside of git there is none.
IANITOR_COMMIT=${IANITOR_COMMIT:-$(commit)}
export IANITOR_COMMIT
cargo build --release --locked --bin ianitor

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/dist"
built=$(realpath "$target/release/ianitor")
cd "$target/dist"
objcopy --only-keep-debug --compress-debug-sections "$built" ianitor.debug
rm -f ianitor
objcopy --strip-all --add-gnu-debuglink=ianitor.debug "$built" ianitor
ls -l ianitor ianitor.debug
