//! Readers of other programs' files. Each keeps the place of everything, takes what it does not
//! know for unknown, and ends with every text.

mod cursor;
pub mod haproxy;
pub mod libconfig;
pub mod lua;
pub mod script;
pub mod settings;
pub mod sockets;
