//! A real Janus, which says through its admin API what has happened: that is asked directly, and
//! not through a gateway.

use std::collections::BTreeMap;
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use serde_json::{Value, json};

use super::wire::Client;
use super::{Folder, Process, free_ports};

/// Its `admin_secret`.
pub(crate) const ADMIN_SECRET: &str = "the-admin-secret-of-janus";
/// The room of the callers.
pub(crate) const ROOM: u64 = 1234;
/// Another room, which they must not enter.
pub(crate) const OTHER_ROOM: u64 = 4321;

/// The plugins with rooms, and a member of their lists that identifies one.
const ROOMS: [(&str, &str); 4] = [
    ("videoroom", "room"),
    ("audiobridge", "room"),
    ("textroom", "room"),
    ("streaming", "id"),
];

/// The running server.
#[derive(Debug)]
pub(crate) struct Janus {
    pub(crate) rest: u16,
    pub(crate) websocket: u16,
    pub(crate) admin: u16,
    pub(crate) admin_websocket: u16,
    _process: Process,
}

impl Janus {
    /// Starts it with variables of `scripts/janus.sh`, and without any room.
    pub(crate) fn start(folder: &Folder, variables: &[(&str, &str)]) -> Self {
        let ports = free_ports();
        let process = Process::janus_with(folder, ports, |command| {
            command.env("JANUS_ADMIN_SECRET", ADMIN_SECRET);
            command.envs(variables.iter().copied());
        });
        let [rest, websocket, admin, admin_websocket] = ports;
        let janus = Self {
            rest,
            websocket,
            admin,
            admin_websocket,
            _process: process,
        };
        // The room of the script has a secret of its own.
        let destroy = json!({"request": "destroy", "room": ROOM, "secret": ADMIN_SECRET});
        assert_eq!(janus.plugin("videoroom", destroy)["videoroom"], "destroyed");
        janus
    }

    /// Creates these rooms in each plugin that has rooms.
    pub(crate) fn add_rooms(&self, rooms: &[u64]) {
        for room in rooms {
            for plugin in ["videoroom", "audiobridge", "textroom"] {
                let create = json!({"request": "create", "room": room, "publishers": 20});
                assert_eq!(self.plugin(plugin, create)[plugin], "created", "{room}");
            }
            let create = json!({"request": "create", "type": "rtp", "id": room, "audio": true,
                "audioport": 0, "audiopt": 111, "audiortpmap": "opus/48000/2"});
            assert_eq!(self.plugin("streaming", create)["streaming"], "created");
        }
    }

    /// What the admin API answers.
    pub(crate) fn admin(&self, verb: &str, members: Value) -> Value {
        let mut message = members;
        message["janus"] = verb.into();
        message["transaction"] = "asked directly".into();
        message["admin_secret"] = ADMIN_SECRET.into();
        self.post(self.admin, "/admin", &message)
    }

    /// What a plugin answers to a request by the admin API.
    #[track_caller]
    pub(crate) fn plugin(&self, plugin: &str, mut request: Value) -> Value {
        request["transaction"] = "asked directly".into();
        let plugin = format!("janus.plugin.{plugin}");
        let mut answer = self.admin(
            "message_plugin",
            json!({"plugin": plugin, "request": request}),
        );
        assert_eq!(answer["janus"], "success", "{answer}");
        answer["response"].take()
    }

    /// What Janus answers to a message of its API for clients.
    pub(crate) fn api(&self, message: &Value) -> Value {
        self.post(self.rest, "/janus", message)
    }

    fn post(&self, port: u16, path: &str, message: &Value) -> Value {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        let mut client = Client::new(stream);
        let answer = client.post(path, message.to_string().as_bytes());
        serde_json::from_slice(&answer.body).unwrap()
    }

    /// The sessions that there are.
    pub(crate) fn sessions(&self) -> Vec<u64> {
        let answer = self.admin("list_sessions", json!({}));
        ids(&answer["sessions"])
    }

    /// The handles of a session.
    pub(crate) fn handles(&self, session: u64) -> Vec<u64> {
        let answer = self.admin("list_handles", json!({"session_id": session}));
        ids(&answer["handles"])
    }

    /// What there is to know about a handle.
    pub(crate) fn handle(&self, session: u64, handle: u64) -> Value {
        let ids = json!({"session_id": session, "handle_id": handle});
        self.admin("handle_info", ids)["info"].take()
    }

    /// The display names of those in a room.
    pub(crate) fn participants(&self, plugin: &str, room: u64) -> Vec<String> {
        let list = json!({"request": "listparticipants", "room": room});
        let answer = self.plugin(plugin, list);
        let all = answer["participants"].as_array().into_iter().flatten();
        let mut names: Vec<_> = all
            .map(|participant| participant["display"].as_str().unwrap_or("?").to_owned())
            .collect();
        names.sort();
        names
    }

    /// The number of a participant with a display name, if it is in the room.
    pub(crate) fn participant(&self, plugin: &str, room: u64, name: &str) -> Option<u64> {
        let list = json!({"request": "listparticipants", "room": room});
        let answer = self.plugin(plugin, list);
        let mut all = answer["participants"].as_array()?.iter();
        all.find(|participant| participant["display"] == name)?["id"].as_u64()
    }

    /// The rooms of a plugin.
    pub(crate) fn rooms(&self, plugin: &str) -> Vec<u64> {
        let (_, id) = ROOMS.iter().find(|(name, _)| *name == plugin).unwrap();
        let answer = self.plugin(plugin, json!({"request": "list"}));
        let rooms = answer["list"].as_array().unwrap().iter();
        rooms.map(|room| room[id].as_u64().unwrap()).collect()
    }

    /// Everything that clients change: rooms with their settings and participants, sessions and
    /// what their handles do. Two of these are equal if nothing has happened in between.
    pub(crate) fn state(&self) -> Value {
        let mut rooms = BTreeMap::new();
        for (plugin, id) in ROOMS {
            let mut list = self.plugin(plugin, json!({"request": "list"}))["list"].take();
            for room in list.as_array_mut().unwrap() {
                // How long ago the last packet came.
                room.as_object_mut().unwrap().remove("media");
                if plugin == "videoroom" || plugin == "audiobridge" {
                    let list = json!({"request": "listparticipants", "room": room[id]});
                    room["participants"] = self.plugin(plugin, list)["participants"].take();
                }
            }
            rooms.insert(plugin, list);
        }
        let mut sessions = BTreeMap::new();
        for session in self.sessions() {
            let handles = self.handles(session).into_iter().map(|handle| {
                let mut info = self.handle(session, handle);
                let doing = json!([info["plugin"].take(), info["plugin_specific"].take()]);
                (handle.to_string(), doing)
            });
            sessions.insert(session.to_string(), handles.collect::<BTreeMap<_, _>>());
        }
        json!({"rooms": rooms, "sessions": sessions})
    }
}

fn ids(list: &Value) -> Vec<u64> {
    let list = list.as_array().into_iter().flatten();
    list.map(|id| id.as_u64().unwrap()).collect()
}
