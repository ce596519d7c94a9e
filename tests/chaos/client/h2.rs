//! HTTP/2 as a client: many streams on one connection, and another connection when that one ends.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use h2::ext::Protocol;
use http::{Method, Request};
use tokio::sync::Mutex;

use super::stream::Stream;
use super::{Door, Failure, PATIENCE, Response};

/// A client whose requests share a connection.
#[derive(Debug)]
pub(crate) struct Client {
    door: Arc<Door>,
    number: usize,
    sender: Mutex<Option<SendRequest<Bytes>>>,
}

impl Client {
    pub(crate) fn new(door: &Arc<Door>, number: usize) -> Self {
        Self {
            door: Arc::clone(door),
            number,
            sender: Mutex::new(None),
        }
    }

    /// Sends a request and reads its response. What the gateway says it has not processed
    /// (RFC 9113, 8.7) is sent again on another connection; `repeated` is called then.
    pub(crate) async fn exchange(
        &self,
        method: Method,
        target: &str,
        body: Vec<u8>,
        mut repeated: impl FnMut(),
    ) -> Result<Response, Failure> {
        let body = Bytes::from(body);
        loop {
            let sender = self.connected().await?;
            let exchange = exchange(sender, &method, target, body.clone());
            match tokio::time::timeout(PATIENCE, exchange).await {
                Err(_) => return Err(Failure::TimedOut),
                Ok(Err(Attempt::Unprocessed)) => repeated(),
                Ok(Err(Attempt::Failed(failure))) => return Err(failure),
                Ok(Ok(response)) => return Ok(response),
            }
        }
    }

    /// Opens a WebSocket on a stream; an error says why there is none.
    pub(crate) async fn websocket(&self, path: &str) -> Result<Stream, String> {
        let connected = self.connected().await;
        let mut sender = connected.map_err(|failure| failure.to_string())?;
        let request = Request::builder()
            .method(Method::CONNECT)
            .uri(format!("https://localhost{path}"))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(())
            .unwrap();
        // The gateway's settings, which allow it, come after the handshake.
        while !sender.is_extended_connect_protocol_enabled() {
            sender = sender.ready().await.map_err(|error| error.to_string())?;
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        let sent = sender.send_request(request, false);
        let (response, send) = sent.map_err(|error| error.to_string())?;
        let response = response.await.map_err(|error| error.to_string())?;
        if response.status() != http::StatusCode::OK {
            return Err(format!("status {}", response.status()));
        }
        Ok(Stream::new(send, response.into_body()))
    }

    async fn connected(&self) -> Result<SendRequest<Bytes>, Failure> {
        let mut held = self.sender.lock().await;
        if let Some(sender) = held.take()
            && let Ok(sender) = sender.ready().await
        {
            *held = Some(sender.clone());
            return Ok(sender);
        }
        let stream = self.door.h2(self.number).await.map_err(Failure::Connect)?;
        let handshake = h2::client::handshake(stream).await;
        let other = |error: h2::Error| Failure::Connect(std::io::Error::other(error));
        let (sender, connection) = handshake.map_err(other)?;
        // Ends with the connection.
        tokio::spawn(connection);
        *held = Some(sender.clone());
        Ok(sender)
    }
}

enum Attempt {
    /// It may be sent again.
    Unprocessed,
    Failed(Failure),
}

async fn exchange(
    sender: SendRequest<Bytes>,
    method: &Method,
    target: &str,
    body: Bytes,
) -> Result<Response, Attempt> {
    // It may end between this and the request: nothing has been sent then.
    let mut sender = sender.ready().await.map_err(|_| Attempt::Unprocessed)?;
    let request = Request::builder()
        .method(method)
        .uri(format!("https://localhost{target}"))
        .header("content-type", "application/json")
        .body(())
        .unwrap();
    let sent = sender.send_request(request, body.is_empty());
    let (response, mut stream) = sent.map_err(unanswered)?;
    if !body.is_empty() {
        stream.send_data(body, true).map_err(unanswered)?;
    }
    let response = response.await.map_err(unanswered)?;
    let status = response.status().as_u16();
    let mut stream = response.into_body();
    let mut body = Vec::new();
    let cut = |error: h2::Error| Attempt::Failed(Failure::Cut(error.to_string()));
    while let Some(data) = stream.data().await {
        let data = data.map_err(cut)?;
        stream
            .flow_control()
            .release_capacity(data.len())
            .map_err(cut)?;
        body.extend_from_slice(&data);
    }
    Ok(Response { status, body })
}

fn unanswered(error: h2::Error) -> Attempt {
    let is_refused = error.is_remote() && error.reason() == Some(Reason::REFUSED_STREAM);
    let is_above_last = error.is_go_away() && error.reason() == Some(Reason::NO_ERROR);
    if is_refused || is_above_last {
        return Attempt::Unprocessed;
    }
    Attempt::Failed(Failure::NoAnswer(error.to_string()))
}
