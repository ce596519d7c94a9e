#!/bin/sh
# make deb: the Debian package of this version, in target/debian. Other arguments are for cargo-deb: `--deb-revision 2`.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

have dpkg-shlibdeps || install_packages dpkg-dev
have cargo-deb || cargo install cargo-deb --locked
scripts/dist.sh

SOURCE_DATE_EPOCH=$(source_date_epoch)
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

maintainer=$(sed -n 's/^maintainer *= *"\(.*\)".*/\1/p' Cargo.toml)
cat >"$files/changelog" <<END
ianitor ($(version)-1) unstable; urgency=medium

  * Changes are in /usr/share/doc/ianitor/changelog.gz.

 -- $maintainer  $(LC_ALL=C date -u -R -d "@$SOURCE_DATE_EPOCH")
END
gzip -9nc CHANGELOG.md >"$files/changelog.gz"

rm -f target/debian/ianitor_*.deb
cargo deb --no-build --no-strip --locked --output target/debian "$@"
