#!/bin/sh
# Sees to it that a build and its lints can run.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

ensure_toolchain
# libFuzzer is C++: the fuzz targets are checked with the rest.
have c++ || install_packages g++
for component in rustfmt clippy; do
    cargo "${component#rust}" --version >/dev/null 2>&1 || rustup component add "$component"
done
# Also the packages of other systems: what the test of licences asks for is then all there.
cargo fetch --locked --quiet
