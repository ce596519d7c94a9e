#!/usr/bin/env bash
# make chaos: the release binary under constant load while everything goes wrong. Words
# are cases by name; without one, those that CI runs. IANITOR= names another binary.
# Everything that it starts ends with it.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# shellcheck source=scripts/lib.sh
. scripts/lib.sh

scripts/test-deps.sh
# Debian keeps nginx and haproxy where only root looks.
export PATH=$PATH:/usr/sbin:/sbin
case " $* " in
    *" peers "*) [ -n "${CADDY:-}" ] || have caddy || install_packages caddy ;;
esac
exec "${CARGO:-cargo}" test --release --locked --test chaos -- "$@" </dev/null
