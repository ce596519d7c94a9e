//! Servers of WHIP and WHEP in front of a Janus.

use std::path::Path;

use super::{Folder, Process};

/// What `scripts/test-deps.sh` has taken out of Debian's package.
const DEBIAN: &str = "node_modules/.simple-whip-server/usr/share/simple-whip-server/src";

impl Process {
    /// Debian's simple-whip-server on this port of 127.0.0.1, below `/whip`.
    pub(crate) fn whip(folder: &Folder, port: u16, janus_websocket: u16) -> Self {
        let tests = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real");
        for file in ["server.js", "whip-janus.js"] {
            let text = std::fs::read_to_string(tests.join(DEBIAN).join(file)).unwrap();
            folder.write(&format!("whip/{file}"), &text);
        }
        folder.write("whip/config.js", &config(port, janus_websocket));
        let mut whip = Self::start(folder, "simple-whip-server", "node", |command| {
            command
                .arg("server.js")
                .env("NODE_PATH", tests.join("node_modules"))
                .env("DEBUG", "whip:*")
                .current_dir(folder.join("whip"));
        });
        whip.wait_for(port);
        whip
    }

    /// janus-whep-server on this port of 127.0.0.1, below `/whep`.
    pub(crate) fn whep(folder: &Folder, port: u16, janus_websocket: u16) -> Self {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/real/whep-server.js");
        let ports = [port, janus_websocket].map(|port| port.to_string());
        let mut whep = Self::start(folder, "whep-server", "node", |command| {
            command.arg(script).args(ports);
        });
        whep.wait_for(port);
        whep
    }
}

/// Its configuration, which also keeps it to loopback: it has no setting for that.
fn config(port: u16, janus_websocket: u16) -> String {
    format!(
        "const {{ Server }} = require('http');\n\
         const listen = Server.prototype.listen;\n\
         Server.prototype.listen = function (port, listening) {{\n\
         \x20 return listen.call(this, port, '127.0.0.1', listening);\n\
         }};\n\
         module.exports = {{\n\
         \x20 janus: {{ address: 'ws://127.0.0.1:{janus_websocket}' }},\n\
         \x20 port: {port},\n\
         \x20 rest: '/whip',\n\
         \x20 allowTrickle: true,\n\
         \x20 strictETags: true,\n\
         \x20 iceServers: [{{ uri: 'stun:stun.example.net' }}],\n\
         }};\n"
    )
}
