//! HTTP/2: requests on the streams of few connections, and WebSockets on streams (RFC 8441).
use crate::load::{bad, extra_head, inval, ok, pace, slot, window, Target, STOP};
use crate::Args;
use ::h2::client::{Builder, SendRequest};
use ::h2::ext::Protocol;
use ::h2::{RecvStream, SendStream};
use bytes::Bytes;
use http::{Method, Request};
use std::collections::HashMap;
use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::atomic::Ordering::Relaxed;
use std::sync::{Arc, Mutex};
use std::task::{ready, Context, Poll};
use std::time::Duration;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

type Sender = SendRequest<Bytes>;
type Place = Arc<tokio::sync::Mutex<Option<Sender>>>;

/// Connections, each for as many streams as are asked for.
pub struct Pool {
    streams: usize,
    places: Mutex<HashMap<usize, Place>>,
}
impl Pool {
    pub fn new(streams: usize) -> Pool {
        Pool { streams: streams.max(1), places: Mutex::default() }
    }
    /// The connection of the stream `i`, opened again if it is no longer usable.
    async fn sender(&self, t: &Target, i: usize) -> io::Result<Sender> {
        let at = i / self.streams;
        let place = Arc::clone(self.places.lock().unwrap().entry(at).or_default());
        let mut held = place.lock().await;
        if let Some(sender) = held.take() {
            if let Ok(sender) = sender.ready().await {
                *held = Some(sender.clone());
                return Ok(sender);
            }
        }
        let sender = connect(t, at).await?;
        *held = Some(sender.clone());
        Ok(sender)
    }
}

async fn connect(t: &Target, i: usize) -> io::Result<Sender> {
    let s = t.open(i).await?;
    let mut builder = Builder::new();
    builder.initial_window_size(1 << 20).initial_connection_window_size(1 << 24);
    let (sender, conn) = builder.handshake::<_, Bytes>(s).await.map_err(failed)?;
    tokio::spawn(async move {
        let _ = conn.await;
    });
    sender.ready().await.map_err(failed)
}

fn failed(e: ::h2::Error) -> io::Error {
    io::Error::other(e.to_string())
}

fn request(a: &Args, t: &Target, path: &str, has_body: bool) -> Request<()> {
    let method = if has_body { Method::POST } else { Method::GET };
    let mut r = Request::builder().method(method).uri(format!("https://{}{path}", t.host));
    for (name, value) in extra_head(a) {
        r = r.header(name.to_ascii_lowercase(), value);
    }
    if has_body {
        r = r.header("content-type", "application/json");
    }
    r.body(()).expect("the head of a request")
}

/// Reads one response to its end.
async fn read(response: ::h2::client::ResponseFuture) -> io::Result<()> {
    let response = response.await.map_err(failed)?;
    if response.status() != 200 {
        return Err(inval(format!("status {}", response.status().as_u16())));
    }
    let mut body = response.into_body();
    while let Some(data) = body.data().await {
        let n = data.map_err(failed)?.len();
        body.flow_control().release_capacity(n).map_err(failed)?;
    }
    Ok(())
}

/// The load of `bt http`, with `--streams` streams on each of `--conns` connections.
pub async fn http(a: &Args) -> i32 {
    let t = Target::new(a, false);
    let pool = t.pool.clone().expect("--h2");
    let body = Bytes::from(vec![b'j'; a.num("body", 0.0) as usize]);
    let head = request(a, &t, &a.get("path", "/janus/b100"), !body.is_empty());
    let count = a.num("conns", 64.0) as usize * pool.streams;
    for (i, mut tok) in pace(a.num("rate", 0.0), count).into_iter().enumerate() {
        let (t, pool, head, body) = (t.clone(), Arc::clone(&pool), head.clone(), body.clone());
        tokio::spawn(async move {
            while !STOP.load(Relaxed) {
                let r = async {
                    // Opened before the first request is due.
                    pool.sender(&t, i).await?;
                    let t0 = slot(&mut tok).await;
                    let mut sender = pool.sender(&t, i).await?;
                    let (response, mut send) =
                        sender.send_request(head.clone(), body.is_empty()).map_err(failed)?;
                    if !body.is_empty() {
                        send.send_data(body.clone(), true).map_err(failed)?;
                    }
                    read(response).await?;
                    Ok(t0)
                };
                match r.await {
                    Ok(t0) => ok(t0),
                    Err(e) => {
                        bad(e);
                        tokio::time::sleep(Duration::from_millis(5)).await;
                    }
                }
            }
        });
    }
    window(a).await
}

