//! An HTTP/2 client that shows how each stream ended.

use bytes::Bytes;
use h2::client::{ResponseFuture, SendRequest};
use h2::{RecvStream, SendStream};
use http::{HeaderMap, Request, Response};
use tokio::net::TcpStream;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;
use tokio_rustls::TlsConnector;

use super::{DEADLINE, Dial};

/// The reason of a connection that ends in order.
pub(crate) const NO_ERROR: h2::Reason = h2::Reason::NO_ERROR;

/// The client. Its connection moves while one of its calls runs.
#[derive(Debug)]
pub(crate) struct Client {
    runtime: Runtime,
    sender: SendRequest<Bytes>,
    connection: JoinHandle<Result<(), h2::Error>>,
}

/// An answer that came whole.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) trailers: Option<HeaderMap>,
}

impl Client {
    /// `window`: how much of all answers together may come without being read.
    pub(crate) fn open(dial: &Dial, window: u32) -> Self {
        Self::open_over(dial.tcp(), dial, window)
    }

    /// The same over a connection that is open already.
    pub(crate) fn open_over(tcp: std::net::TcpStream, dial: &Dial, window: u32) -> Self {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .unwrap();
        let (config, name) = (dial.config(&["h2"]), dial.server_name());
        let (sender, connection) = runtime.block_on(async {
            tcp.set_nonblocking(true).unwrap();
            let tcp = TcpStream::from_std(tcp).unwrap();
            let tls = TlsConnector::from(config).connect(name, tcp).await.unwrap();
            let settings = h2::client::Builder::new()
                .initial_connection_window_size(window)
                .clone();
            let (sender, connection) = settings.handshake(tls).await.unwrap();
            (sender, tokio::spawn(connection))
        });
        Self {
            runtime,
            sender,
            connection,
        }
    }

    /// Runs what it is given against the deadline, and the connection with it.
    #[track_caller]
    pub(crate) fn run<F: Future>(&self, future: F) -> F::Output {
        let in_time = async { tokio::time::timeout(DEADLINE, future).await };
        self.runtime
            .block_on(in_time)
            .expect("an answer within the deadline")
    }

    /// Waits until the gateway has closed the connection.
    #[track_caller]
    pub(crate) fn until_closed(self) {
        let in_time = async { tokio::time::timeout(DEADLINE, self.connection).await };
        // With GOAWAY or without: it is over.
        let _ = self
            .runtime
            .block_on(in_time)
            .expect("an end within the deadline");
    }

    /// Whether the gateway takes extended CONNECT (RFC 8441), by its settings, which come with the
    /// first answer.
    pub(crate) fn takes_extended_connect(&mut self) -> bool {
        // Of the gateway itself: no upstream sees it.
        self.get("/.ianitor/settings");
        self.sender.is_extended_connect_protocol_enabled()
    }

    /// Begins a request.
    pub(crate) fn begin(
        &mut self,
        request: Request<()>,
        is_whole: bool,
    ) -> (ResponseFuture, SendStream<Bytes>) {
        self.sender.send_request(request, is_whole).unwrap()
    }

    /// A whole exchange; a reset is an error.
    pub(crate) fn try_send(
        &mut self,
        request: Request<()>,
        body: &[u8],
    ) -> Result<Answer, h2::Error> {
        let (response, stream) = self.begin(request, body.is_empty());
        let body = Bytes::copy_from_slice(body);
        self.run(async {
            let (sent, answer) = tokio::join!(send_body(stream, body), async {
                gather(response.await?).await
            });
            // An answer counts, even where the body was no longer wanted.
            answer.or_else(|error| sent.and(Err(error)))
        })
    }

    /// A GET of `localhost`; an end of the connection is an error.
    pub(crate) fn try_get(&mut self, target: &str) -> Result<Answer, h2::Error> {
        let (response, _) = self.sender.send_request(get(target), true)?;
        self.run(async { gather(response.await?).await })
    }

    #[track_caller]
    pub(crate) fn send(&mut self, request: Request<()>, body: &[u8]) -> Answer {
        self.try_send(request, body).unwrap()
    }

    /// A GET of `localhost`.
    #[track_caller]
    pub(crate) fn get(&mut self, target: &str) -> Answer {
        self.send(get(target), b"")
    }
}

/// A GET of `localhost`, to be adjusted.
pub(crate) fn get(target: &str) -> Request<()> {
    Request::get(format!("https://localhost{target}"))
        .body(())
        .unwrap()
}

/// A POST to `localhost`, to be adjusted.
pub(crate) fn post(target: &str) -> Request<()> {
    Request::post(format!("https://localhost{target}"))
        .body(())
        .unwrap()
}

pub(crate) async fn send_body(
    mut stream: SendStream<Bytes>,
    mut body: Bytes,
) -> Result<(), h2::Error> {
    while !body.is_empty() {
        stream.reserve_capacity(body.len().min(64 * 1024));
        let Some(capacity) = std::future::poll_fn(|cx| stream.poll_capacity(cx)).await else {
            return Ok(());
        };
        let piece = body.split_to(capacity?.min(body.len()));
        let is_last = body.is_empty();
        stream.send_data(piece, is_last)?;
    }
    Ok(())
}

pub(crate) async fn gather(response: Response<RecvStream>) -> Result<Answer, h2::Error> {
    let (head, mut stream) = response.into_parts();
    let mut body = Vec::new();
    while let Some(piece) = stream.data().await {
        let piece = piece?;
        body.extend_from_slice(&piece);
        stream.flow_control().release_capacity(piece.len())?;
    }
    let trailers = stream.trailers().await?;
    Ok(Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body,
        trailers,
    })
}
