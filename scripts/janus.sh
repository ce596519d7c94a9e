#!/bin/sh
# Starts a private Janus: loopback only, its own folder, nothing of /etc/janus.
#
#   scripts/janus.sh FOLDER REST WEBSOCKET ADMIN_REST ADMIN_WEBSOCKET
#
# The last four are ports. JANUS_ADMIN_SECRET is the admin secret; without it a
# random one is made. Either way it is left in FOLDER/admin-secret. JANUS_WSS is a port
# for WebSockets with TLS, with the files JANUS_CERT and JANUS_KEY.
#
# JANUS_TURN_REST_API is where it asks for TURN credentials, with JANUS_TURN_REST_API_KEY
# and by JANUS_TURN_REST_API_METHOD, if they are set. JANUS_CA_FILE is whom it trusts
# there, JANUS_DEBUG_LEVEL how much it says (4). JANUS_API_SECRET is what it wants to
# see in each message, JANUS_TOKEN_AUTH_SECRET what the tokens are signed with that it
# wants to see. JANUS_RECLAIM is how many seconds a session outlives its socket (0).
#
# Prints READY when all four answer. The process that runs this
# script becomes Janus: end it by its pid. It also ends when its parent does.
set -eu

die() {
    echo "janus.sh: $*" >&2
    exit 1
}

[ $# -eq 5 ] || die "usage: janus.sh FOLDER REST WEBSOCKET ADMIN_REST ADMIN_WEBSOCKET"

umask 077
mkdir -p "$1"
folder=$(cd "$1" && pwd)
rest=$2 ws=$3 admin_rest=$4 admin_ws=$5

janus=$(command -v janus) || die "janus is not installed"

# The package keeps its modules under the multiarch folder, which differs by machine.
modules=
for dir in /usr/lib/*/janus /usr/lib/janus; do
    [ -e "$dir/transports/libjanus_http.so" ] && modules=$dir && break
done
[ -n "$modules" ] || die "found no Janus modules under /usr/lib"

secret=${JANUS_ADMIN_SECRET:-$(od -An -N24 -tx1 /dev/urandom | tr -d ' \n')}
printf '%s\n' "$secret" >"$folder/admin-secret"

# One module per line of $2 that is not in the list $3: what "disable" is made of.
others() {
    found=
    for so in "$modules/$1"/libjanus_*.so; do
        [ -e "$so" ] || continue
        name=${so##*/}
        case " $2 " in
        *" $name "*) ;;
        *) found="$found${found:+,}$name" ;;
        esac
    done
    printf '%s' "$found"
}

ws_place() {
    printf '\tws_port = %s\n\tws_ip = "127.0.0.1"\n' "$ws"
}

wss_place() {
    if [ -n "${JANUS_WSS:-}" ]; then
        printf '\twss = true\n\twss_port = %s\n\twss_ip = "127.0.0.1"\n' "$JANUS_WSS"
    else
        printf '\twss = false\n'
    fi
}

certificates() {
    [ -n "${JANUS_WSS:-}" ] || return 0
    printf 'certificates: {\n\tcert_pem = "%s"\n\tcert_key = "%s"\n}\n' "$JANUS_CERT" "$JANUS_KEY"
}

turn_rest_api() {
    [ -n "${JANUS_TURN_REST_API:-}" ] || return 0
    printf '\tturn_rest_api = "%s"\n' "$JANUS_TURN_REST_API"
    printf '\tturn_rest_api_key = "%s"\n' "${JANUS_TURN_REST_API_KEY:-}"
    printf '\tturn_rest_api_method = "%s"\n' "${JANUS_TURN_REST_API_METHOD:-GET}"
}

client_secrets() {
    [ -z "${JANUS_API_SECRET:-}" ] || printf '\tapi_secret = "%s"\n' "$JANUS_API_SECRET"
    [ -z "${JANUS_TOKEN_AUTH_SECRET:-}" ] ||
        printf '\ttoken_auth = true\n\ttoken_auth_secret = "%s"\n' "$JANUS_TOKEN_AUTH_SECRET"
}

