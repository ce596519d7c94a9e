//! Raw clients and scripted upstreams, which are those of `tests/it`.
#![allow(dead_code, reason = "the stories here need a part of them")]

#[path = "../../it/harness/h1.rs"]
pub(crate) mod h1;
#[path = "../../it/harness/h2.rs"]
pub(crate) mod h2;
#[path = "../../it/harness/load.rs"]
pub(crate) mod load;
#[path = "../../it/harness/message.rs"]
pub(crate) mod message;
#[path = "../../it/harness/tls.rs"]
pub(crate) mod tls;
#[path = "../../it/harness/upstream.rs"]
pub(crate) mod upstream;
#[path = "../../it/harness/websocket.rs"]
pub(crate) mod websocket;

use std::time::Duration;

use super::until as eventually;
pub(crate) use h1::Client;
pub(crate) use tls::Dial;
pub(crate) use upstream::{Then, Upstream};

const DEADLINE: Duration = Duration::from_secs(30);
