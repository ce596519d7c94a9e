//! The composition root: makes a running gateway of a configuration, reloads and drains it.
//!
//! ```text
//! start  ─▶ prepare ─▶ start the background tasks, the status listener and the workers ─▶ Running
//! reload ─▶ prepare ─▶ the same tasks and workers get what has changed
//! drain  ─▶ the workers close what is open
//! ```
//!
//! `prepare` binds addresses and reads files without changing anything that is in force. It uses
//! `issuers`, `services` (certificates that are ordered), `snapshot`, `certificates` and `budget`.

mod budget;
mod certificates;
mod config_watch;
mod drain;
mod error;
mod hand_over;
mod handed;
mod issuers;
mod listeners;
mod memory_watch;
mod older;
mod prepare;
mod previous;
mod probes;
mod reload;
mod running;
mod services;
mod snapshot;
mod start;
mod status;
mod succeeded;
mod unreached;
mod watch;

pub use config_watch::{CONFIG_LOOK_INTERVAL, ConfigWatch};
pub use drain::Drain;
pub use error::StartError;
pub use hand_over::HandOver;
pub use handed::{Early, Late, Sessions, Update};
pub use running::Running;
pub use snapshot::upstream_files;
pub use start::Gateway;
pub use succeeded::ReplacedDrain;
pub use unreached::unreached_certificates;
pub use watch::FILE_CHECK_INTERVAL;
