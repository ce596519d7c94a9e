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

# The commit of the sources, with `-dirty` if something is not committed; empty outside of git.
commit() {
    git describe --always --dirty --abbrev=12 --exclude='*' 2>/dev/null || :
}

# The version in Cargo.toml.
version() {
    sed -n 's/^version *= *"\(.*\)".*/\1/p' Cargo.toml | head -n 1
}

# The commit's time, so that one commit gives one package.
source_date_epoch() {
    if [ -n "${SOURCE_DATE_EPOCH:-}" ]; then
        echo "$SOURCE_DATE_EPOCH"
    else
        git log -1 --format=%ct 2>/dev/null || date -r CHANGELOG.md +%s
    fi
}

# sorted_tar FILE FOLDER NAME...: an archive of these names in the folder that depends on the files alone.
sorted_tar() {
    archive=$1
    folder=$2
    shift 2
    LC_ALL=C tar --create --file="$archive" --directory="$folder" --format=gnu --sort=name \
        --mtime="@$(source_date_epoch)" --owner=0 --group=0 --numeric-owner --mode=u=rwX,go=rX "$@"
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
