// Served over the packaged settings.js: the demos ask the gateway that they came from.
// janus.js takes a relative URL for REST; for WebSockets it wants the whole one.
var server = "/janus";
// var server = ["wss://" + window.location.host + "/janus-ws", "/janus"];

// No STUN server is asked. The packaged null would stop janus.js.
// var iceServers = [{ urls: "turn:turn.example.com:3478", username: "…", credential: "…" }];
var iceServers = [];

// The pages name these two, and the packaged settings.js does not declare them.
var token = null;
var apisecret = null;
