//! The access log: one line for each request and each tunnel, written after its last byte.

mod end;
mod exchange;
mod line;
mod sink;

pub use end::End;
pub use exchange::Exchange;
pub use line::{Head, Line, User};
pub use sink::AccessSink;
