# shellcheck shell=sh
# Functions that the other scripts share.

have() {
    command -v "$1" >/dev/null 2>&1
}

fail() {
    echo "$*" >&2
    exit 1
}

# The oldest Rust that Cargo.toml accepts.
rust_version() {
    sed -n 's/^rust-version *= *"\(.*\)".*/\1/p' Cargo.toml
}

check_rust() {
    needed=$(rust_version)
    have rustc || fail "There is no rustc here: install Rust $needed or newer (rustup is the usual way)."
    found=$(rustc --version | cut -d' ' -f2)
    oldest=$(printf '%s\n%s\n' "$needed" "${found%%-*}" | sort -V | head -n 1)
    [ "$oldest" = "$needed" ] ||
        fail "rustc is $found, this needs $needed or newer: run 'rustup update stable'."
}

# Installs Debian packages, as root or through sudo, and starts no service.
install_packages() {
    have apt-get || fail "Missing here, and there is no apt-get to install it: $*"
    if [ "$(id -u)" = 0 ]; then
        scripts/apt-install.sh "$@"
    elif have sudo && { sudo -n true 2>/dev/null || { [ -t 0 ] && sudo -v; }; }; then
        sudo scripts/apt-install.sh "$@"
    else
        fail "Packages are missing, and installing them needs root or sudo. Run this as root:
  apt-get update && apt-get install -y --no-install-recommends $*
or, which also keeps their services from starting:
  $PWD/scripts/apt-install.sh $*"
    fi
}

# What a build needs: Rust, a C compiler for the TLS library, and make for the allocator.
ensure_toolchain() {
    check_rust
    have cc || install_packages gcc libc6-dev
    have make || install_packages make
}
