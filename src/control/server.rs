//! The server on the control socket.

use std::convert::Infallible;
use std::io;
use std::os::fd::{AsFd as _, OwnedFd};
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full, LengthLimitError, Limited};
use hyper::body::{Body as _, Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::call::{self, Call, CallError, CallResult, Reply};
use super::endpoints;
use super::requests::{Place, Requests};
use super::socket::{ControlSocket, SocketFile};
use crate::telemetry::summed;

/// For a request's head, again for its body, and for what comes after the answer.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// For a connection as a whole: an order of a certificate may take minutes.
const CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// Far above any request.
const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 64 * 1024;

/// After an error of `accept`, for descriptors to be free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections until it is dropped. Those that are open then go on.
#[derive(Debug)]
pub(super) struct Server {
    accepting: AbortHandle,
    file: SocketFile,
    listener: Arc<UnixListener>,
}

impl Server {
    /// Serves a socket on the runtime that this is called on.
    #[expect(clippy::disallowed_methods, reason = "the task is aborted on drop")]
    pub(super) fn start(
        socket: ControlSocket,
        requests: &Arc<Requests>,
        calls: mpsc::Sender<Call>,
    ) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let (file, listener) = socket.into_parts();
        let listener = Arc::new(UnixListener::from_std(listener)?);
        let accepting = runtime
            .spawn(accept(Arc::clone(&listener), Arc::clone(requests), calls))
            .abort_handle();
        Ok(Self {
            accepting,
            file,
            listener,
        })
    }

    /// A duplicate of the socket, for another process.
    pub(super) fn share(&self) -> io::Result<OwnedFd> {
        self.listener.as_fd().try_clone_to_owned()
    }

    pub(super) fn file(&self) -> &SocketFile {
        &self.file
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "the task ends after `CONNECTION_TIME`"
)]
async fn accept(listener: Arc<UnixListener>, requests: Arc<Requests>, calls: mpsc::Sender<Call>) {
    loop {
        let stream = match listener.accept().await {
            Ok((stream, _)) => stream,
            Err(error) => {
                summed("control_accept", "", move |times| {
                    tracing::warn!(
                        %error,
                        times,
                        "cannot accept connections on the control socket"
                    );
                });
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            }
        };
        let Some(place) = requests.place() else {
            summed("control_full", "", |times| {
                tracing::warn!(
                    times,
                    "connections to the control socket were closed: too many are open"
                );
            });
            continue;
        };
        let calls = calls.clone();
        tokio::spawn(async move {
            // A client that breaks off or is late gets no answer, and needs none.
            let _ = timeout(CONNECTION_TIME, serve(stream, place, calls)).await;
        });
    }
}

async fn serve(stream: UnixStream, place: Place, calls: mpsc::Sender<Call>) -> io::Result<()> {
    let watched = UnixStream::from_std(stream.as_fd().try_clone_to_owned()?.into())?;
    let client = Peer {
        uid: stream.peer_cred().ok().map(|peer| peer.uid()),
        place,
        calls,
    };
    let service = service_fn(|request| async {
        let answer = client.answer(request).await;
        Ok::<_, Infallible>(respond(answer))
    });
    let mut builder = http1::Builder::new();
    builder
        .keep_alive(false)
        // A client may close its own side when it has sent its request.
        .half_close(true)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME);
    let mut connection = builder.serve_connection(TokioIo::new(stream), service);
    tokio::select! {
        // If it fails, as with a head that is too large, there is an answer too.
        _ = &mut connection => {}
        closed = closed(&watched) => return closed,
    }
    client.place.end();
    let stream = connection.into_parts().io.into_inner();
    timeout(REQUEST_TIME, discard(stream)).await?
}

/// Resolves when the client has closed both sides, and so waits for no answer.
async fn closed(stream: &UnixStream) -> io::Result<()> {
    while !stream.ready(Interest::WRITABLE).await?.is_write_closed() {
        // What is known already is cleared, so that only a change ends the next wait.
        let pending = || Err::<(), _>(io::ErrorKind::WouldBlock.into());
        let _ = stream.try_io(Interest::WRITABLE, pending);
    }
    Ok(())
}

