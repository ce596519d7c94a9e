-- What Jitsi's token plugins have from a request: the query with which a session of BOSH or a
-- WebSocket begins names its room, its tenant and its token. A session enters no other room than
-- that one. Each session and each room that one asks for is a line of the log.

local formdecode = require "util.http".formdecode;
local jid_node = require "util.jid".node;
local st = require "util.stanza";

local function remember(event)
	local session, request = event.session, event.request;
	local query = formdecode(request.url.query or "");
	if type(query) ~= "table" then query = {}; end
	session.asked_room = query.room;
	session.asked_session = query.previd;
	module:log("info", "a session of %s at %s: room=%s prefix=%s token=%s jwt=%s authorization=%s",
		session.asked_room or "?", request.url.path, tostring(query.room), tostring(query.prefix),
		tostring(query.token), tostring(query.jwt), tostring(request.headers.authorization));
end

module:hook_global("bosh-session", remember);
module:hook_global("websocket-session", remember);

module:hook("muc-occupant-pre-join", function (event)
	local room = jid_node(event.room.jid);
	local asked = event.origin.asked_room;
	module:log("info", "a client of %s enters %s", tostring(asked), room);
	if asked and asked:lower() == room then return; end
	event.origin.send(st.error_reply(event.stanza, "cancel", "not-allowed", "another room"));
	return true;
end);
