//! Real clients, through the gateway that ships, to real servers, each started by the test itself
//! on free ports of loopback.
//!
//! The servers, node and Chromium come from `scripts/test-deps.sh`; what is missing fails the test.
//! `make test` runs this with the release binary.
#![expect(
    clippy::disallowed_methods,
    clippy::unwrap_used,
    reason = "all of this is a test"
)]

mod acme_clock;
mod acme_commands;
mod acme_damaged;
mod acme_disk;
mod acme_first;
mod acme_hub;
mod acme_killed;
mod acme_late;
mod acme_redirected;
mod acme_renewal;
mod acme_staging;
mod acme_trouble;
mod acme_upgrade;
mod admin;
mod balancers;
mod certificates;
mod coalesced;
mod coturn;
mod counted;
mod demos;
mod deploy;
mod doctor;
mod drain;
mod early;
mod expiry;
mod h2;
mod health;
mod hostile;
mod issuer;
mod janus;
mod janus_admin;
mod janus_call;
mod janus_messages;
mod janus_owners;
mod janus_reload;
mod janus_roles;
mod janus_rooms;
mod janus_secrets;
mod jitsi;
mod jitsi_recipe;
mod kurento;
mod kurento_clients;
mod kurento_foreign;
mod kurento_stand_in;
mod kurento_uris;
mod limits;
mod live;
mod origins;
mod prosody;
mod renew_programs;
mod servers;
mod status;
mod support;
mod systemd;
mod turn_rest;
mod whip;
