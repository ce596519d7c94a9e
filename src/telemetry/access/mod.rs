//! The access log: one line for each request and each tunnel, written after its last byte.

mod end;
mod exchange;
mod head;
mod line;
mod sink;
mod time;
mod written;

pub use end::End;
pub use exchange::Exchange;
pub use head::Head;
pub use line::{Line, User};
pub use sink::AccessSink;
