//! Janus finds its base path anywhere in a path, and in any case where the path is nothing else. A
//! route for everything that leads to the same server must not open what another route shows under
//! another policy.

use crate::harness::{Config, TestGateway, Upstream};

const ELSEWHERE: &[&str] = &[
    "/x/janus/",
    "/x/janus",
    "/x/janus/1/2",
    "/JANUS",
    "/Janus/",
    "/janusx/janus/info",
    "/x/%4Aanus/",
];

fn config(janus: &Upstream, protocol: &str, routes: &str) -> Config {
    let (url, policy) = (janus.url(), "[policies.nobody]\nallow = [\"192.0.2.1\"]");
    Config::new().table(&format!(
        "[upstreams]\njanus = {{ servers = [\"{url}\"], protocol = \"{protocol}\" }}\n\
         also = {{ servers = [\"{url}\"], protocol = \"http\" }}\n\
         {policy}\n{routes}"
    ))
}

fn route(path: &str, upstream: &str, lines: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nupstream = \"{upstream}\"\n{lines}\n")
}

#[test]
fn a_wider_route_does_not_open_a_narrower_one() {
    let janus = Upstream::ok();
    let (closed, open) = ("policy = \"nobody\"", "policy = \"open\"");
    for (strict, wide) in [
        (route("/janus", "janus", closed), route("/", "janus", open)),
        (route("/janus", "janus", closed), route("/", "also", open)),
        (route("/janus", "also", closed), route("/", "janus", open)),
        (
            route(
                "/media/janus",
                "janus",
                &format!("{closed}\nstrip_prefix = \"/media\""),
            ),
            route("/x", "janus", open),
        ),
    ] {
        let gateway = TestGateway::start(&config(&janus, "janus", &format!("{strict}{wide}")));
        for target in ELSEWHERE {
            let target = if wide.contains("\"/x\"") {
                format!("/x{target}")
            } else {
                (*target).to_owned()
            };
            assert_eq!(
                gateway.client().get(&target).status(),
                400,
                "{target}\n{wide}"
            );
            assert_eq!(
                gateway.client().post(&target, b"{}").status(),
                400,
                "{target}\n{wide}"
            );
            assert_eq!(
                gateway.dial().h2().get(&target).status,
                400,
                "{target}\n{wide}"
            );
        }
        let line = gateway.access.lines(3 * ELSEWHERE.len()).remove(0);
        assert!(
            line.contains(" status=400 ") && line.contains(" reason=base_path "),
            "{line}"
        );
    }
    assert!(janus.heads().is_empty());
}

#[test]
fn what_the_wider_route_is_for_still_works() {
    let janus = Upstream::ok();
    let strict = route("/admin", "janus", "policy = \"nobody\"");
    let gateway = TestGateway::start(&config(
        &janus,
        "janus-admin",
        &format!("{strict}{}", route("/", "also", "policy = \"open\"")),
    ));
    for target in [
        "/",
        "/x",
        "/administration",
        "/x/administration/1",
        "/x?y=/admin/",
    ] {
        assert_eq!(gateway.client().get(target).status(), 200, "{target}");
    }
    assert_eq!(gateway.client().get("/admin").status(), 403);
    assert_eq!(gateway.client().get("/x/admin/").status(), 400);
}

#[test]
fn one_policy_for_all_of_a_server_is_no_reason_to_look() {
    let janus = Upstream::ok();
    let open = "policy = \"open\"";
    let both = format!(
        "{}{}",
        route("/janus", "janus", open),
        route("/", "janus", open)
    );
    let gateway = TestGateway::start(&config(&janus, "janus", &both));
    assert_eq!(gateway.client().get("/x/janus/").status(), 200);
    // Nor is a server that is no Janus.
    let both = format!(
        "{}{}",
        route("/janus", "also", "policy = \"nobody\""),
        route("/", "also", open)
    );
    let gateway = TestGateway::start(&config(
        &janus,
        "http",
        &format!("{both}{}", route("/j", "janus", open)),
    ));
    assert_eq!(gateway.client().get("/x/janus/").status(), 200);
}
