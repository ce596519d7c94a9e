#!/bin/sh
# Sees to it that a build and its lints can run.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

ensure_toolchain
for component in rustfmt clippy; do
    cargo "${component#rust}" --version >/dev/null 2>&1 || rustup component add "$component"
done
