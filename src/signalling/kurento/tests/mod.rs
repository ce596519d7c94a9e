//! Whole messages: what passes, what is answered, and what is remembered.

mod flows;
mod oracle;
mod property;
mod renewal;
mod spellings;
mod table;

use std::sync::Arc;
use std::time::Instant;

use super::*;
use crate::clock::UnixTime;
use crate::signalling::owners::{InUse, Limits, Owner, Owners};
use crate::signalling::rules::MessageRules;
use crate::signalling::{
    Backend, Context, Direction, Ids, Protocol, RejectedToken, Verdict, judge, presets,
    uri::UriPrefix,
};
use crate::token::claims::Claims;

/// A connection of a client to KMS.
struct Connection {
    api: Api,
    backend: Backend,
    rules: Option<MessageRules>,
    claims: Option<Claims>,
    owner: Owner,
    is_in_grace: bool,
    /// What has become of the token in the next message.
    token: Option<Result<(), RejectedToken>>,
    /// The sessions that were there before.
    _in_use: Vec<InUse>,
}

impl Connection {
    /// Of a client with these rules.
    fn new(owners: &Arc<Owners>, subject: &str, rules: Option<MessageRules>) -> Self {
        Self {
            api: Api::new(7),
            backend: Backend::new(Protocol::Kurento, Arc::clone(owners)),
            rules,
            claims: None,
            owner: Owner::of_subject("test", subject),
            is_in_grace: false,
            token: None,
            _in_use: Vec::new(),
        }
    }

    /// Of a client with session S and its pipeline, while another client has T with another.
    fn with_objects(rules: Option<MessageRules>) -> Self {
        let owners = Owners::new(Limits::default());
        let mut connection = Self::new(&owners, "alice", rules);
        let other = Owner::of_subject("test", "bob");
        for (owner, session, object) in [
            (connection.owner, oracle::SESSION, oracle::PIPELINE),
            (other, oracle::FOREIGN_SESSION, oracle::FOREIGN_PIPELINE),
        ] {
            let objects = owners.objects();
            let place = owners.reserve_session(owner).unwrap();
            let in_use = objects.session_created(place, session, Instant::now());
            connection._in_use.extend(in_use);
            let place = owners.reserve_handle(owner).unwrap();
            objects.object_created(place, session, object);
        }
        connection
    }

    fn verdicts<'m>(&mut self, direction: Direction, message: &'m str) -> Vec<Verdict<'m>> {
        let context = Context {
            backend: &self.backend,
            ids: Ids::default(),
            rules: self.rules.as_ref(),
            claims: self.claims.as_ref(),
            owner: self.owner,
            time: UnixTime(1_795_283_269),
            now: Instant::now(),
            is_in_grace: self.is_in_grace,
            token: (&self.token).into(),
            observer: &(),
        };
        judge(&mut self.api, direction, message, &context).collect()
    }

    fn sends<'m>(&mut self, message: &'m str) -> Vec<Verdict<'m>> {
        self.verdicts(Direction::ToServer, message)
    }

    /// What KMS gets of a message with one document.
    fn forwards(&mut self, message: &str) -> String {
        match &self.sends(message)[..] {
            [Verdict::Forward(text)] => text.to_string(),
            other => panic!("{message}: {other:?}"),
        }
    }

    /// The answer to a message that does not reach KMS.
    fn answer(&mut self, message: &str) -> String {
        match &self.sends(message)[..] {
            [Verdict::Answer { text, .. }] => text.clone(),
            other => panic!("{message}: {other:?}"),
        }
    }

    /// What the client gets of a message of KMS.
    fn gets(&mut self, message: &str) -> String {
        match &self.verdicts(Direction::ToClient, message)[..] {
            [Verdict::Forward(text)] => text.to_string(),
            other => panic!("{message}: {other:?}"),
        }
    }
}

/// The rules of a preset, with the prefixes of URIs that the policy lists.
fn preset_rules(name: &str, prefixes: &[&str]) -> MessageRules {
    let prefixes: Vec<UriPrefix> = prefixes.iter().map(|text| text.parse().unwrap()).collect();
    let preset = presets::find(name).unwrap();
    MessageRules::new(preset.rules()).with_uris(&prefixes)
}

/// The rules of an app, as the oracle knows them.
fn app_rules() -> MessageRules {
    preset_rules("kurento-app", &[oracle::PREFIX])
}

/// A request with id 1.
fn request(method: &str, params: &str) -> String {
    format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#)
}
