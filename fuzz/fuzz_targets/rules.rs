//! Rules decide as their explanation says, a rule more at the end never changes what an earlier one
//! has decided, and a member that no rule knows changes nothing.
//!
//! Input: the parameters of a message, an object whose members `verb`, `request` and `room` are
//! what they are called.
#![no_main]

use ianitor::signalling::document::{Change, Object, split};
use ianitor::signalling::rules::{
    Decision, Effect, Facts, Hosts, MessageRules, Names, Room, RoomId, Rooms, Rule, Word,
};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|text: &str| {
    let Ok(mut documents) = split(text) else {
        return;
    };
    let Some(parameters) = documents.next().and_then(|document| document.object()) else {
        return;
    };
    let Some(facts) = facts_of(parameters) else {
        return;
    };
    let all = rules();
    for count in 0..=all.len() {
        let some = MessageRules::new(all[..count].iter().cloned());
        let steps: Vec<_> = some.explain(&facts, None).collect();
        let decides = steps
            .last()
            .filter(|step| step.mismatch.is_none())
            .map(|step| step.rule);
        let decided = match some.decide(&facts, None) {
            Decision::Allowed(rule) | Decision::Denied(rule) => Some(rule),
            Decision::Unmatched(_) => None,
        };
        assert_eq!(decided, decides);
        if let Some(rule) = decided {
            let more = MessageRules::new(all.iter().cloned());
            let same = match more.decide(&facts, None) {
                Decision::Allowed(other) | Decision::Denied(other) => other == rule,
                Decision::Unmatched(_) => false,
            };
            assert!(same);
        }
    }
    if parameters.get("unknown").is_none() {
        let more = parameters.edited(&[Change::SetText("unknown", "1")]);
        let mut more = split(&more).expect("edited");
        let more = more.next().and_then(|document| document.object());
        let more = more.and_then(facts_of).expect("the same facts");
        let all = MessageRules::new(all);
        assert_eq!(all.decide(&more, None), all.decide(&facts, None));
    }
});

fn facts_of(parameters: Object<'_>) -> Option<Facts<'_>> {
    let text = |name: &str| parameters.get(name)?.text();
    let verb = text("verb")?;
    let room = parameters.get("room");
    let number = room.and_then(|room| room.integer()).map(Room::Number);
    Some(Facts {
        request: text("request").map(|request| Word::folded(request, !request.is("new"))),
        room: number.or_else(|| room?.text().map(Room::Text)),
        is_about_room: parameters.get("about").is_some(),
        parameters: Some(parameters),
        ..Facts::new(Word::folded(verb, !verb.is("new")))
    })
}

fn rules() -> Vec<Rule> {
    let allow = |name| Rule::new(name, Effect::Allow);
    vec![
        Rule {
            requests: Names::one_of(["kick"]),
            ..Rule::new("kicks", Effect::Deny)
        },
        Rule {
            verbs: Names::one_of(["new", "a"]),
            without: ["x".into()].into(),
            ..allow("new")
        },
        Rule {
            rooms: Rooms::OneOf([RoomId::Number(1)].into()),
            ..allow("room 1")
        },
        Rule {
            hosts: Hosts::OneOf(["h".into()].into()),
            ..allow("hosts")
        },
        Rule {
            rooms: Rooms::OneOf([RoomId::Text("a".into())].into()),
            ..allow("room a")
        },
        allow("others"),
    ]
}
