modules_enabled = { "bosh" }
VirtualHost "world.example.com"
