//! What stands in for a Kurento: no package has one.

use super::{Folder, Process};

impl Process {
    /// A stand-in on this port of 127.0.0.1; `name` tells it from others.
    pub(crate) fn kurento(folder: &Folder, name: &str, port: u16) -> Self {
        let script = concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/tests/real/kurento-stand-in.js"
        );
        let mut kurento = Self::start(folder, name, "node", |command| {
            command.arg(script).arg(port.to_string());
        });
        kurento.wait_for(port);
        kurento
    }
}