/// The client of a connection.
struct Peer {
    /// Its user, if the system says.
    uid: Option<u32>,
    place: Place,
    calls: mpsc::Sender<Call>,
}

impl Peer {
    /// The file's mode says the same; it does not bind a process with `CAP_DAC_OVERRIDE`, and it
    /// can be changed.
    fn is_allowed(&self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.uid.is_some_and(|uid| uid == 0 || uid == own)
    }

    async fn answer(&self, request: Request<Incoming>) -> CallResult {
        let (head, body) = request.into_parts();
        let (method, path, uid) = (&head.method, head.uri.path(), self.uid);
        if !self.is_allowed() {
            log_rejected(uid, method, path);
            let text = "only root and the user that runs the gateway may use the control socket";
            return Err(CallError::new(StatusCode::FORBIDDEN, text));
        }
        let read = endpoints::find(method, path)?;
        let request = read(&collect(body).await?)?;
        tracing::info!(uid, %method, ?path, "a request on the control socket");
        if let call::Request::Renew { .. } = request {
            self.place.wait_for_order()?;
        }
        tokio::select! {
            biased;
            answer = self.call(request) => answer,
            () = self.place.begin() => {
                Err(stopping("the gateway stopped before this was finished"))
            }
        }
    }

    /// Passes a request to the main loop, and waits for the answer.
    async fn call(&self, request: call::Request) -> CallResult {
        let gone = |()| stopping("the gateway is shutting down");
        let (reply, pending) = oneshot::channel();
        let reply = Reply(reply);
        let sent = self.calls.send(Call { request, reply }).await;
        sent.map_err(|_| gone(()))?;
        pending.await.map_err(|_| gone(()))?.await
    }
}

fn log_rejected(uid: Option<u32>, method: &Method, path: &str) {
    let (method, path) = (method.clone(), path.to_owned());
    let user = uid.map_or_else(String::new, |uid| uid.to_string());
    summed("control_user", &user, move |times| {
        tracing::warn!(uid, %method, ?path, times, "a request on the control socket was rejected");
    });
}

fn stopping(text: &str) -> CallError {
    CallError::new(StatusCode::SERVICE_UNAVAILABLE, text)
}

/// The body of a request. If it is too large, the rest of it is left to [`discard`].
async fn collect(body: Incoming) -> Result<Bytes, CallError> {
    let too_large = || {
        let text = format!("the request body is larger than {MAX_BODY} bytes");
        CallError::new(StatusCode::PAYLOAD_TOO_LARGE, text)
    };
    // Not read at all, so that a client that expects "100 Continue" does not send it.
    if body.size_hint().lower() > MAX_BODY as u64 {
        return Err(too_large());
    }
    let body = Limited::new(body, MAX_BODY).collect();
    let failure = match timeout(REQUEST_TIME, body).await {
        Ok(Ok(body)) => return Ok(body.to_bytes()),
        Ok(Err(error)) if error.is::<LengthLimitError>() => too_large(),
        Ok(Err(_)) => CallError::new(StatusCode::BAD_REQUEST, "the request body broke off"),
        Err(_) => {
            let text = "the request body came too slowly";
            CallError::new(StatusCode::REQUEST_TIMEOUT, text)
        }
    };
    Err(failure)
}

/// Reads what a client still sends after its answer: if it were left unread, the client would get
/// an error in place of the end.
async fn discard(mut stream: UnixStream) -> io::Result<()> {
    stream.shutdown().await?;
    let mut unread = [0; 4096];
    while stream.read(&mut unread).await? > 0 {}
    Ok(())
}

fn respond(answer: CallResult) -> Response<Full<Bytes>> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(CallError {
            status,
            error,
            problems,
        }) if problems.is_empty() => (status, json!({ "error": error })),
        Err(CallError {
            status,
            error,
            problems,
        }) => (status, json!({ "error": error, "problems": problems })),
    };
    let mut response = Response::new(Full::new(Bytes::from(format!("{body}\n"))));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}
