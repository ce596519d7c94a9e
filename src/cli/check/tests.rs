use ianitor::config;
use ianitor::tls::OrderedSpec;
use nix::unistd::{Uid, User, geteuid};

use super::files::{Found, advice_for_root};

#[test]
fn root_is_told_what_it_does_not_see() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("gateway.toml");
    let text = "[listen]\nhttps = [\"127.0.0.1:0\"]\n[acme]\n\
                certificates = [{ hosts = [\"a.example.com\"] }]\n\
                [[routes]]\npath = \"/\"\nfiles = \".\"\npolicy = \"open\"\n";
    let mut config = config::parse(&file, text)
        .unwrap_or_else(|report| panic!("{report}"))
        .config;
    let said = advice_for_root(&config, &file, Uid::from_raw(0)).unwrap();
    let us = User::from_uid(geteuid())
        .unwrap()
        .filter(|us| !us.uid.is_root());
    let user = us.map_or("USER".to_owned(), |us| us.name);
    assert!(
        said.contains(&format!(
            "sudo -u {user} ianitor check --config {}",
            file.display()
        )),
        "{said}"
    );
    assert_eq!(advice_for_root(&config, &file, Uid::from_raw(7)), None);
    config.acme = None;
    assert_eq!(advice_for_root(&config, &file, Uid::from_raw(0)), None);
}

#[test]
fn a_host_that_is_ordered_is_not_missed() {
    let folder = tempfile::tempdir().unwrap();
    let route = |host: &str| {
        format!(
            "[[routes]]\nhost = \"{host}\"\npath = \"/\"\nredirect = \"https://x.test/\"\n\
             policy = \"open\"\n"
        )
    };
    let text = format!(
        "[listen]\nhttps = [\"127.0.0.1:0\"]\n[tls]\nself_signed = [\"localhost\"]\n{}{}",
        route("media.test"),
        route("other.test")
    );
    let parsed = config::parse(&folder.path().join("gateway.toml"), &text);
    let mut config = parsed.unwrap_or_else(|report| panic!("{report}")).config;
    let hosts = vec!["media.test".parse().unwrap()];
    config.tls.ordered = vec![OrderedSpec {
        hosts,
        config_key: "acme.certificates[0]".to_owned(),
    }];
    let mut found = Found::default();
    assert!(
        found.certificates(&config).is_some(),
        "{:?}",
        found.problems
    );
    let missed: Vec<_> = found
        .warnings
        .iter()
        .filter(|line| line.contains("no certificate serves"))
        .collect();
    assert!(
        missed.len() == 1 && missed[0].contains("other.test"),
        "{missed:?}"
    );
}