/// A request that has no response yet.
pub async fn pending(t: &Target, i: usize, path: &str) -> io::Result<Stream> {
    let mut sender = t.pool.clone().expect("--h2").sender(t, i).await?;
    let uri = format!("https://{}{path}", t.host);
    let head = Request::get(uri).header("origin", "https://app.example.org").body(()).unwrap();
    let (response, send) = sender.send_request(head, true).map_err(failed)?;
    Ok(Stream { send, recv: Recv::Pending(response), rest: Bytes::new() })
}

/// A WebSocket on a stream of its own.
pub async fn websocket(
    t: &Target,
    i: usize,
    path: &str,
    more: &[(&str, &str)],
) -> io::Result<Stream> {
    let mut sender = t.pool.clone().expect("--h2").sender(t, i).await?;
    // The server's settings say whether it can: they come after the handshake.
    for _ in 0..2000 {
        if sender.is_extended_connect_protocol_enabled() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    if !sender.is_extended_connect_protocol_enabled() {
        return Err(inval("no WebSockets over HTTP/2 here"));
    }
    let mut head = Request::builder()
        .method(Method::CONNECT)
        .uri(format!("https://{}{path}", t.host))
        .extension(Protocol::from_static("websocket"))
        .header("sec-websocket-version", "13")
        .header("user-agent", "bt")
        .header("origin", "https://app.example.org");
    for (name, value) in more {
        head = head.header(*name, *value);
    }
    let (response, send) = sender.send_request(head.body(()).unwrap(), false).map_err(failed)?;
    let response = response.await.map_err(failed)?;
    if response.status() != 200 {
        return Err(inval(format!("status {}", response.status().as_u16())));
    }
    Ok(Stream { send, recv: Recv::Open(response.into_body()), rest: Bytes::new() })
}

enum Recv {
    Pending(::h2::client::ResponseFuture),
    Open(RecvStream),
}

/// The bytes of a stream, both ways.
pub struct Stream {
    send: SendStream<Bytes>,
    recv: Recv,
    rest: Bytes,
}
impl AsyncRead for Stream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        b: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let this = self.get_mut();
        if let Recv::Pending(response) = &mut this.recv {
            let response = ready!(Pin::new(response).poll(cx)).map_err(failed)?;
            this.recv = Recv::Open(response.into_body());
        }
        let Recv::Open(recv) = &mut this.recv else { unreachable!() };
        if this.rest.is_empty() {
            match ready!(recv.poll_data(cx)) {
                None => return Poll::Ready(Ok(())),
                Some(data) => this.rest = data.map_err(failed)?,
            }
            recv.flow_control().release_capacity(this.rest.len()).map_err(failed)?;
        }
        let n = this.rest.len().min(b.remaining());
        b.put_slice(&this.rest.split_to(n));
        Poll::Ready(Ok(()))
    }
}
impl AsyncWrite for Stream {
    /// Small messages: what the window does not allow yet waits in memory.
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, b: &[u8]) -> Poll<io::Result<usize>> {
        let sent = self.get_mut().send.send_data(Bytes::copy_from_slice(b), false);
        Poll::Ready(sent.map(|()| b.len()).map_err(failed))
    }
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let sent = self.get_mut().send.send_data(Bytes::new(), true);
        Poll::Ready(sent.map_err(failed))
    }
}
