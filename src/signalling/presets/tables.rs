//! The tables.

use super::{OwnRooms, Preset, Row, Verbs};
use crate::signalling::Protocol;
use crate::signalling::janus::Class;
use crate::signalling::rules::Objects;

pub(super) const ROW: Row = Row {
    verbs: Verbs::These("message"),
    plugins: "",
    requests: "",
    rooms: OwnRooms::Any,
    without: &[],
    claim: None,
    hosts: None,
    uris: false,
    objects: Objects::Own,
};

const ROOM_PLUGINS: &str = "janus.plugin.videoroom janus.plugin.audiobridge janus.plugin.textroom";
const CALL_PLUGINS: &str = "janus.plugin.videoroom janus.plugin.audiobridge janus.plugin.textroom \
                            janus.plugin.streaming janus.plugin.echotest janus.plugin.videocall";
const VIDEOROOM: &str = "janus.plugin.videoroom";
const AUDIOBRIDGE: &str = "janus.plugin.audiobridge";
const TEXTROOM: &str = "janus.plugin.textroom";
const STREAMING: &str = "janus.plugin.streaming";
const SFU: &str = "janus.plugin.sfu";

const OF_SESSIONS: Row = Row {
    verbs: Verbs::These("create keepalive claim destroy"),
    ..ROW
};
const OF_HANDLES: Verbs = Verbs::These("attach detach hangup trickle");

/// Members by which a caller would write files on the media host, have media sent elsewhere, or use
/// a room's secret.
const NOT_OF_CALLERS: &[&str] = &["record", "filename", "secret", "admin_key", "rtp"];

/// Members by which files are written on the media host, or messages sent elsewhere.
const NOT_OF_ROOM_ADMINS: &[&str] = &[
    "record",
    "filename",
    "rec_dir",
    "new_rec_dir",
    "record_dir",
    "new_record_dir",
    "record_file",
    "mjrs",
    "mjrs_dir",
    "new_mjrs_dir",
    "post",
    "new_post",
];

const CALLER: &[Row] = &[
    OF_SESSIONS,
    Row {
        verbs: OF_HANDLES,
        plugins: CALL_PLUGINS,
        ..ROW
    },
    Row {
        plugins: VIDEOROOM,
        requests: "join joinandconfigure configure publish unpublish subscribe unsubscribe update \
                   start pause switch leave exists listparticipants",
        rooms: OwnRooms::Own,
        without: NOT_OF_CALLERS,
        ..ROW
    },
    Row {
        plugins: AUDIOBRIDGE,
        requests: "join changeroom configure leave hangup exists listparticipants",
        rooms: OwnRooms::Own,
        without: NOT_OF_CALLERS,
        ..ROW
    },
    // What a client then sends over a data channel does not pass the gateway.
    Row {
        plugins: TEXTROOM,
        requests: "setup ack restart join leave message exists listparticipants",
        rooms: OwnRooms::Own,
        without: NOT_OF_CALLERS,
        ..ROW
    },
    Row {
        plugins: STREAMING,
        requests: "watch switch info configure start pause stop",
        rooms: OwnRooms::Own,
        without: NOT_OF_CALLERS,
        ..ROW
    },
    Row {
        plugins: "janus.plugin.videocall",
        requests: "register call accept set hangup",
        without: NOT_OF_CALLERS,
        ..ROW
    },
    Row {
        plugins: "janus.plugin.echotest",
        without: NOT_OF_CALLERS,
        ..ROW
    },
];

const MODERATOR: &[Row] = &[
    Row {
        plugins: VIDEOROOM,
        requests: "kick moderate",
        rooms: OwnRooms::Own,
        ..ROW
    },
    Row {
        plugins: AUDIOBRIDGE,
        requests: "kick kick_all mute unmute mute_room unmute_room",
        rooms: OwnRooms::Own,
        ..ROW
    },
    Row {
        plugins: TEXTROOM,
        requests: "kick announcement",
        rooms: OwnRooms::Own,
        ..ROW
    },
];

