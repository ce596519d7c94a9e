//! What plugins are asked for, and where their requests name a room. From the sources of Janus
//! 1.1.2 and janus-plugin-sfu.

use crate::signalling::rules::Word;

/// A plugin whose requests are known.
#[derive(Debug)]
pub struct Plugin {
    /// Its name, which `attach` compares with case.
    pub name: &'static str,
    /// The member that says what is requested.
    pub request: &'static str,
    /// Whether a message without that member is a request too.
    pub is_request_optional: bool,
    /// The member that names the room.
    pub room: Option<&'static str>,
    /// Requests about a room, which they must name.
    pub in_room: &'static [&'static str],
    /// Requests about a room for which the plugin makes up a name if they have none.
    pub new_room: &'static [&'static str],
    /// Requests about the room that the handle is in, or about none.
    pub others: &'static [&'static str],
    /// Those of all these that callers do not need: of moderators and administrators of rooms, and
    /// such as write files or send media elsewhere.
    pub privileged: &'static [&'static str],
    /// Those of all these by which the handle enters the room that they name.
    pub enters: &'static [&'static str],
    /// Those by which it leaves a room, or no longer sends or receives media.
    pub leaves: &'static [&'static str],
}

/// How a request names its room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomUse {
    /// It must.
    Required,
    /// It may.
    Chosen,
    /// It is not about one, or about the one that the handle is in.
    None,
}

const ORDINARY: Plugin = Plugin {
    name: "",
    request: "request",
    is_request_optional: false,
    room: None,
    in_room: &[],
    new_room: &[],
    others: &[],
    privileged: &[],
    enters: &[],
    leaves: &[],
};

/// The plugins.
pub const PLUGINS: &[Plugin] = &[
    Plugin {
        name: "janus.plugin.videoroom",
        room: Some("room"),
        in_room: &[
            "join",
            "joinandconfigure",
            "exists",
            "listparticipants",
            "edit",
            "destroy",
            "allowed",
            "kick",
            "moderate",
            "enable_recording",
            "rtp_forward",
            "stop_rtp_forward",
            "listforwarders",
            "publish_remotely",
            "unpublish_remotely",
            "listremotes",
            "add_remote_publisher",
            "update_remote_publisher",
            "remove_remote_publisher",
        ],
        new_room: &["create"],
        others: &[
            "list",
            "configure",
            "publish",
            "unpublish",
            "subscribe",
            "unsubscribe",
            "update",
            "start",
            "pause",
            "switch",
            "leave",
        ],
        privileged: &[
            "edit",
            "destroy",
            "allowed",
            "kick",
            "moderate",
            "enable_recording",
            "rtp_forward",
            "stop_rtp_forward",
            "listforwarders",
            "publish_remotely",
            "unpublish_remotely",
            "listremotes",
            "add_remote_publisher",
            "update_remote_publisher",
            "remove_remote_publisher",
            "create",
            "list",
        ],
        enters: &["join", "joinandconfigure"],
        leaves: &["leave", "unpublish"],
        ..ORDINARY
    },
    Plugin {
        name: "janus.plugin.audiobridge",
        room: Some("room"),
        in_room: &[
            "join",
            "changeroom",
            "exists",
            "listparticipants",
            "edit",
            "destroy",
            "allowed",
            "kick",
            "kick_all",
            "mute",
            "unmute",
            "mute_room",
            "unmute_room",
            "enable_recording",
            "enable_mjrs",
            "rtp_forward",
            "stop_rtp_forward",
            "listforwarders",
            "play_file",
            "is_playing",
            "stop_file",
        ],
        new_room: &["create"],
        others: &["list", "configure", "resetdecoder", "leave", "hangup"],
        privileged: &[
            "edit",
            "destroy",
            "allowed",
            "kick",
            "kick_all",
            "mute",
            "unmute",
            "mute_room",
            "unmute_room",
            "enable_recording",
            "enable_mjrs",
            "rtp_forward",
            "stop_rtp_forward",
            "listforwarders",
            "play_file",
            "is_playing",
            "stop_file",
            "create",
            "list",
            "resetdecoder",
        ],
        enters: &["join", "changeroom"],
        leaves: &["leave", "hangup"],
        ..ORDINARY
    },
    Plugin {
        name: "janus.plugin.textroom",
        room: Some("room"),
        in_room: &[
            "join",
            "leave",
            "message",
            "exists",
            "listparticipants",
            "edit",
            "destroy",
            "allowed",
            "kick",
            "announcement",
        ],
        new_room: &["create"],
        others: &["list", "setup", "ack", "restart"],
        privileged: &[
            "edit",
            "destroy",
            "allowed",
            "kick",
            "announcement",
            "create",
            "list",
        ],
        enters: &["join"],
        leaves: &["leave"],
        ..ORDINARY
    },
    Plugin {
        name: "janus.plugin.streaming",
        room: Some("id"),
        in_room: &[
            "watch",
            "switch",
            "info",
            "edit",
            "destroy",
            "enable",
            "disable",
            "kick_all",
            "recording",
        ],
        new_room: &["create"],
        others: &["list", "configure", "start", "pause", "stop"],
        privileged: &[
            "edit",
            "destroy",
            "enable",
            "disable",
            "kick_all",
            "recording",
            "create",
            "list",
        ],
        enters: &["watch", "switch"],
        leaves: &["stop"],
        ..ORDINARY
    },
    Plugin {
        name: "janus.plugin.videocall",
        others: &["list", "register", "call", "accept", "set", "hangup"],
        privileged: &["list"],
        ..ORDINARY
    },
    Plugin {
        name: "janus.plugin.echotest",
        is_request_optional: true,
        ..ORDINARY
    },
    Plugin {
        name: "janus.plugin.sfu",
        request: "kind",
        room: Some("room_id"),
        in_room: &["join", "kick"],
        others: &["subscribe", "block", "unblock", "data"],
        privileged: &["kick"],
        enters: &["join"],
        ..ORDINARY
    },
];

/// Janus' other plugins, whose requests are not known.
pub const OTHERS: [&str; 6] = [
    "janus.plugin.recordplay",
    "janus.plugin.sip",
    "janus.plugin.nosip",
    "janus.plugin.voicemail",
    "janus.plugin.lua",
    "janus.plugin.duktape",
];

/// A plugin by its name.
pub fn find(name: &str) -> Option<&'static Plugin> {
    PLUGINS.iter().find(|plugin| plugin.name == name)
}

impl Plugin {
    /// Whether callers do not need this request.
    pub fn is_privileged(&self, request: &Word<'_>) -> bool {
        self.privileged.iter().any(|name| request.is(name))
    }

    /// Every request that is known.
    pub fn requests(&self) -> impl Iterator<Item = &'static str> + use<> {
        let lists = [self.in_room, self.new_room, self.others];
        lists.into_iter().flatten().copied()
    }

    /// How a request names its room, if the request is known.
    pub fn room_use(&self, is: impl Fn(&str) -> bool) -> Option<RoomUse> {
        let lists = [
            (self.in_room, RoomUse::Required),
            (self.new_room, RoomUse::Chosen),
            (self.others, RoomUse::None),
        ];
        let mut lists = lists.into_iter();
        let list = lists.find(|(names, _)| names.iter().any(|name| is(name)));
        list.map(|(_, room)| room)
    }
}
