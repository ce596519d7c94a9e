//! The gateway's stories: each module is one, each test is named after the rule that it guards.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "all of this is a test"
)]

mod harness;

mod access_log;
mod asap;
mod audit;
mod balancers;
mod behind_proxy;
mod brute_force;
mod bypass;
mod bypass_tokens;
mod certs_command;
mod check;
mod coalesced;
mod control;
mod control_requests;
mod cookies;
mod dependencies;
mod drain;
mod early_answers;
mod edge;
mod encoded_slash;
mod endless;
mod escapes;
mod explain_command;
mod exposure;
mod foreign_files;
mod found;
mod gathered;
mod h2_websockets;
mod headers;
mod import_map;
mod jwks;
mod kept_connections;
mod limits;
mod live;
mod lockout;
mod log_level;
mod message_rules;
mod message_tokens;
mod metrics;
mod name_lookups;
mod ordered;
mod origins;
mod outgoing;
mod permits;
mod pipelining;
mod private_files;
mod redirect;
mod refusal_rules;
mod refusals;
mod reload;
mod reload_under_load;
mod renew;
mod rest_and_websocket;
mod rest_messages;
mod rest_rules;
mod same_janus;
mod servers;
mod shape;
mod sign_in;
mod smuggling;
mod smuggling_answers;
mod status_hosts;
mod streaming;
mod tls;
mod token_command;
mod tokens;
mod tunnels;
mod tunnels_belong;
mod tunnels_closed;
mod turn;
mod understood;
mod unread;
mod upstream_room;
mod upstreams;
mod users;
mod validation;
mod warnings;
mod websocket;
