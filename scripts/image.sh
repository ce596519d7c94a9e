#!/bin/sh
# make image: the OCI image of this version, a layout in target/oci/ianitor.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

have umoci || install_packages umoci
have dpkg-architecture || install_packages dpkg-dev
scripts/dist.sh

SOURCE_DATE_EPOCH=$(source_date_epoch)
export SOURCE_DATE_EPOCH
target=${CARGO_TARGET_DIR:-target}
packaging/oci/image.sh "$target/oci/ianitor" "$target/dist/ianitor" "$(version)"
