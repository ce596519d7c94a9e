#!/bin/sh
# make release: what is published of a version, in target/release-files: the archive, the Debian package, the list of
# what the program is built from (CycloneDX), and the checksums of all of them.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

have cargo-cyclonedx || cargo install cargo-cyclonedx --locked
SOURCE_DATE_EPOCH=$(source_date_epoch)
export SOURCE_DATE_EPOCH
# Paths of this machine are not part of the program.
home=${CARGO_HOME:-$HOME/.cargo}
RUSTFLAGS="${RUSTFLAGS:-} --remap-path-prefix=$PWD=/src --remap-path-prefix=$home=/cargo"
CFLAGS="${CFLAGS:-} -ffile-prefix-map=$PWD=/src -ffile-prefix-map=$home=/cargo"
export RUSTFLAGS CFLAGS
scripts/deb.sh

target=${CARGO_TARGET_DIR:-target}
triple=$(rustc -vV | sed -n 's/^host: //p')
name=ianitor-$(version)-$triple
files=$target/release-files
rm -rf "$files"
mkdir -p "$files/$name/units"

# target/debian/files is what the package was made from.
cp target/debian/files/ianitor "$files/$name/"
cp -R target/debian/files/share "$files/$name/share"
cp packaging/systemd/* "$files/$name/units/"
cp gateway.toml README.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT packaging/debian/copyright "$files/$name/"
sorted_tar "$files/$name.tar" "$files" "$name"
rm -r "${files:?}/$name"
gzip -9n "$files/$name.tar"

cp target/debian/ianitor_*.deb "$files/"

cargo cyclonedx --format json --spec-version 1.5 --override-filename "$name.cdx" --target "$triple" --quiet
sed "s,file://$PWD,file:///src,g" "$name.cdx.json" >"$files/$name.cdx.json"
rm "$name.cdx.json"

cd "$files"
LC_ALL=C sha256sum -- * >SHA256SUMS.new
mv SHA256SUMS.new SHA256SUMS
cat SHA256SUMS
