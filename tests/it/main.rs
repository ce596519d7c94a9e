//! The gateway's stories: each module is one, each test is named after the rule that it guards.
#![expect(clippy::unwrap_used, reason = "all of this is a test")]

mod harness;

mod access_log;
mod asap;
mod brute_force;
mod bypass;
mod bypass_tokens;
mod certs_command;
mod check;
mod drain;
mod edge;
mod endless;
mod exposure;
mod foreign_files;
mod found;
mod h2_websockets;
mod headers;
mod import_map;
mod jwks;
mod limits;
mod live;
mod ordered;
mod permits;
mod pipelining;
mod private_files;
mod redirect;
mod refusals;
mod reload;
mod reload_under_load;
mod renew;
mod servers;
mod sign_in;
mod smuggling;
mod smuggling_answers;
mod streaming;
mod tls;
mod token_command;
mod tokens;
mod tunnels;
mod tunnels_belong;
mod tunnels_closed;
mod turn;
mod upstreams;
mod validation;
mod websocket;
