VirtualHost "meet.example.com"
    authentication = "token"
    app_id = "my_app"
    app_secret = "my_app_secret"
    allow_empty_token = false
    modules_enabled = { "bosh"; "pubsub"; "ping"; }
    c2s_require_encryption = false

VirtualHost "guest.meet.example.com"
    authentication = "anonymous"
    c2s_require_encryption = false

Component "conference.meet.example.com" "muc"
    storage = "memory"
    modules_enabled = { "token_verification" }
