//! A question of the gateway itself to a server: a request without a body, of whose answer only the
//! head counts.

use std::future::poll_fn;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::timeout;

use super::client::{Outgoing, SendError};
use super::cluster::Cluster;
use super::request_body::RequestBody;
use super::upstream_body::UpstreamBody;
use crate::addr::ClientAddr;
use crate::route::upstream::Protocol;
use crate::slot::CountedClient;

/// How much of the answer's body is read, so that the connection can be used again.
const LARGEST_BODY: usize = 64 * 1024;

/// How long that may take.
const BODY_TIME: Duration = Duration::from_secs(1);

/// Sends a request for a client over a connection of the pool, and returns the head of the answer.
///
/// # Errors
/// Why there is none within this time.
pub async fn ask(
    cluster: &Cluster,
    client: (ClientAddr, &CountedClient),
    request: Request<()>,
    within: Duration,
) -> Result<Response<()>, SendError> {
    let request = request.map(|()| RequestBody::empty());
    let mut outgoing = Outgoing::new(request, false, within, Protocol::Http);
    let (addr, counted) = client;
    let sent = timeout(within, cluster.send(None, addr, counted, &mut outgoing)).await;
    let (response, conn, load) = sent.unwrap_or(Err(SendError::Late(within)))?;
    if let Some(body) = UpstreamBody::new(conn, load, BODY_TIME, None) {
        // One that takes longer costs the connection, and nothing else.
        let _ = timeout(BODY_TIME, discard(body)).await;
    }
    Ok(response)
}

/// Reads a body to its end, if it is not too long.
async fn discard(mut body: Box<UpstreamBody>) {
    let mut read = 0;
    while read <= LARGEST_BODY
        && let Some(Ok(frame)) = poll_fn(|cx| body.poll_frame(cx)).await
    {
        read += frame.data_ref().map_or(0, bytes::Bytes::len);
    }
}
