//! What the message rules of a policy decide about messages, in words.

use std::fmt::Write as _;

use ianitor::signalling::Protocol;
use ianitor::signalling::document::{self, Value};
use ianitor::signalling::janus::{self, Unclear};
use ianitor::signalling::kurento::{self, Explained, Refusal};
use ianitor::signalling::rules::{Effect, Facts, MessageRules, RoomId, Step, uris_of};
use ianitor::token::claims::Claims;

/// What is to be explained.
pub(super) struct Asked<'a> {
    pub(super) rules: &'a MessageRules,
    pub(super) claims: Option<&'a Claims>,
    pub(super) plugin: Option<String>,
}

/// The explanation, and whether every message would pass.
#[derive(Debug)]
pub(super) struct Explanation {
    pub(super) text: String,
    pub(super) passes: bool,
}

impl Asked<'_> {
    /// Explains messages to servers that speak one of these protocols.
    pub(super) fn explain(
        &self,
        protocols: &[Protocol],
        message: &str,
    ) -> Result<Explanation, Unclear> {
        let mut answer = Explanation {
            text: String::new(),
            passes: true,
        };
        let documents = match document::split(message) {
            Ok(documents) => documents,
            Err(error) => {
                answer.refused(&format!("Invalid JSON: {error}"));
                return Ok(answer);
            }
        };
        let documents: Vec<Value<'_>> = documents.collect();
        let has_kurento = protocols.contains(&Protocol::Kurento);
        let has_others = protocols.iter().any(|it| *it != Protocol::Kurento);
        for protocol in protocols {
            let is_kurento = *protocol == Protocol::Kurento;
            let is_for_it = |document: &&Value<'_>| {
                !(has_kurento && has_others) || is_json_rpc(**document) == is_kurento
            };
            for document in documents.iter().filter(is_for_it) {
                self.explain_one(*protocol, *document, &mut answer)?;
            }
        }
        Ok(answer)
    }

    fn explain_one(
        &self,
        protocol: Protocol,
        document: Value<'_>,
        answer: &mut Explanation,
    ) -> Result<(), Unclear> {
        let api = match protocol {
            Protocol::Janus => "Janus",
            Protocol::JanusAdmin => "Janus' admin API",
            Protocol::Kurento => {
                answer.line("a request to Kurento");
                self.explain_request(document, answer);
                return Ok(());
            }
        };
        answer.line(&format!("a message to {api}"));
        match janus::facts(protocol, document, self.plugin.as_deref()) {
            Ok(facts) => {
                answer.facts(&facts);
                self.decide(&facts, answer);
            }
            Err(Unclear::Refused(refusal)) => answer.refused(&refusal.to_string()),
            Err(unclear) => return Err(unclear),
        }
        Ok(())
    }

    fn explain_request(&self, document: Value<'_>, answer: &mut Explanation) {
        if let Some(renewal) = kurento::explain_renewal(document, self.rules) {
            answer.renewal(renewal, self.rules.renew_in_band());
            return;
        }
        let operations = match kurento::operations(document) {
            Ok(operations) => operations,
            Err(refusal) => {
                answer.refused(&refusal.to_string());
                return;
            }
        };
        for operation in &operations {
            let Explained {
                facts,
                depth,
                names_any,
            } = operation;
            if *depth > 0 {
                answer.line(&format!("an operation in its transaction (depth {depth})"));
            }
            answer.facts(facts);
            if *names_any {
                answer.line("  its session and objects are taken to be the client's");
            }
            self.decide(facts, answer);
        }
    }

    /// Adds what each rule says, and what becomes of the message.
    fn decide(&self, facts: &Facts<'_>, answer: &mut Explanation) {
        let steps: Vec<Step<'_>> = self.rules.explain(facts, self.claims).collect();
        for step in &steps {
            answer.line(&format!("  {step}"));
        }
        match steps.last() {
            Some(Step {
                rule,
                mismatch: None,
            }) => match rule.effect {
                Effect::Allow => answer.line(&format!("would pass, by {}", rule.name)),
                Effect::Deny => answer.refused(&format!("{} denies it", rule.name)),
            },
            _ => answer.refused(&unmatched(&steps)),
        }
    }
}

/// Whether a document is one for Kurento rather than for Janus.
fn is_json_rpc(document: Value<'_>) -> bool {
    let object = document.object();
    object.is_some_and(|object| object.get("jsonrpc").is_some())
}

/// That no rule matches, and which came closest.
fn unmatched(steps: &[Step<'_>]) -> String {
    let allow = steps
        .iter()
        .filter(|step| step.rule.effect == Effect::Allow);
    let allow = allow.filter_map(|step| Some((&step.rule.name, step.mismatch.as_ref()?)));
    // Of equals, the first.
    let closest = allow.reduce(|closest, step| match closest.1.is_further_than(step.1) {
        true => step,
        false => closest,
    });
    match closest {
        Some((rule, mismatch)) => {
            format!("no rule matches; {rule} comes closest: {mismatch}")
        }
        None => "no rule matches".to_owned(),
    }
}

impl Explanation {
    fn line(&mut self, text: &str) {
        // Writing to a string does not fail.
        let _ = writeln!(self.text, "{text}");
    }

    fn refused(&mut self, why: &str) {
        self.passes = false;
        self.line(&format!("would be refused: {why}"));
    }

    /// What becomes of a request for a renewal, of which no rule is asked.
    fn renewal(&mut self, renewal: Result<(), Refusal>, is_on: bool) {
        self.line("  method ianitor.renew");
        match renewal {
            Ok(()) => self.line("would be answered by the gateway, which judges the new token"),
            Err(refusal) if is_on => self.refused(&refusal.to_string()),
            Err(refusal) => self.refused(&format!(
                "{refusal}; the gateway answers it if the policy has renew_in_band = true"
            )),
        }
    }

    /// What the rules compare.
    fn facts(&mut self, facts: &Facts<'_>) {
        let [verb, plugin, request] = facts.terms.names();
        let words = [
            (verb, Some(&facts.verb)),
            (plugin, facts.plugin.as_ref()),
            (request, facts.request.as_ref()),
            ("ptype", facts.ptype.as_ref()),
        ];
        for (name, word) in words {
            if let Some(word) = word {
                let unknown = if word.is_known { "" } else { " (unknown)" };
                self.line(&format!("  {name} {}{unknown}", word.name()));
            }
        }
        match facts.room.map(|room| room.id()) {
            Some(RoomId::Number(number)) => self.line(&format!("  room {number}")),
            Some(RoomId::Text(text)) => self.line(&format!("  room \"{text}\"")),
            None if facts.is_about_room => self.line("  no room"),
            None => {}
        }
        for (name, value) in uris_of(facts) {
            self.line(&format!("  {} {}", name.unescaped(), value.raw()));
        }
    }
}
