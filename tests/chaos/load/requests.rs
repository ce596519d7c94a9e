//! Requests that any server answers.

use std::sync::Arc;

use http::Method;
use serde_json::Value;
use tokio::task::JoinHandle;

use super::super::client::{Failure, Response, h1, h2};
use super::super::ledger::{End, Kind};
use super::{Size, World};

/// Streams at a time on a connection of HTTP/2.
const STREAMS: usize = 4;
/// A kept connection of HTTP/1.1 has this number of requests.
const REQUESTS_EACH: usize = 20;
const BODY: usize = 1024;

pub(super) fn start(world: &Arc<World>, size: Size) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for client in 0..size.h1 {
        tasks.push(tokio::spawn(by_h1(Arc::clone(world), client)));
    }
    for client in 0..size.h2 {
        let shared = Arc::new(h2::Client::new(&world.door, client));
        for _ in 0..STREAMS {
            tasks.push(tokio::spawn(by_h2(Arc::clone(world), Arc::clone(&shared))));
        }
    }
    let kinds = [
        ("/pool", Kind::Pool),
        ("/ill", Kind::Ill),
        ("/slow", Kind::Slow),
        ("/app/streamed", Kind::Streamed),
    ];
    for client in 0..size.few {
        for (path, kind) in kinds {
            tasks.push(tokio::spawn(gets(Arc::clone(world), client, path, kind)));
        }
    }
    tasks
}

/// GETs and POSTs in turn, with a new connection now and then.
async fn by_h1(world: Arc<World>, number: usize) {
    let mut client = h1::Client::new(&world.door, number);
    for count in 1.. {
        world.rest(1).await;
        if world.is_stopped() {
            return;
        }
        let (kind, method, body) = match count % 2 {
            0 => (Kind::H1Get, "GET", vec![]),
            _ => (Kind::H1Post, "POST", vec![b'x'; BODY]),
        };
        let id = world.ledger.begin(kind);
        let request = h1::request(method, &format!("/app?rid={id}"), &body);
        let result = client.exchange(&request, || world.ledger.repeat(id)).await;
        world.ledger.end(id, judged(id, result));
        if count % REQUESTS_EACH == 0 {
            client.close();
        }
    }
}

async fn by_h2(world: Arc<World>, client: Arc<h2::Client>) {
    for count in 0_usize.. {
        world.rest(1).await;
        if world.is_stopped() {
            return;
        }
        let (kind, method, body) = match count % 2 {
            0 => (Kind::H2Get, Method::GET, vec![]),
            _ => (Kind::H2Post, Method::POST, vec![b'x'; BODY]),
        };
        let id = world.ledger.begin(kind);
        let target = format!("/app?rid={id}");
        let repeated = || world.ledger.repeat(id);
        let result = client.exchange(method, &target, body, repeated).await;
        world.ledger.end(id, judged(id, result));
    }
}

/// GETs of one path, on a connection that is kept.
async fn gets(world: Arc<World>, number: usize, path: &str, kind: Kind) {
    let mut client = h1::Client::new(&world.door, number);
    loop {
        world.rest(1).await;
        if world.is_stopped() {
            return;
        }
        let id = world.ledger.begin(kind);
        let request = h1::request("GET", &format!("{path}?rid={id}"), b"");
        let result = client.exchange(&request, || world.ledger.repeat(id)).await;
        world.ledger.end(id, judged(id, result));
    }
}

/// An answer counts if it is that of this request.
fn judged(id: usize, result: Result<Response, Failure>) -> End {
    match result {
        Ok(Response { status: 200, body }) => {
            // A streamed answer has its parts before it.
            let start = body.iter().position(|byte| *byte == b'{').unwrap_or(0);
            match serde_json::from_slice::<Value>(&body[start..]) {
                Ok(answer) if answer["rid"] == id => End::Answered,
                _ => End::Failed(format!(
                    "a wrong answer: {}",
                    String::from_utf8_lossy(&body)
                )),
            }
        }
        Ok(response) => End::Refused(response.status),
        Err(failure) => End::Failed(failure.to_string()),
    }
}
