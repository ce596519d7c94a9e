-- Users without a name, as Jitsi's token plugin has them: each session has a user of its own, but a
-- session that begins with the id of another one to resume, `previd` in its query, is of that one's
-- user. Otherwise Prosody would not let it resume.

local new_sasl = require "util.sasl".new;

-- The user whose session stream management knows by this id.
local function user_of(id)
	for name, user in pairs(prosody.hosts[module.host].sessions) do
		for _, session in pairs(user.sessions) do
			if session.resumption_token == id then return name; end
		end
	end
end

local provider = {};

function provider.get_sasl_handler(session)
	local sasl = new_sasl(module.host, { anonymous = function () return true; end });
	local process = sasl.process;
	function sasl:process(message)
		local status, failure, text = process(self, message);
		local id = session.asked_session;
		if status == "success" and id then self.username = user_of(id) or self.username; end
		return status, failure, text;
	end
	return sasl;
end

module:provides("auth", provider);
