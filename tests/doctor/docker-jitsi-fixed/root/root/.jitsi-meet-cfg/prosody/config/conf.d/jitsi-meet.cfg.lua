VirtualHost "meet.jitsi"
    authentication = "token"
    app_id = "docker"
    app_secret = "9c41d7e0a2f35b685b2e9f60c1d84a37"
    allow_empty_token = true
    asap_accepted_issuers = { "docker" }
    asap_accepted_audiences = { "docker" }
    modules_enabled = { "bosh"; "websocket"; "pubsub"; }
VirtualHost "guest.meet.jitsi"
    authentication = "jitsi-anonymous"
VirtualHost "auth.meet.jitsi"
    authentication = "internal_hashed"
Component "internal-muc.meet.jitsi" "muc"
    muc_room_locking = false
