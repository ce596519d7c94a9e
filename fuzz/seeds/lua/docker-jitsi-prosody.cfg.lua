-- Prosody Example Configuration File
admins = { "focus@auth.meet.jitsi", "jvb@auth.meet.jitsi" }
component_admins_as_room_owners = true
plugin_paths = { "/prosody-plugins/", "/prosody-plugins-custom" }
modules_enabled = { "roster"; "saslauth"; "tls"; "disco"; "posix"; "ping"; "bosh"; "websocket"; }
https_ports = { }
trusted_proxies = { "127.0.0.1", "::1", "0.0.0.0/0" }
allow_registration = false;
c2s_require_encryption = false
s2s_secure_auth = false
pidfile = "/config/data/prosody.pid";
external_service_secret = "secret";
external_services = {
    { type = "turn", host = "turn.example.com", port = 3478, transport = "udp", secret = true }
}
http_ports = { 5280 }
http_interfaces = { "*", "::" }
data_path = "/config/data"
consider_bosh_secure = true;
consider_websocket_secure = true;
Include "conf.d/*.cfg.lua"