const ROOM_ADMIN: &[Row] = &[
    Row {
        plugins: ROOM_PLUGINS,
        requests: "list",
        ..ROW
    },
    Row {
        plugins: ROOM_PLUGINS,
        requests: "create edit destroy allowed",
        rooms: OwnRooms::Own,
        without: NOT_OF_ROOM_ADMINS,
        ..ROW
    },
    Row {
        plugins: "janus.plugin.videoroom janus.plugin.audiobridge",
        requests: "stop_rtp_forward listforwarders",
        rooms: OwnRooms::Own,
        ..ROW
    },
    Row {
        plugins: "janus.plugin.videoroom janus.plugin.audiobridge",
        requests: "rtp_forward",
        rooms: OwnRooms::Own,
        hosts: Some("rtp_forward_hosts"),
        ..ROW
    },
];

const PLUGIN_SFU: &[Row] = &[
    OF_SESSIONS,
    Row {
        verbs: OF_HANDLES,
        plugins: SFU,
        ..ROW
    },
    Row {
        plugins: SFU,
        requests: "join",
        rooms: OwnRooms::OfSfu,
        claim: Some("join_hub"),
        ..ROW
    },
    Row {
        plugins: SFU,
        requests: "kick",
        rooms: OwnRooms::OfSfu,
        claim: Some("kick_users"),
        ..ROW
    },
    Row {
        plugins: SFU,
        requests: "subscribe block unblock data",
        rooms: OwnRooms::OfSfu,
        ..ROW
    },
];

const fn of_class(class: Class) -> Row {
    Row {
        verbs: Verbs::OfClass(class),
        ..ROW
    }
}

/// The presets for Janus.
pub(super) const JANUS: &[Preset] = &[
    Preset {
        name: "janus-caller",
        protocol: Protocol::Janus,
        about: "Takes part in calls, in the rooms of the token.",
        rows: CALLER,
    },
    Preset {
        name: "janus-moderator",
        protocol: Protocol::Janus,
        about: "Mutes and removes participants, in the rooms of the token.",
        rows: MODERATOR,
    },
    Preset {
        name: "janus-room-admin",
        protocol: Protocol::Janus,
        about: "Creates, edits and destroys the rooms of the token, without recordings.",
        rows: ROOM_ADMIN,
    },
    Preset {
        name: "janus-plugin-sfu",
        protocol: Protocol::Janus,
        about: "Takes part in calls of janus-plugin-sfu, as its own tokens say.",
        rows: PLUGIN_SFU,
    },
    Preset {
        name: "janus-admin-observe",
        protocol: Protocol::JanusAdmin,
        about: "Reads the state of Janus, without SDPs and secrets.",
        rows: &[of_class(Class::Observe)],
    },
    Preset {
        name: "janus-admin-operate",
        protocol: Protocol::JanusAdmin,
        about: "Changes settings and ends sessions and handles.",
        rows: &[
            of_class(Class::Operate),
            Row {
                verbs: Verbs::These("query_transport query_eventhandler query_logger"),
                requests: "configure connections tweak",
                ..ROW
            },
        ],
    },
    Preset {
        name: "janus-admin-debug",
        protocol: Protocol::JanusAdmin,
        about: "Reads handles with their SDPs, sets logging and starts captures.",
        rows: &[Row {
            without: &["folder", "filename"],
            ..of_class(Class::Debug)
        }],
    },
    Preset {
        name: "janus-admin-secrets",
        protocol: Protocol::JanusAdmin,
        about: "Reads and changes the tokens that Janus keeps.",
        rows: &[of_class(Class::Secrets)],
    },
    Preset {
        name: "janus-admin-message-plugin",
        protocol: Protocol::JanusAdmin,
        about: "Sends requests about rooms to plugins, without recordings and forwarding.",
        rows: &[
            Row {
                verbs: Verbs::OfClass(Class::MessagePlugin),
                plugins: ROOM_PLUGINS,
                requests: "list listparticipants exists create edit destroy allowed kick kick_all \
                           mute unmute mute_room unmute_room moderate listforwarders \
                           stop_rtp_forward announcement",
                without: NOT_OF_ROOM_ADMINS,
                ..ROW
            },
            Row {
                verbs: Verbs::OfClass(Class::MessagePlugin),
                plugins: STREAMING,
                requests: "list info enable disable destroy kick_all",
                ..ROW
            },
        ],
    },
];
