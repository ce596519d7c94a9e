-- Prosody Example Configuration File
admins = { "focus@auth.meet.jitsi", "jvb@auth.meet.jitsi" }
plugin_paths = { "/prosody-plugins/", "/prosody-plugins-custom" }
modules_enabled = { "roster"; "saslauth"; "tls"; "disco"; "posix"; "ping"; "bosh"; "websocket"; }
https_ports = { }
trusted_proxies = { "127.0.0.1", "::1", "172.18.0.0/16" }
c2s_require_encryption = true
external_service_secret = os.getenv("TURN_SECRET");
external_services = {
    { type = "turn", host = "turn.example.com", port = 3478, transport = "udp", secret = true }
}
http_ports = { 5280 }
http_interfaces = { "172.18.0.3" }
consider_bosh_secure = true;
consider_websocket_secure = true;
Include "conf.d/*.cfg.lua"
