//! Clients of Janus over REST: sessions with long polls, and messages by POST.

use std::sync::Arc;
use std::time::Instant;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::super::client::{Failure, Response, h1};
use super::super::ledger::{End, Kind};
use super::{Size, World};

/// A session at one of the two servers: that of this process, or the real one.
struct Session {
    world: Arc<World>,
    client: h1::Client,
    path: &'static str,
    kind: Kind,
}

pub(super) fn start(world: &Arc<World>, size: Size) -> Vec<JoinHandle<()>> {
    let mut tasks = Vec::new();
    for client in 0..size.polls {
        tasks.push(tokio::spawn(polls(Arc::clone(world), client)));
    }
    for client in 0..size.real_janus {
        tasks.push(tokio::spawn(real(Arc::clone(world), client)));
    }
    tasks
}

/// One session for as long as the load lasts: long polls, and after each a message.
async fn polls(world: Arc<World>, number: usize) {
    let mut session = Session::new(&world, number, "/rest", Kind::Rest);
    // They begin one after the other, as they would.
    world.rest(10).await;
    let id = session.make().await;
    let Some(id) = id else { return };
    let Some(handle) = session.attach(id).await else {
        return;
    };
    while !world.is_stopped() {
        session.poll(id).await;
        let body = json!({"request": "configure", "audio": true});
        let message = json!({"janus": "message", "body": body});
        session.post(&format!("/{id}/{handle}"), message).await;
    }
}

/// Sessions of a real Janus, each with a few keep-alives. It forgets them when it is killed.
async fn real(world: Arc<World>, number: usize) {
    let mut session = Session::new(&world, number, "/real", Kind::RealJanus);
    while !world.is_stopped() {
        world.rest(5).await;
        let Some(id) = session.make().await else {
            continue;
        };
        for _ in 0..5 {
            world.rest(5).await;
            let message = json!({"janus": "keepalive"});
            let answer = session.post(&format!("/{id}"), message).await;
            if answer.is_none_or(|answer| answer["janus"] != "ack") {
                break;
            }
        }
        session
            .post(&format!("/{id}"), json!({"janus": "destroy"}))
            .await;
    }
}

impl Session {
    fn new(world: &Arc<World>, number: usize, path: &'static str, kind: Kind) -> Self {
        Self {
            world: Arc::clone(world),
            client: h1::Client::new(&world.door, number),
            path,
            kind,
        }
    }

    async fn make(&mut self) -> Option<u64> {
        let answer = self.post("", json!({"janus": "create"})).await?;
        answer["data"]["id"].as_u64()
    }

    async fn attach(&mut self, session: u64) -> Option<u64> {
        let message = json!({"janus": "attach", "plugin": "janus.plugin.videoroom"});
        let answer = self.post(&format!("/{session}"), message).await?;
        answer["data"]["id"].as_u64()
    }

    /// What Janus answers to a message.
    async fn post(&mut self, below: &str, mut message: Value) -> Option<Value> {
        let id = self.world.ledger.begin(self.kind);
        message["transaction"] = id.to_string().into();
        let target = format!("{}{below}", self.path);
        let request = h1::request("POST", &target, message.to_string().as_bytes());
        let transaction = message["transaction"].take();
        self.exchange(id, &request, |answer| answer["transaction"] == transaction)
            .await
    }

    /// Waits for an event. A gateway that stops may answer by itself that there is none.
    async fn poll(&mut self, session: u64) {
        let id = self.world.ledger.begin(Kind::Poll);
        let target = format!("{}/{session}?maxev=1&rid={id}", self.path);
        let request = h1::request("GET", &target, b"");
        self.exchange(id, &request, |answer| {
            answer["janus"] == "event" || answer["janus"] == "keepalive"
        })
        .await;
    }

    async fn exchange(
        &mut self,
        id: usize,
        request: &[u8],
        is_right: impl Fn(&Value) -> bool,
    ) -> Option<Value> {
        let world = Arc::clone(&self.world);
        let begun = Instant::now();
        let result = self
            .client
            .exchange(request, || world.ledger.repeat(id))
            .await;
        let (end, answer) = judged(result, is_right);
        let is_down = self.kind == Kind::RealJanus && world.outage.includes(begun);
        match end {
            End::Refused(_) | End::Failed(_) if is_down => world.ledger.end(id, End::ServerDown),
            end => world.ledger.end(id, end),
        }
        answer
    }
}

fn judged(
    result: Result<Response, Failure>,
    is_right: impl Fn(&Value) -> bool,
) -> (End, Option<Value>) {
    let response = match result {
        Ok(response) => response,
        Err(failure) => return (End::Failed(failure.to_string()), None),
    };
    if response.status != 200 {
        return (End::Refused(response.status), None);
    }
    match serde_json::from_slice::<Value>(&response.body) {
        Ok(answer) if is_right(&answer) => (End::Answered, Some(answer)),
        _ => {
            let text = String::from_utf8_lossy(&response.body);
            (End::Failed(format!("a wrong answer: {text}")), None)
        }
    }
}
