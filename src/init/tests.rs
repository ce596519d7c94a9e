use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::config;
use crate::doctor::machine::Machine;

fn setup(services: &[Service], mail: Option<&str>) -> Setup {
    Setup {
        services: services.iter().copied().collect::<BTreeSet<_>>(),
        host: "media.example.com".parse().unwrap(),
        turn: "turn.example.com".parse().unwrap(),
        mail: mail.map(str::to_owned),
    }
}

/// Each choice of servers that is one.
fn every_choice() -> impl Iterator<Item = Vec<Service>> {
    (1..1_u32 << Service::ALL.len()).map(|bits| {
        let chosen = Service::ALL.iter().enumerate();
        let chosen = chosen.filter(|(at, _)| bits & (1 << at) != 0);
        chosen.map(|(_, service)| *service).collect()
    })
}

#[test]
fn every_choice_of_servers_is_a_good_configuration_without_warnings() {
    for services in every_choice() {
        for mail in [None, Some("ops@example.com")] {
            let text = gateway(&setup(&services, mail));
            let loaded = config::parse(Path::new("/etc/ianitor/gateway.toml"), &text)
                .unwrap_or_else(|report| panic!("{services:?}: {report}\n{text}"));
            let warnings = loaded.warnings.to_string();
            assert_eq!(warnings, "", "{services:?}\n{text}");
            assert!(!text.contains("HOST"), "{text}");
        }
    }
}

#[test]
fn every_secret_that_is_named_is_made_and_no_other() {
    for services in every_choice() {
        let setup = setup(&services, None);
        let (text, secrets) = (gateway(&setup), Secrets::new(&setup).unwrap());
        let made: BTreeSet<_> = secrets.iter().map(|(name, _)| name).collect();
        let named = text.split("\"secrets/").skip(1);
        let named: BTreeSet<_> = named.filter_map(|rest| rest.split('"').next()).collect();
        assert_eq!(named, made, "{services:?}");
        let values: BTreeSet<_> = secrets.iter().map(|(_, value)| value.to_owned()).collect();
        assert_eq!(values.len(), made.len());
        assert!(values.iter().all(|value| value.len() == 64));
        assert!(!format!("{secrets:?}").contains(values.first().unwrap()));
    }
}

#[test]
fn what_the_files_say_already_is_marked() {
    let setup = setup(&Service::ALL, None);
    let secrets = Secrets::new(&setup).unwrap();
    let all = changes(&setup, &secrets, &Machine::default());
    let is_unknown = |lines: &Lines| {
        let mut lines = lines.lines.iter();
        lines.all(|(_, state)| *state == State::NotKnown)
    };
    assert!(all.iter().all(is_unknown), "{all:#?}");

    let mut machine = Machine::default();
    let text = "use-auth-secret\nrealm=other.example.com\nno-cli\n";
    let file = "/etc/turnserver.conf".into();
    machine
        .coturn
        .push(crate::doctor::read::settings::turnserver(&file, text));
    let all = changes(&setup, &secrets, &machine);
    let coturn = all
        .iter()
        .find(|lines| lines.file == "/etc/turnserver.conf");
    let state = |line: &str| {
        let mut lines = coturn.unwrap().lines.iter();
        lines.find(|(text, _)| text.starts_with(line)).unwrap().1
    };
    assert_eq!(state("use-auth-secret"), State::InForce);
    assert_eq!(state("no-cli"), State::InForce);
    assert_eq!(state("realm"), State::ToChange);
    assert_eq!(state("static-auth-secret"), State::ToChange);
    let shown = markdown(&setup, &all);
    let so = "The file has already: `use-auth-secret`, `no-cli`.\n";
    assert!(shown.contains(so) && !shown.contains("no-cli\n"), "{shown}");
    assert!(shown.contains(&format!("static-auth-secret={}", secrets.get("turn"))));
    assert!(shown.contains("general: {\n\tapi_secret = \""), "{shown}");
}
