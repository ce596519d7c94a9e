#!/bin/sh
# apt-install.sh PACKAGE..: installs them as root without a question and without
# starting any of their services, now or at the next boot.
set -eu

policy=/usr/sbin/policy-rc.d
made_policy=
installed_before=$(dpkg-query -W -f '${Package} ${Status}\n' 'janus*' 2>/dev/null | grep -c '^janus install ok installed' || :)

finish() {
    [ -z "$made_policy" ] || rm -f "$policy"
}
trap finish EXIT
trap 'exit 130' HUP INT TERM

# 101: "the service may not be started".
if [ ! -e "$policy" ]; then
    made_policy=yes
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
fi

export DEBIAN_FRONTEND=noninteractive
apt-get update -q </dev/null
apt-get install -q -y --no-install-recommends "$@" </dev/null

# Debian's Janus listens on every interface with a well-known admin secret.
if [ "$installed_before" = 0 ] && [ -e /lib/systemd/system/janus.service ]; then
    update-rc.d janus disable
fi
