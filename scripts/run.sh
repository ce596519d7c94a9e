#!/bin/sh
# make run: the gateway of gateway.toml in the foreground, in front of the Janus of
# this machine, or of one of our own that ends with it.
set -eu
cd "$(dirname "$0")/.."
. scripts/lib.sh

folder=run/janus
janus=
gateway=
hints=

# Whether a Janus answers where gateway.toml expects one.
janus_answers() {
    curl -fs -m 3 --noproxy '*' http://127.0.0.1:8088/janus/info | grep -q Janus
}

ensure_janus() {
    have curl || install_packages curl
    if janus_answers; then
        echo "Using the Janus that answers on 127.0.0.1:8088."
        own=
        return
    fi
    own=yes
    have janus && return
    { have apt-get && install_packages janus; } ||
        fail "Could not install Janus. Start one with its REST API on 127.0.0.1:8088, or name yours in gateway.toml and start 'cargo run --release -- run --config gateway.toml'."
}

# In a session of its own, so that Ctrl-C reaches the gateway first and Janus after it.
start_janus() {
    mkdir -p "$folder"
    rm -f "$folder/ready"
    mkfifo "$folder/ready"
    setsid scripts/janus.sh "$folder" 8088 8188 7088 7188 >"$folder/ready" &
    janus=$!
    # End of file instead of READY: it is gone.
    read -r _ <"$folder/ready" || fail "Janus did not start; see $folder/janus.log."
}

# Runs beside the gateway, whose pid is $1.
print_hints() {
    until curl -fs -m 3 --noproxy '*' -o /dev/null --cacert certs/ca.pem https://localhost:8443/janus/info; do
        kill -0 "$1" 2>/dev/null || return 0
        sleep 0.2
    done
    if [ -n "$own" ]; then
        secret=$(cat "$folder/admin-secret")
        echo "A private Janus runs too (log: $folder/janus.log); its admin secret is $secret"
    else
        secret=ADMIN_SECRET
    fi
    cat <<EOF

The gateway answers. Try:

  curl --cacert certs/ca.pem https://localhost:8443/janus/info

  curl --cacert certs/ca.pem https://localhost:8443/admin \\
    -d '{"janus":"list_sessions","transaction":"1","admin_secret":"$secret"}'

WebSocket clients use wss://localhost:8443/janus-ws (janode and other node programs
trust the certificate with NODE_EXTRA_CA_CERTS=certs/ca.pem in their environment).

Ctrl-C ends everything.

EOF
}

# Called by traps, as is pass_on.
# shellcheck disable=SC2317
finish() {
    for pid in $hints $gateway $janus; do
        kill -TERM "$pid" 2>/dev/null || :
    done
    for pid in $gateway $janus; do
        wait "$pid" 2>/dev/null || :
    done
}

# The first signal drains the gateway, the second ends it at once: it counts them itself.
# shellcheck disable=SC2317
pass_on() {
    [ -n "$gateway" ] || exit 130
    kill -TERM "$gateway" 2>/dev/null || :
}

trap finish EXIT
trap pass_on HUP INT TERM

ensure_toolchain
ensure_janus
cargo build --release
[ -z "$own" ] || start_janus

# Dies with this script even if that is killed outright.
setsid setpriv --pdeathsig TERM "${CARGO_TARGET_DIR:-target}/release/ianitor" run --config gateway.toml &
gateway=$!
print_hints $gateway &
hints=$!

# A signal interrupts wait; the gateway may still be draining then.
status=0
while kill -0 $gateway 2>/dev/null; do
    status=0
    wait $gateway || status=$?
done
gateway=
exit $status
