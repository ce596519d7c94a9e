// Served over the packaged adminconfig.js: the admin page asks the gateway that it came from.
var server = "/admin";
// The page asks for the secret; written here, it would be everybody's.
var secret = "";
