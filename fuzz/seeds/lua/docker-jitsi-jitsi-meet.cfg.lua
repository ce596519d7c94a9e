admins = { "jigasi@auth.meet.jitsi" }
unlimited_jids = { "focus@auth.meet.jitsi" }
muc_mapper_domain_base = "meet.jitsi";
muc_mapper_domain_prefix = "muc";
VirtualHost "meet.jitsi"
    authentication = "token"
    app_id = "docker"
    app_secret = "CHANGE_ME-please"
    allow_empty_token = true
    asap_accepted_issuers = { "docker" }
    asap_accepted_audiences = { "docker" }
    ssl = {
        key = "/config/certs/meet.jitsi.key";
        certificate = "/config/certs/meet.jitsi.crt";
    }
    modules_enabled = { "bosh"; "websocket"; "pubsub"; }
    speakerstats_component = "speakerstats.meet.jitsi"
VirtualHost "auth.meet.jitsi"
    authentication = "internal_hashed"
Component "internal-muc.meet.jitsi" "muc"
    muc_room_locking = false
Component "focus.meet.jitsi" "client_proxy"
    target_address = "focus@auth.meet.jitsi"
