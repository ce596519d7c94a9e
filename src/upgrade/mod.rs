//! An upgrade in place: this process starts the program anew and hands over what it has.
//!
//! ```text
//! old process                                          new process
//! Program ─▶ Successor::start ── sockets, by LISTEN_FDS ──▶ listen::Inherited
//!            Successor ◀───────── hello, hello ───────────▶ Predecessor
//!                      ────────── keys, tickets ──────────▶ reads its configuration, binds
//!                      ◀───────── prepared ────────────────
//!                      ────────── sessions, tokens ───────▶ starts its workers
//!                      ◀───────── ready ──────────────────
//!            drains    ────────── what still changes ─────▶
//! ```
//!
//! Both sides speak over one Unix socket, in JSON documents with their lengths ([`frame`]). If the
//! new process fails, is not ready in time or cannot be executed, the old one goes on as it is.

mod error;
pub mod frame;
mod predecessor;
mod program;
mod successor;

pub use error::UpgradeError;
pub use predecessor::Predecessor;
pub use program::Program;
pub use successor::{HandedSocket, Successor};

use serde::{Deserialize, Serialize};

/// The version of the documents that have state. A process that has another one starts without
/// what the other knows.
const FORMAT: u32 = 1;

/// What both sides say first. It stays as it is in all versions.
#[derive(Debug, Serialize, Deserialize)]
struct Hello {
    format: u32,
    version: String,
}

impl Hello {
    fn own() -> Self {
        Self {
            format: FORMAT,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        }
    }

    /// Whether the other side's documents are understood.
    fn is_understood(&self) -> bool {
        self.format == FORMAT
    }
}

/// What the new process says. It stays as it is in all versions.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Answer {
    /// Its configuration can be put into force.
    Prepared,
    /// It accepts connections.
    Ready,
    /// It ends.
    Failed {
        /// A line each.
        problems: Vec<String>,
    },
}
