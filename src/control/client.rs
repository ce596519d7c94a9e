//! The client of the control socket, for commands.

use std::io;
use std::path::PathBuf;
use std::pin::pin;

use http::header::{self, HeaderValue};
use http::{Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use super::call::CallError;
use super::spec::ControlSpec;
use crate::exposure;

/// Far above any answer.
const MAX_BODY: usize = 4 << 20;

/// Why the running gateway could not be asked.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// `listen.control = false`.
    #[error(
        "listen.control is false, so commands cannot reach the gateway; take that out, and \
            restart the gateway or send \
         it SIGHUP"
    )]
    Off,
    /// No process listens.
    #[error(
        "no gateway listens at the control socket {}; start one with `ianitor run` and this \
            configuration. If it runs, \
         its log says why it has no socket there; if listen.control has just been changed, reload \
         it by SIGHUP",
        .0.display()
    )]
    NoGateway(PathBuf),
    /// The socket is another user's.
    #[error(
        "you may not use the control socket {}; run this command as root or as the user that runs \
            the gateway",
        .0.display()
    )]
    Denied(PathBuf),
    /// A process of another user listens.
    #[error(
        "a process of the user {uid} listens at the control socket {}, and other users can put \
            one there; run this command as the user that runs the gateway, and keep the socket in \
            a folder where only that user can write",
        .path.display()
    )]
    Untrusted {
        /// The path of the socket.
        path: PathBuf,
        /// The user that listens.
        uid: u32,
    },
    /// It cannot be connected to.
    #[error("cannot connect to the control socket {}", .0.display())]
    Connect(PathBuf, #[source] io::Error),
    /// The gateway broke off.
    #[error("the gateway at the control socket {} ended without an answer; see its \
        log", .0.display())]
    NoAnswer(PathBuf, #[source] hyper::Error),
    /// What answers is no gateway.
    #[error("what answers at the control socket {} is not an ianitor gateway", .0.display())]
    NotIanitor(PathBuf),
    /// The gateway did not do it.
    #[error("{}", .0.error)]
    Failed(CallError),
}

/// A connection to the running gateway, for one request.
#[derive(Debug)]
pub struct Client {
    path: PathBuf,
    stream: UnixStream,
}

impl Client {
    /// Connects to the gateway that runs with this configuration.
    ///
    /// # Errors
    /// That there is none, or none that may be used.
    pub async fn connect(spec: &ControlSpec) -> Result<Self, ClientError> {
        let path = spec.path().ok_or(ClientError::Off)?;
        let error = match UnixStream::connect(&path).await {
            Ok(stream) => return Self { path, stream }.trusted(),
            Err(error) => error,
        };
        Err(match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => {
                ClientError::NoGateway(path)
            }
            io::ErrorKind::PermissionDenied => ClientError::Denied(path),
            _ => ClientError::Connect(path, error),
        })
    }

    /// Only root, or the user of this command. For root also who can make a socket there, if other
    /// users cannot: most gateways run as a user of their own.
    fn trusted(self) -> Result<Self, ClientError> {
        let own = rustix::process::geteuid();
        let uid = match self.stream.peer_cred() {
            Ok(peer) => peer.uid(),
            Err(error) => return Err(ClientError::Connect(self.path, error)),
        };
        let is_trusted = uid == 0
            || uid == own.as_raw()
            || own.is_root() && !exposure::others_may_listen(&self.path);
        if !is_trusted {
            let path = self.path;
            return Err(ClientError::Untrusted { path, uid });
        }
        Ok(self)
    }

    /// Posts a JSON object to an endpoint, and waits for the answer as long as it takes.
    ///
    /// # Errors
    /// That there is no gateway, that it gave no answer, or what it answered.
    pub async fn post(self, endpoint: &str, body: &Value) -> Result<Value, ClientError> {
        let Self { path, stream } = self;
        let no_answer = |error| ClientError::NoAnswer(path.clone(), error);
        let not_ianitor = || ClientError::NotIanitor(path.clone());
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream))
            .await
            .map_err(no_answer)?;
        let exchange = async {
            let response = sender.send_request(request(endpoint, body)).await;
            let (head, body) = response.map_err(no_answer)?.into_parts();
            let body = Limited::new(body, MAX_BODY).collect().await;
            let body = body.map_err(|_| not_ianitor())?.to_bytes();
            understand(head.status, &body).unwrap_or_else(|| Err(not_ianitor()))
        };
        let drive = async {
            // An error of the connection is also one of the exchange.
            let _ = connection.await;
            std::future::pending::<()>().await;
        };
        let (exchange, drive) = (pin!(exchange), pin!(drive));
        tokio::select! {
            answer = exchange => answer,
            () = drive => Err(not_ianitor()),
        }
    }
}

/// `None` if this is no answer of a gateway.
fn understand(status: StatusCode, body: &[u8]) -> Option<Result<Value, ClientError>> {
    let answer: Value = serde_json::from_slice(body).ok()?;
    if status.is_success() {
        return Some(Ok(answer));
    }
    let error = answer["error"].as_str()?.to_owned();
    let problems = answer["problems"].as_array().into_iter().flatten();
    let problems = problems.filter_map(|problem| problem.as_str().map(str::to_owned));
    Some(Err(ClientError::Failed(CallError {
        status,
        error,
        problems: problems.collect(),
    })))
}

fn request(endpoint: &str, body: &Value) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::new(Bytes::from(body.to_string())));
    *request.method_mut() = Method::POST;
    // The endpoints of this crate are paths.
    *request.uri_mut() = endpoint.parse().unwrap_or_default();
    let headers = request.headers_mut();
    headers.insert(header::HOST, HeaderValue::from_static("localhost"));
    let json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, json);
    request
}
