//! Whole messages: what passes, what is answered, and what is remembered.

mod connections;
mod expired;
mod flows;
mod identity;
mod oracle;
mod paths;
mod property;
mod rooms;
mod table;

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::clock::UnixTime;
use crate::secret::Secret;
use crate::signalling::owners::{Limits, Owner, Owners};
use crate::signalling::rules::MessageRules;
use crate::signalling::{
    Backend, Context, Direction, Ids, Inspector, MessageToken, Protocol, Verdict, judge, presets,
};
use crate::token::claims::Claims;

/// The inspector of a connection, and its upstream.
struct Gateway<I> {
    inspector: I,
    backend: Backend,
}

/// A connection to the API for clients.
fn api(owners: Arc<Owners>, credentials: Credentials) -> Gateway<Api> {
    Gateway {
        inspector: Api::new(7),
        backend: Backend {
            credentials,
            ..Backend::new(Protocol::Janus, owners)
        },
    }
}

/// A connection to the admin API.
fn admin_api(secret: Option<&str>) -> Gateway<AdminApi> {
    let owners = Owners::new(Limits::default());
    Gateway {
        inspector: AdminApi,
        backend: Backend {
            credentials: credentials(secret),
            ..Backend::new(Protocol::JanusAdmin, owners)
        },
    }
}

/// A client with its rules, and the moment.
struct Client {
    rules: MessageRules,
    claims: Option<Claims>,
    owner: Owner,
    now: Instant,
}

impl Client {
    fn new(subject: &str, rules: MessageRules, claims: Option<&str>) -> Self {
        Self {
            rules,
            claims: claims.map(|claims| Claims::parse(claims.as_bytes()).unwrap()),
            owner: Owner::of_subject("test", subject),
            now: Instant::now(),
        }
    }

    fn caller(subject: &str) -> Self {
        Self::new(
            subject,
            preset_rules(&["janus-caller"]),
            Some(oracle::CLAIMS),
        )
    }

    fn context<'c>(&'c self, backend: &'c Backend) -> Context<'c> {
        Context {
            backend,
            ids: Ids::default(),
            rules: Some(&self.rules),
            claims: self.claims.as_ref(),
            owner: self.owner,
            time: UnixTime(1_795_283_269),
            now: self.now,
            is_in_grace: false,
            token: MessageToken::Absent,
            observer: &(),
        }
    }

    fn sends<'m>(&self, api: &mut Gateway<impl Inspector>, message: &'m str) -> Vec<Verdict<'m>> {
        let context = self.context(&api.backend);
        let inspector = &mut api.inspector;
        judge(inspector, Direction::ToServer, message, &context).collect()
    }

    /// What Janus gets of a message with one document.
    fn forwards(&self, api: &mut Gateway<impl Inspector>, message: &str) -> String {
        match &self.sends(api, message)[..] {
            [Verdict::Forward(text)] => text.to_string(),
            other => panic!("{message}: {other:?}"),
        }
    }

    /// The answer to a message that does not reach Janus.
    fn answer(&self, api: &mut Gateway<impl Inspector>, message: &str) -> String {
        match &self.sends(api, message)[..] {
            [Verdict::Answer { text, .. }] => text.clone(),
            other => panic!("{message}: {other:?}"),
        }
    }

    /// What the client gets of a message of Janus.
    fn gets(&self, api: &mut Gateway<impl Inspector>, message: &str) -> String {
        let context = self.context(&api.backend);
        let inspector = &mut api.inspector;
        let verdicts: Vec<_> = judge(inspector, Direction::ToClient, message, &context).collect();
        match &verdicts[..] {
            [Verdict::Forward(text)] => text.to_string(),
            other => panic!("{message}: {other:?}"),
        }
    }
}

fn preset_rules(names: &[&str]) -> MessageRules {
    let presets = names.iter().map(|name| presets::find(name).unwrap());
    MessageRules::new(presets.flat_map(presets::Preset::rules))
}

fn credentials(secret: Option<&str>) -> Credentials {
    Credentials {
        secret: secret.map(|secret| Secret::new(secret.into())),
        signer: None,
    }
}

/// Session 1 of a client, with its handles, and session 2 of another client.
fn two_sessions(client: &Client) -> Arc<Owners> {
    let owners = Owners::new(Limits::default());
    let create = |owner, session| {
        let place = owners.reserve_session(owner).unwrap();
        owners.created(place, session, client.now);
    };
    let attach = |owner, session, handle, plugin: &'static str| {
        let place = owners.reserve_handle(owner).unwrap();
        owners.attached(place, session, handle, plugin.into());
    };
    create(client.owner, 1);
    for (handle, plugin) in oracle::HANDLES {
        attach(client.owner, 1, handle, plugin);
    }
    let other = Owner::of_subject("test", "other");
    create(other, 2);
    attach(other, 2, 21, "janus.plugin.videoroom");
    owners
}
