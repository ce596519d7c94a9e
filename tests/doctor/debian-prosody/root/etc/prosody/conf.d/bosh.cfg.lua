modules_enabled = { "bosh"; "websocket" }
http_interfaces = { "0.0.0.0" }
for _, name in ipairs({ "a" }) do
  log = name
end
