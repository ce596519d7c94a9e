//! The server on the control socket.

use std::convert::Infallible;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use http::header::{self, HeaderValue};
use http::{Method, Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use serde_json::json;
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::{Semaphore, mpsc, oneshot};
use tokio::task::AbortHandle;
use tokio::time::timeout;

use super::call::{Answer, Call, Failure, Reply};
use super::endpoints;
use super::socket::{ControlSocket, SocketFile};
use crate::telemetry::summed;

/// More connections at once are closed.
const CONNECTIONS: usize = 32;

/// For a request's head, and again for its body.
const REQUEST_TIME: Duration = Duration::from_secs(5);

/// For a connection as a whole: an order of a certificate may take minutes.
const CONNECTION_TIME: Duration = Duration::from_secs(3600);

/// Far above any request.
const MAX_HEAD: usize = 16 * 1024;
const MAX_BODY: usize = 64 * 1024;

/// How much of a body that is too large is read.
const MAX_DISCARDED: usize = 1024 * 1024;

/// After an error of `accept`, for descriptors to be free again.
const ACCEPT_PAUSE: Duration = Duration::from_millis(200);

/// Accepts connections until it is dropped. Those that are open then go on.
#[derive(Debug)]
pub(super) struct Server {
    path: PathBuf,
    accepting: AbortHandle,
    _file: SocketFile,
}

impl Server {
    /// Serves a socket on the runtime that this is called on.
    pub(super) fn start(socket: ControlSocket, calls: mpsc::Sender<Call>) -> io::Result<Self> {
        let runtime = tokio::runtime::Handle::try_current().map_err(io::Error::other)?;
        let (path, listener, file) = socket.into_parts();
        let listener = UnixListener::from_std(listener)?;
        let accepting = runtime.spawn(accept(listener, calls)).abort_handle();
        Ok(Self {
            path,
            accepting,
            _file: file,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
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
async fn accept(listener: UnixListener, calls: mpsc::Sender<Call>) {
    let free = Arc::new(Semaphore::new(CONNECTIONS));
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
        let Ok(permit) = Arc::clone(&free).try_acquire_owned() else {
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
            let _ = timeout(CONNECTION_TIME, serve(stream, &calls)).await;
            drop(permit);
        });
    }
}

async fn serve(stream: UnixStream, calls: &mpsc::Sender<Call>) -> hyper::Result<()> {
    let caller = Caller::of(&stream);
    let service = service_fn(|request| async {
        let answer = answer(request, caller, calls).await;
        Ok::<_, Infallible>(respond(answer))
    });
    let mut builder = http1::Builder::new();
    builder
        .keep_alive(false)
        .max_buf_size(MAX_HEAD)
        .timer(TokioTimer::new())
        .header_read_timeout(REQUEST_TIME);
    builder
        .serve_connection(TokioIo::new(stream), service)
        .await
}

/// Who is at the other end of a connection; `None` if the system does not say.
#[derive(Clone, Copy, Debug)]
struct Caller(Option<u32>);

impl Caller {
    fn of(stream: &UnixStream) -> Self {
        Self(stream.peer_cred().ok().map(|peer| peer.uid()))
    }

    /// The file's mode says the same; it does not bind a process with `CAP_DAC_OVERRIDE`, and it
    /// can be changed.
    fn is_allowed(self) -> bool {
        let own = rustix::process::geteuid().as_raw();
        self.0.is_some_and(|uid| uid == 0 || uid == own)
    }
}

fn log_rejected(uid: Option<u32>, method: &Method, path: &str) {
    let (method, path) = (method.clone(), path.to_owned());
    let user = uid.map_or_else(String::new, |uid| uid.to_string());
    summed("control_user", &user, move |times| {
        tracing::warn!(uid, %method, ?path, times, "a request on the control socket was rejected");
    });
}

async fn answer(request: Request<Incoming>, caller: Caller, calls: &mpsc::Sender<Call>) -> Answer {
    let (head, body) = request.into_parts();
    let (method, path, uid) = (&head.method, head.uri.path(), caller.0);
    if !caller.is_allowed() {
        log_rejected(uid, method, path);
        let text = "only root and the user that runs the gateway may use the control socket";
        return Err(Failure::new(StatusCode::FORBIDDEN, text));
    }
    let read = endpoints::find(method, path)?;
    let body = collect(body).await?;
    let request = read(&body)?;
    tracing::info!(uid, %method, ?path, "a request on the control socket");
    let ending = || {
        Failure::new(
            StatusCode::SERVICE_UNAVAILABLE,
            "the gateway is shutting down",
        )
    };
    let (reply, pending) = oneshot::channel();
    let reply = Reply(reply);
    let sent = calls.send(Call { request, reply }).await;
    sent.map_err(|_| ending())?;
    pending.await.map_err(|_| ending())?.await
}

async fn collect(body: Incoming) -> Result<Vec<u8>, Failure> {
    let late = "the request body came too slowly";
    timeout(REQUEST_TIME, read_body(body))
        .await
        .unwrap_or_else(|_| Err(Failure::new(StatusCode::REQUEST_TIMEOUT, late)))
}

/// Reads some way past the limit: a client that is still sending would not see the answer.
async fn read_body(mut body: Incoming) -> Result<Vec<u8>, Failure> {
    let (mut kept, mut length) = (Vec::new(), 0);
    while let Some(frame) = body.frame().await {
        let broken = |_| Failure::new(StatusCode::BAD_REQUEST, "the request body broke off");
        let Ok(data) = frame.map_err(broken)?.into_data() else {
            continue;
        };
        length += data.len();
        if length <= MAX_BODY {
            kept.extend_from_slice(&data);
        } else if length > MAX_DISCARDED {
            break;
        }
    }
    if length > MAX_BODY {
        let text = format!("the request body is larger than {MAX_BODY} bytes");
        return Err(Failure::new(StatusCode::PAYLOAD_TOO_LARGE, text));
    }
    Ok(kept)
}

fn respond(answer: Answer) -> Response<Full<Bytes>> {
    let (status, body) = match answer {
        Ok(body) => (StatusCode::OK, body),
        Err(Failure {
            status,
            error,
            problems,
        }) if problems.is_empty() => (status, json!({ "error": error })),
        Err(Failure {
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
