//! The commands of `ianitor`, a module each.

pub(crate) mod aliases;
pub(crate) mod arguments;
pub(crate) mod certs;
pub(crate) mod check;
pub(crate) mod config;
pub(crate) mod config_file;
pub(crate) mod doctor;
pub(crate) mod generate;
pub(crate) mod import;
pub(crate) mod init;
pub(crate) mod output;
pub(crate) mod reload;
pub(crate) mod run;
mod signals;
pub(crate) mod token;
pub(crate) mod turn;
pub(crate) mod upgrade;
pub(crate) mod version;
