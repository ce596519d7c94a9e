#!/bin/sh
# The files of the image: root.sh FOLDER BINARY. Beside the binary these are the C libraries that it is linked with and
# the CAs of ca-certificates, both out of Debian's own packages, without what installs, configures or runs them.
# It needs the packages of the Debian on which the binary was built, and no root.
set -eu
[ $# = 2 ] || { echo "usage: $0 FOLDER BINARY" >&2; exit 64; }
here=$(cd "$(dirname "$0")" && pwd)
packaging=$(dirname "$here")
root=$1
binary=$(realpath "$2")

umask 022
rm -rf "$root"
mkdir -p "$root/usr/bin" "$root/usr/share/ianitor/www" "$root/usr/share/doc" "$root/etc/ssl/certs" \
    "$root/etc/ianitor/certs" "$root/run/ianitor" "$root/var/lib/ianitor"
chmod 700 "$root/var/lib/ianitor"
root=$(realpath "$root")
taken=$(mktemp -d)
trap 'rm -rf "$taken"' EXIT

# What the packages have.
packages='libc6 libgcc-s1 ca-certificates'
mkdir "$taken/files"
# shellcheck disable=SC2086 # A list of words.
(cd "$taken" && apt-get download -q -o APT::Sandbox::User=root $packages >&2)
for package in "$taken"/*.deb; do
    dpkg-deb -x "$package" "$taken/files"
done
for package in $packages gcc-12-base; do
    copyright=$taken/files/usr/share/doc/$package/copyright
    [ ! -f "$copyright" ] || install -D -m 644 "$copyright" "$root/usr/share/doc/$package/copyright"
done

# The loader where the binary looks for it, and the libraries where the loader looks for them.
loader=$(readelf -l "$binary" | sed -n 's/.*program interpreter: \(.*\)]/\1/p')
libraries=/lib/$(dpkg-architecture -qDEB_HOST_MULTIARCH)
take() {
    found=$(find "$taken/files" -name "${1##*/}" ! -type d | head -n 1)
    [ -n "$found" ] || { echo "root.sh: none of these packages has $1: $packages" >&2; exit 1; }
    [ ! -L "$found" ] || found=$(find "$taken/files" -type f -name "$(basename "$(readlink "$found")")" | head -n 1)
    install -D -m 755 "$found" "$root$2"
}
take "$loader" "$loader"
for library in $(readelf -d "$binary" | sed -n 's/.*(NEEDED).*\[\(.*\)\]/\1/p'); do
    [ "$library" = "${loader##*/}" ] || take "$library" "$libraries/$library"
done

# As update-ca-certificates joins them.
find "$taken/files/usr/share/ca-certificates" -name '*.crt' | LC_ALL=C sort | xargs cat \
    >"$root/etc/ssl/certs/ca-certificates.crt"

install -m 755 "$binary" "$root/usr/bin/ianitor"
install -m 644 "$here/gateway.toml" "$root/etc/ianitor/gateway.toml"
install -m 644 "$packaging/debian/index.html" "$root/usr/share/ianitor/www/index.html"
install -D -m 644 "$packaging/debian/copyright" "$root/usr/share/doc/ianitor/copyright"
printf 'root:x:0:0:root:/:/sbin/nologin\nianitor:x:65532:65532:ianitor:/var/lib/ianitor:/sbin/nologin\n' >"$root/etc/passwd"
printf 'root:x:0:\nianitor:x:65532:\n' >"$root/etc/group"
# Names of servers: /etc/hosts, which the container's runtime writes, before DNS.
echo 'hosts: files dns' >"$root/etc/nsswitch.conf"
