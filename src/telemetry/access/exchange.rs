//! A request with its response or tunnel, for the access log and the counters.

use std::cell::{Cell, RefCell};
use std::rc::Rc;
use std::time::Instant;

use super::end::End;
use super::head::Head;
use super::line::Line;
use super::sink::AccessSink;
use super::written::Written;
use crate::addr::ClientAddr;
use crate::clock;
use crate::slot::{RouteSlot, StreamSlot, UseSlot};
use crate::telemetry::request_id::RequestId;

/// A request from its head to the last byte of its response or tunnel. Dropping it writes the line
/// and counts it.
#[derive(Debug)]
pub struct Exchange {
    id: RequestId,
    client: Cell<ClientAddr>,
    sink: Rc<AccessSink>,
    started: Instant,
    line: RefCell<Line>,
    /// `None` if no line will be written.
    head: Option<Box<Head>>,
    /// What is released when the exchange ends.
    held: RefCell<Held>,
}

/// What counts a request while it is under way.
#[derive(Debug, Default)]
struct Held {
    stream: Option<StreamSlot>,
    poll: Option<UseSlot>,
    /// Until the request becomes a tunnel.
    route: Option<RouteSlot>,
}

impl Exchange {
    /// Begins an exchange. `head` is called only if a line will be written.
    pub fn begin(
        id: RequestId,
        client: ClientAddr,
        sink: &Rc<AccessSink>,
        head: impl FnOnce() -> Head,
    ) -> Rc<Self> {
        let head = sink.is_enabled().then(|| Box::new(head()));
        let (client, sink) = (Cell::new(client), Rc::clone(sink));
        Rc::new(Self {
            id,
            client,
            sink,
            started: clock::monotonic(),
            line: RefCell::default(),
            head,
            held: RefCell::default(),
        })
    }

    /// The request's id.
    pub fn id(&self) -> RequestId {
        self.id
    }

    /// The client.
    pub fn client(&self) -> ClientAddr {
        self.client.get()
    }

    /// Sets the client that a trusted proxy reports.
    pub fn set_client(&self, client: ClientAddr) {
        self.client.set(client);
    }

    /// Holds a stream's slot until the exchange ends.
    pub fn hold(&self, stream: StreamSlot) {
        self.held.borrow_mut().stream = Some(stream);
    }

    /// Holds a long poll's slot until the exchange ends.
    pub fn hold_poll(&self, poll: UseSlot) {
        self.held.borrow_mut().poll = Some(poll);
    }

    /// Holds a slot of the request's route until the exchange ends or becomes a tunnel.
    pub fn hold_route(&self, route: RouteSlot) {
        self.held.borrow_mut().route = Some(route);
    }

    /// Changes the line, which is also what is counted.
    pub fn note(&self, note: impl FnOnce(&mut Line)) {
        note(&mut self.line.borrow_mut());
    }

    /// Notes that the request has become a tunnel.
    pub fn set_tunnel(&self) {
        self.held.borrow_mut().route = None;
        let mut line = self.line.borrow_mut();
        if std::mem::replace(&mut line.tunnel, true) {
            return;
        }
        self.sink
            .metrics()
            .of(line.counts.as_ref())
            .tunnels_opened
            .inc();
    }

    /// Counts bytes from the client. Immediately, because a tunnel may be open for days.
    pub fn received(&self, bytes: u64) {
        let mut line = self.line.borrow_mut();
        line.received += bytes;
        self.sink
            .metrics()
            .of(line.counts.as_ref())
            .received
            .add(bytes);
    }

    /// Counts bytes to the client.
    pub fn sent(&self, bytes: u64) {
        let mut line = self.line.borrow_mut();
        line.sent += bytes;
        self.sink.metrics().of(line.counts.as_ref()).sent.add(bytes);
    }
}

impl Drop for Exchange {
    fn drop(&mut self) {
        let line = self.line.get_mut();
        let now = clock::monotonic();
        line.took = now.saturating_duration_since(self.started);
        if std::thread::panicking() {
            line.end = End::Panic;
        } else if line.end == End::Client && self.sink.is_stopping() {
            line.end = End::Drain;
        }
        self.sink.metrics().ended(line);
        if let Some(head) = self.head.as_ref().filter(|_| !line.is_silent) {
            let line = Written {
                id: self.id,
                client: self.client.get(),
                head,
                line,
            };
            self.sink.log(&line, now);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::telemetry::metrics::{RouteName, WorkerMetrics};
    use crate::telemetry::request_id::RequestIds;

    #[test]
    fn what_is_not_logged_is_counted() {
        let metrics = WorkerMetrics::new();
        let sink = AccessSink::new(None, Arc::clone(&metrics));
        let client = ClientAddr::new("192.0.2.1".parse().unwrap());
        let begin = || {
            Exchange::begin(RequestIds::new().next(), client, &sink, || {
                panic!("there will be no line")
            })
        };
        let route = metrics.route(RouteName {
            host: "*".into(),
            path: "/janus".into(),
        });
        let exchange = begin();
        exchange.note(|line| (line.status, line.counts) = (200, Some(Arc::clone(&route))));
        exchange.sent(41);
        assert_eq!((route.sent.get(), route.requests[2].get()), (41, 0));
        drop(exchange);
        assert_eq!(route.requests[2].get(), 1);
        begin().note(|line| (line.status, line.reason) = (404, Some("no_route")));
        let none = metrics
            .routes()
            .into_iter()
            .find(|(name, _)| &*name.path == "none")
            .unwrap()
            .1;
        assert_eq!(
            (none.requests[4].get(), metrics.refusals.words().next()),
            (1, Some(("no_route", 1)))
        );
        let tunnel = begin();
        tunnel.note(|line| (line.status, line.end) = (101, End::Policy));
        tunnel.set_tunnel();
        assert_eq!(
            (
                none.tunnels_opened.get(),
                none.tunnels_ended[End::Policy as usize].get()
            ),
            (1, 0)
        );
        drop(tunnel);
        assert_eq!(
            (
                none.requests[1].get(),
                none.tunnels_ended[End::Policy as usize].get()
            ),
            (0, 1)
        );
    }
}
