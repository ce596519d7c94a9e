//! What a request's body needs of the client's connection.

use std::fmt::Debug;
use std::rc::Rc;

/// The client's connection, as a request's body uses it.
pub trait ClientConn: Debug {
    /// A body has begun: the connection is busy with it.
    fn begin(&self);
    /// The body is gone.
    fn end(&self);
    /// Whether more of a body may be kept in memory.
    fn may_gather(&self) -> bool;
    /// Counts bytes that are kept in memory.
    fn hold(&self, bytes: usize);
    /// Counts bytes that are no longer kept.
    fn release(&self, bytes: usize);
}

/// Keeps a connection busy with a body, until it is dropped.
#[derive(Debug)]
pub(super) struct BusyConn(Rc<dyn ClientConn>);

impl BusyConn {
    pub(super) fn new(conn: Rc<dyn ClientConn>) -> Self {
        conn.begin();
        Self(conn)
    }

    pub(super) fn conn(&self) -> &dyn ClientConn {
        &*self.0
    }
}

impl Drop for BusyConn {
    fn drop(&mut self) {
        self.0.end();
    }
}
