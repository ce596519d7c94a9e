//! A server that plays a script and remembers what it was sent, byte for byte.

use std::io::{self, Read};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use super::message::{Head, Otherwise, Wire};
use super::{DEADLINE, eventually};

/// The server. Every connection has a thread of its own.
#[derive(Debug)]
pub(crate) struct Upstream {
    pub(crate) addr: SocketAddr,
    seen: Arc<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    heads: Mutex<Vec<Head>>,
    requests: Mutex<Vec<Request>>,
    accepted: AtomicUsize,
    ended: AtomicUsize,
    stopped: AtomicBool,
}

/// A request that came whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    pub(crate) head: Head,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: String,
}

/// What becomes of a connection after an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    Keep,
    Close,
}

/// One connection.
pub(crate) struct Conn {
    pub(crate) wire: Wire<TcpStream>,
    seen: Arc<Seen>,
}

impl Upstream {
    /// Plays a script on each connection.
    pub(crate) fn raw(
        script: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        Self::listening(TcpListener::bind("127.0.0.1:0").unwrap(), script)
    }

    /// Plays a script on each connection to a listener.
    pub(crate) fn listening(
        listener: TcpListener,
        script: impl Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static,
    ) -> Self {
        let addr = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let (script, shared) = (Arc::new(script), Arc::clone(&seen));
        let accept = move || {
            for stream in listener.incoming() {
                if shared.stopped.load(Ordering::SeqCst) {
                    return;
                }
                serve(stream.unwrap(), Arc::clone(&shared), Arc::clone(&script));
            }
        };
        std::thread::spawn(accept);
        Self { addr, seen }
    }

    /// Plays a script for each whole request.
    pub(crate) fn http(
        script: impl Fn(&Request, &mut Conn) -> io::Result<Then> + Send + Sync + 'static,
    ) -> Self {
        Self::raw(move |conn| {
            while let Some(request) = conn.request()? {
                if script(&request, conn)? == Then::Close {
                    break;
                }
            }
            Ok(())
        })
    }

    /// Says `ok` to everything.
    pub(crate) fn ok() -> Self {
        Self::answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok")
    }

    /// Gives the same answer to everything and keeps the connection.
    pub(crate) fn answering(answer: &'static str) -> Self {
        Self::http(move |_, conn| conn.send(answer).map(|()| Then::Keep))
    }

    /// Gives the same answer to everything and closes the connection.
    pub(crate) fn answering_last(answer: &'static str) -> Self {
        Self::http(move |_, conn| conn.send(answer).map(|()| Then::Close))
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.addr)
    }

    /// Heads that have come, also of requests whose bodies never came to their end.
    pub(crate) fn heads(&self) -> Vec<Head> {
        self.seen.heads.lock().unwrap().clone()
    }

    /// Requests that have come whole.
    pub(crate) fn requests(&self) -> Vec<Request> {
        self.seen.requests.lock().unwrap().clone()
    }

    /// The only request that has come.
    #[track_caller]
    pub(crate) fn only_request(&self) -> Request {
        let mut requests = self.requests();
        assert_eq!(requests.len(), 1, "{requests:#?}");
        requests.remove(0)
    }

    pub(crate) fn accepted(&self) -> usize {
        self.seen.accepted.load(Ordering::SeqCst)
    }

    /// Connections whose scripts have ended.
    pub(crate) fn left(&self) -> usize {
        self.seen.ended.load(Ordering::SeqCst)
    }

    /// Waits until so many connections have been accepted.
    #[track_caller]
    pub(crate) fn has_accepted(&self, count: usize) {
        eventually(&format!("{count} connections at the upstream"), || {
            self.accepted() >= count
        });
    }

    /// Waits until every connection's script has ended.
    #[track_caller]
    pub(crate) fn is_left_by_all(&self) {
        eventually("every upstream connection ended", || {
            self.left() == self.accepted()
        });
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.seen.stopped.store(true, Ordering::SeqCst);
        // Wakes the accept loop. If that fails the listener has gone already.
        let _ = TcpStream::connect(self.addr);
    }
}

fn serve<F>(stream: TcpStream, seen: Arc<Seen>, script: Arc<F>)
where
    F: Fn(&mut Conn) -> io::Result<()> + Send + Sync + 'static,
{
    seen.accepted.fetch_add(1, Ordering::SeqCst);
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(DEADLINE * 2)).unwrap();
    stream.set_write_timeout(Some(DEADLINE * 2)).unwrap();
    let mut conn = Conn {
        wire: Wire::new(stream),
        seen: Arc::clone(&seen),
    };
    let play = move || {
        let _ended = Ended(seen);
        // A client that breaks off is part of many stories.
        let _ = script(&mut conn);
    };
    std::thread::Builder::new()
        .stack_size(256 * 1024)
        .spawn(play)
        .unwrap();
}

struct Ended(Arc<Seen>);

impl Drop for Ended {
    fn drop(&mut self) {
        self.0.ended.fetch_add(1, Ordering::SeqCst);
    }
}

impl Conn {
    pub(crate) fn send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.wire.send(bytes)
    }

    /// The next head.
    pub(crate) fn head(&mut self) -> io::Result<Option<Head>> {
        let head = self.wire.head()?;
        self.seen.heads.lock().unwrap().extend(head.clone());
        Ok(head)
    }

    /// The next request, whole; `None` if there is none any more.
    pub(crate) fn request(&mut self) -> io::Result<Option<Request>> {
        let Some(head) = self.head()? else {
            return Ok(None);
        };
        let (body, trailers) = self.wire.body(&head, Otherwise::Nothing)?;
        let request = Request {
            head,
            body,
            trailers,
        };
        self.seen.requests.lock().unwrap().push(request.clone());
        Ok(Some(request))
    }

    /// Waits until the gateway closes.
    pub(crate) fn wait_for_end(&mut self) -> io::Result<()> {
        let mut sink = [0; 4096];
        while self.wire.stream.read(&mut sink)? > 0 {}
        Ok(())
    }

    /// Closes so that the gateway gets a reset.
    pub(crate) fn reset(&mut self) -> io::Result<()> {
        socket2::SockRef::from(&self.wire.stream).set_linger(Some(std::time::Duration::ZERO))
    }
}
