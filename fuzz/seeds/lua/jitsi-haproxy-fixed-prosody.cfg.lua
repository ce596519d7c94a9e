modules_enabled = { "bosh"; "websocket"; "turncredentials" }
external_service_secret = "5b2e9f60c1d84a37"
external_services = {
    { type = "stun", host = "turn.example.com", port = 3478 },
    { type = "turn", host = "turn.example.com", port = 3478, secret = true, ttl = 86400 },
}
local names = { "a", "b" }
if os.getenv("GUESTS") == "1" then
    admins = names
end
VirtualHost "meet.example.com"
    authentication = "token"
    app_id = "web"
    app_secret = "5b2e9f60c1d84a379c41d7e0a2f35b68"
    allow_empty_token = os.getenv("GUESTS") == "1"
    asap_accepted_issuers = { "web" }
    asap_accepted_audiences = { "jitsi" }
Component "focus.meet.example.com"
    component_secret = "1f6c8ae4d03957b2"
