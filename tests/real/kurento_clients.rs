//! kurento-client, and the shapes of Kurento's Java client, where policies judge each message.

use serde_json::json;

use crate::support::guarded::{now, token};
use crate::support::kurento_roles::KurentoRoles;
use crate::support::{Step, side_by_side};

#[test]
fn real_clients_work_where_their_messages_are_judged() {
    let roles = KurentoRoles::start("kurento-clients");
    let mut steps: Vec<Step<KurentoRoles>> = vec![
        ("a call from its pipeline to its end", |roles| {
            story(roles, "call")
        }),
        ("a transaction", |roles| story(roles, "transaction")),
        ("objects of another user", |roles| story(roles, "foreign")),
        ("files and hosts", |roles| story(roles, "uris")),
        ("a listed host", |roles| story(roles, "listed")),
        ("an operator", |roles| story(roles, "operator")),
        ("an observer", |roles| story(roles, "observer")),
        ("a token in a header", |roles| story(roles, "header")),
        ("packets of Java's client", packets),
        ("four silent minutes", silence),
    ];
    let failed = side_by_side(&roles, &steps);
    // These lose all connections, one after the other.
    steps = vec![("lost connections", |roles| story(roles, "cut"))];
    steps.push(("a newer token", |roles| story(roles, "renewed")));
    steps.push(("Java's client reconnects", reconnect));
    if roles.kurento.control().is_some() {
        steps.push(("a new Kurento", |roles| story(roles, "restart")));
    }
    let alone = steps.into_iter();
    let failed_alone = alone.flat_map(|step| side_by_side(&roles, &[step]));
    let failed = [failed, failed_alone.collect()].concat();
    let said = [roles.gateway.process.said(), roles.kurento.said()].concat();
    assert!(
        failed.is_empty(),
        "failed: {failed:?}; what the servers said:\n{said}"
    );
    assert!(!said.contains("panicked"), "{said}");
    roles.kurento.collects_everything();
}

fn story(roles: &KurentoRoles, story: &str) {
    let mut users = json!({"newerRita": token(json!({"sub": "rita", "exp": now() + 1_200}))});
    for user in ["ada", "eve", "otto", "olga", "rita"] {
        users[user] = token(json!({"sub": user})).into();
    }
    let options = json!({
        "url": roles.gateway.websocket_url(""),
        "cut": roles.kurento.cable.cut,
        "control": roles.kurento.control(),
        "users": users,
    });
    let clients = roles.gateway.clients();
    clients.node(&["kurento-guarded.js", story, &options.to_string()]);
}

fn java(roles: &KurentoRoles, story: &str) {
    let token = token(json!({"sub": "java"}));
    let path = format!("/app/kurento?access_token={token}");
    let url = roles.gateway.websocket_url(&path);
    let cut = roles.kurento.cable.cut.to_string();
    let clients = roles.gateway.clients();
    clients.node_for(300, &["kurento-java.js", story, &url, &cut]);
}

fn packets(roles: &KurentoRoles) {
    java(roles, "packets");
}

fn silence(roles: &KurentoRoles) {
    java(roles, "silence");
}

fn reconnect(roles: &KurentoRoles) {
    java(roles, "reconnect");
}
