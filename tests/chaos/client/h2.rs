//! HTTP/2 as a client: many streams on one connection, and another connection when that one ends.

use std::sync::Arc;

use bytes::Bytes;
use h2::Reason;
use h2::client::SendRequest;
use http::{Method, Request};
use tokio::sync::Mutex;

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
