VirtualHost "meet.example.com"
    authentication = "token"
    app_id = "my_app"
    app_secret = "e07a45c3912fbd861f6c8ae4d03957b2"
    allow_empty_token = false
    asap_accepted_issuers = { "my_app" }
    asap_accepted_audiences = { "jitsi" }
    modules_enabled = { "bosh"; "pubsub"; "ping"; }

VirtualHost "guest.meet.example.com"
    authentication = "anonymous"

Component "conference.meet.example.com" "muc"
    storage = "memory"
    modules_enabled = { "token_verification" }
