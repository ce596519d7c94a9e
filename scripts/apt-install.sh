#!/bin/sh
# apt-install.sh PACKAGE..: installs them as root without a question and without
# starting any of their services, now or at the next boot.
set -eu

policy=/usr/sbin/policy-rc.d
made_policy=
services_before=$(ls /etc/init.d 2>/dev/null || :)

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

# Debian's Janus listens on every interface with a well-known admin secret, the others on ports that are somebody else's.
for service in janus coturn haproxy nginx prometheus; do
    if [ -e "/etc/init.d/$service" ] && ! printf '%s\n' "$services_before" | grep -qxF "$service"; then
        # This knows the unit beside the script, too.
        update-rc.d "$service" disable
    fi
done
