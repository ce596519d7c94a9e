-- Global settings
admins = { }
modules_enabled = {
    "roster"; "saslauth"; "tls"; "disco"; -- the usual ones
    "posix"; "bosh"; "websocket";
}
c2s_require_encryption = false
allow_unencrypted_plain_auth = true
consider_bosh_secure = true
consider_websocket_secure = true
authentication = "internal_hashed"
log = { info = "/var/log/prosody/prosody.log" }
Include "conf.d/*.cfg.lua"