write_configuration() {
    # Only the interface lo is used for media and no STUN server is asked, so that
    # Janus starts at once without a network and is reachable from this machine alone.
    cat >"$folder/janus.jcfg" <<EOF
general: {
	configs_folder = "$folder"
	plugins_folder = "$modules/plugins"
	transports_folder = "$modules/transports"
	events_folder = "$modules/events"
	loggers_folder = "$modules/loggers"
	debug_level = ${JANUS_DEBUG_LEVEL:-4}
	debug_colors = false
	debug_timestamps = true
	log_to_stdout = false
	log_to_file = "$folder/janus.log"
	admin_secret = "$secret"
	reclaim_session_timeout = ${JANUS_RECLAIM:-0}
$(client_secrets)
	server_name = "ianitor-private"
	protected_folders = ["/bin", "/boot", "/dev", "/etc", "/lib", "/lib64", "/proc", "/root", "/sbin", "/sys", "/usr", "/var"]
}
media: {
	ipv6 = false
}
nat: {
	ice_enforce_list = "lo"
	ignore_mdns = true
$(turn_rest_api)
}
plugins: {
	disable = "$(others plugins "libjanus_audiobridge.so libjanus_echotest.so libjanus_streaming.so libjanus_textroom.so libjanus_videocall.so libjanus_videoroom.so")"
}
transports: {
	disable = "$(others transports "libjanus_http.so libjanus_websockets.so")"
}
loggers: {
	disable = "$(others loggers "")"
}
events: {
	broadcast = false
}
EOF
    cat >"$folder/janus.transport.http.jcfg" <<EOF
general: {
	base_path = "/janus"
	http = true
	port = $rest
	ip = "127.0.0.1"
	https = false
}
admin: {
	admin_base_path = "/admin"
	admin_http = true
	admin_port = $admin_rest
	admin_ip = "127.0.0.1"
	admin_https = false
}
EOF
    cat >"$folder/janus.transport.websockets.jcfg" <<EOF
general: {
	ws = true
$(ws_place)
$(wss_place)
}
admin: {
	admin_ws = true
	admin_ws_port = $admin_ws
	admin_ws_ip = "127.0.0.1"
	admin_wss = false
}
$(certificates)
EOF
    cat >"$folder/janus.plugin.videoroom.jcfg" <<EOF
room-1234: {
	description = "Demo Room"
	secret = "$secret"
	publishers = 6
	bitrate = 128000
	fir_freq = 10
	record = false
}
EOF
    # Their defaults do; an empty file keeps the warnings out of the log.
    for plugin in audiobridge echotest streaming textroom videocall; do
        printf 'general: {\n}\n' >"$folder/janus.plugin.$plugin.jcfg"
    done
}

status() {
    url=$1
    shift
    curl -s -m 2 --noproxy '*' -o /dev/null -w '%{http_code}' "$@" "http://127.0.0.1:$url"
}

# 403 is what the WebSocket ports say to a plain request.
answers() {
    [ "$(status "$rest/janus/info") $(status "$admin_rest/admin/info") $(status "$ws/") $(status "$admin_ws/")" = "200 200 403 403" ]
}

# Runs beside Janus, whose pid is $1.
announce() {
    tries=0
    until answers; do
        tries=$((tries + 1))
        # A zombie still takes signals, but has no program.
        if [ ! -e "/proc/$1/exe" ] || grep -qF '[FATAL]' "$folder/janus.log" || [ $tries -gt 300 ]; then
            echo "janus.sh: Janus does not answer; the end of $folder/janus.log:" >&2
            tail -n 15 "$folder/janus.log" "$folder/output" >&2
            kill "$1" 2>/dev/null || :
            return
        fi
        sleep 0.1
    done
    echo READY
}

# libcurl has the path of the CAs compiled in, Janus has no setting for it, and no
# variable of curl or OpenSSL changes it: Janus gets a copy with another path, relative
# to the folder that it runs in.
trust() {
    cp "$1" "$folder/ca.pem"
    library=$(ldd "$janus" | sed -n 's/.*\(libcurl[^ ]*\) => \([^ ]*\) .*/\2/p')
    [ -n "$library" ] || die "found no libcurl that $janus uses"
    mkdir -p "$folder/lib"
    padding=$(printf '%28s' '' | sed 's/ /\\x00/g')
    LC_ALL=C sed "s#/etc/ssl/certs/ca-certificates\.crt#ca.pem$padding#" "$library" >"$folder/lib/${library##*/}"
    export LD_LIBRARY_PATH="$folder/lib${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}"
    cd "$folder"
}

write_configuration
[ -z "${JANUS_CA_FILE:-}" ] || trust "$JANUS_CA_FILE"
: >"$folder/janus.log"
announce $$ &

# A parent that is killed outright cannot end Janus: the kernel does it then.
exec setpriv --pdeathsig TERM "$janus" --configs-folder="$folder" \
    --config="$folder/janus.jcfg" --disable-stdout >"$folder/output" 2>&1 </dev/null
