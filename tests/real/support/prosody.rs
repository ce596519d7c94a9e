//! A private Prosody.

use std::path::Path;

use super::{Folder, Process, part_of_page};

impl Process {
    /// A Prosody with BOSH and WebSockets on this port of 127.0.0.1, and with users that need no
    /// name at `localhost`.
    pub(crate) fn prosody(folder: &Folder, port: u16) -> Self {
        Self::start_prosody(folder, port, |data| configuration(data, port))
    }

    /// The same with rooms for conferences, which a client enters if the URL of its session names
    /// them, and with sessions that can be resumed, as Jitsi's plugins have it.
    pub(crate) fn prosody_with_rooms(folder: &Folder, port: u16) -> Self {
        let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real/prosody");
        Self::start_prosody(folder, port, |data| {
            let found = format!("plugin_paths = {{ {plugins:?} }}\nmodules_enabled");
            configuration(data, port)
                .replacen("modules_enabled", &found, 1)
                .replacen("\"ping\"", "\"ping\", \"smacks\"", 1)
                .replacen("\"anonymous\"", "\"resumed\"", 1)
                + "Component \"conference.localhost\" \"muc\"\n\
                   muc_room_locking = false\n\
                   modules_enabled = { \"rooms_by_request\" }\n"
        })
    }

    /// A Prosody that speaks TLS on this port of 127.0.0.1 with what it finds in a folder for
    /// `host`.
    pub(crate) fn prosody_with_tls(
        folder: &Folder,
        port: u16,
        host: &str,
        certificates: &Path,
    ) -> Self {
        Self::start_prosody(folder, port, |data| {
            let found = format!("certificates = \"{}\"", certificates.display());
            configuration(data, 0)
                .replace("http_ports = { 0 }", "http_ports = {}")
                .replace("https_ports = { }", &format!("https_ports = {{ {port} }}"))
                .replace(&format!("certificates = \"{data}\""), &found)
                .replace("\"localhost\"", &format!("\"{host}\""))
        })
    }

    fn start_prosody(
        folder: &Folder,
        port: u16,
        configuration: impl FnOnce(&str) -> String,
    ) -> Self {
        let data = folder.join("prosody");
        std::fs::create_dir_all(&data).unwrap();
        let file = folder.write(
            "prosody.cfg.lua",
            &configuration(&data.display().to_string()),
        );
        let mut prosody = Self::start(folder, "prosody", "prosody", |command| {
            command.arg("-F").arg("--config").arg(file);
        });
        prosody.wait_for(port);
        prosody
    }
}

/// With what the recipe for Jitsi says about a Prosody behind the gateway.
fn configuration(data: &str, port: u16) -> String {
    let behind_gateway = part_of_page("docs/recipes/jitsi.md", "lua", 0);
    format!(
        r#"
run_as_root = true
data_path = "{data}"
certificates = "{data}"
pidfile = "{data}/prosody.pid"
log = {{ info = "*console" }}
modules_enabled = {{ "bosh", "websocket", "saslauth", "disco", "ping" }}
modules_disabled = {{ "s2s" }}
interfaces = {{ "127.0.0.1" }}
https_interfaces = {{ "127.0.0.1" }}
http_ports = {{ {port} }}
c2s_ports = {{}}
c2s_direct_tls_ports = {{}}
{behind_gateway}
VirtualHost "localhost"
authentication = "anonymous"
"#
    )
}
