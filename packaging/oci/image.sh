#!/bin/sh
# An OCI image without a container runtime: image.sh FOLDER BINARY VERSION writes the layout FOLDER, with the tag VERSION.
# It has the same files and the same settings as that of the Dockerfile; tests/oci compares the settings. One binary and one
# SOURCE_DATE_EPOCH give one image.
set -eu
[ $# = 3 ] || { echo "usage: $0 FOLDER BINARY VERSION" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
layout=$1
tag=$3
: "${SOURCE_DATE_EPOCH:?}"
created=$(date -u -d "@$SOURCE_DATE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)

rm -rf "$layout"
mkdir -p "$(dirname "$layout")"
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$here/root.sh" "$work/root" "$2"

# The folders that the gateway writes to belong to its user.
add() {
    LC_ALL=C tar -C "$work/root" --format=gnu --sort=name --mtime="@$SOURCE_DATE_EPOCH" --numeric-owner \
        --file="$work/layer.tar" "$@"
}
add --create --owner=0 --group=0 --exclude=./etc/ianitor/certs --exclude=./run/ianitor --exclude=./var/lib/ianitor .
add --append --owner=65532 --group=65532 ./etc/ianitor/certs ./run/ianitor ./var/lib/ianitor

umoci init --layout "$layout"
image=$layout:$tag
umoci new --image "$image"
umoci raw add-layer --image "$image" --history.created "$created" --history.created_by packaging/oci/image.sh \
    "$work/layer.tar"
umoci config --image "$image" --no-history --created "$created" \
    --architecture "$(dpkg --print-architecture)" --os linux \
    --config.user 65532:65532 \
    --config.workingdir /etc/ianitor \
    --config.stopsignal SIGTERM \
    --config.exposedports 8443/tcp --config.exposedports 8080/tcp \
    --config.entrypoint /usr/bin/ianitor \
    --config.cmd run --config.cmd -c --config.cmd /etc/ianitor/gateway.toml \
    --config.label "org.opencontainers.image.title=ianitor" \
    --config.label "org.opencontainers.image.version=$tag" \
    --config.label "org.opencontainers.image.licenses=Apache-2.0 OR MIT"
umoci gc --layout "$layout"
