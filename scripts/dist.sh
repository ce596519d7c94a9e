#!/bin/sh
# make dist: the binary to install, stripped, with its debug information in a file beside it.
# Debuggers and profilers find that by name and checksum (.gnu_debuglink).
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

ensure_toolchain
have objcopy || install_packages binutils
cargo build --release --locked --bin ianitor

target=${CARGO_TARGET_DIR:-target}
mkdir -p "$target/dist"
built=$(realpath "$target/release/ianitor")
cd "$target/dist"
objcopy --only-keep-debug --compress-debug-sections "$built" ianitor.debug
rm -f ianitor
objcopy --strip-all --add-gnu-debuglink=ianitor.debug "$built" ianitor
ls -l ianitor ianitor.debug
