#!/bin/sh
# make deb: the Debian package of this version, in target/debian. Other arguments are for cargo-deb: `--deb-revision 2`.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

have dpkg-shlibdeps || install_packages dpkg-dev
have cargo-deb || cargo install cargo-deb --locked
scripts/dist.sh

# The commit's time, so that one commit gives one package.
if [ -z "${SOURCE_DATE_EPOCH:-}" ]; then
    SOURCE_DATE_EPOCH=$(git log -1 --format=%ct 2>/dev/null) || SOURCE_DATE_EPOCH=$(date -r CHANGELOG.md +%s)
fi
export SOURCE_DATE_EPOCH

# Cargo.toml names these files for the package.
files=target/debian/files
rm -rf "$files"
mkdir -p "$files/units"
cp "${CARGO_TARGET_DIR:-target}/dist/ianitor" "$files/ianitor"
"$files/ianitor" generate "$files/share"
gzip -9n "$files"/share/man/man1/*
for unit in packaging/systemd/*.service packaging/systemd/*.socket; do
    sed 's,/usr/local/,/usr/,g' "$unit" >"$files/units/${unit##*/}"
done

version=$(sed -n 's/^version *= *"\(.*\)".*/\1/p' Cargo.toml | head -n 1)
maintainer=$(sed -n 's/^maintainer *= *"\(.*\)".*/\1/p' Cargo.toml)
cat >"$files/changelog" <<END
ianitor ($version-1) unstable; urgency=medium

  * Changes are in /usr/share/doc/ianitor/changelog.gz.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
gzip -9nc CHANGELOG.md >"$files/changelog.gz"

rm -f target/debian/ianitor_*.deb
cargo deb --no-build --no-strip --locked --output target/debian "$@"
