//! XMPP over HTTP to Prosody: a session belongs to the client that has created it.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use crate::harness::h1::Answer;
use crate::harness::staff::{self, SECRET};
use crate::harness::{Config, Dial, TestGateway, Then, Upstream, eventually, h2};

const NS: &str = "http://jabber.org/protocol/httpbind";

/// A stand-in for Prosody's BOSH, as it answers on the wire.
pub(crate) fn prosody() -> Upstream {
    let sessions = Arc::new(Mutex::new(HashSet::new()));
    Upstream::http(move |request, conn| {
        let text = String::from_utf8_lossy(&request.body).into_owned();
        if !request.head.target().contains("http-bind") || !text.contains("rid='") {
            let page = "<html>It works!</html>";
            let length = page.len();
            conn.send(format!(
                "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {length}\r\n\r\n\
                 {page}"
            ))?;
            return Ok(Then::Keep);
        }
        if text.contains("hang") {
            conn.wait_for_end()?;
            return Ok(Then::Close);
        }
        let mut sessions = sessions.lock().unwrap();
        let sid = text
            .split("sid='")
            .nth(1)
            .and_then(|rest| rest.split('\'').next());
        let (attributes, rest) = match sid {
            None => {
                let sid = format!("sid-{}", sessions.len());
                let attributes = format!("wait='60' requests='2' sid='{sid}' from='localhost'");
                sessions.insert(sid);
                (attributes, "<features/>".to_owned())
            }
            Some(sid) if !sessions.contains(sid) => (
                "type='terminate' condition='item-not-found'".to_owned(),
                String::new(),
            ),
            Some(_) if text.contains("terminate") || text.contains("logout") => {
                ("type='terminate'".to_owned(), String::new())
            }
            Some(sid) => (format!("sid='{sid}'"), "x".repeat(5000)),
        };
        let body = format!("<body {attributes} xmlns='{NS}'>{rest}</body>");
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/xml; charset=utf-8\r\n\
             Content-Length: {}\r\n\r\n",
            body.len()
        );
        // In two parts, so that the first is not the whole answer.
        let (first, second) = body.split_at(body.len() / 3);
        conn.send(format!("{head}{first}"))?;
        conn.send(second)?;
        Ok(Then::Keep)
    })
}

pub(crate) fn config(prosody: &Upstream) -> Config {
    let url = prosody.url();
    Config::new()
        .table(&format!(
            "[upstreams.prosody]\nservers = [\"{url}\"]\nprotocol = \"jitsi\"\n\
             domain = \"meet.example.com\""
        ))
        .table(&staff::issuer(""))
        .table("[policies.members]\nissuers = [\"staff\"]")
        .route_with(
            "/http-bind",
            "prosody",
            "policy = \"members\"\nrewrite = \"/http-bind\"",
        )
        .route_with(
            "/b/http-bind",
            "prosody",
            "policy = \"members\"\nrewrite = \"/http-bind\"",
        )
        .route_with(
            "/guests/http-bind",
            "prosody",
            "policy = \"open\"\nrewrite = \"/http-bind\"",
        )
}

fn token(user: &str, more: &Value) -> String {
    let mut claims = json!({
        "sub": "meet.example.com",
        "room": "*",
        "exp": staff::now() + 600,
        "context": { "user": { "id": user } },
    });
    for (name, value) in more.as_object().unwrap() {
        claims[name] = value.clone();
    }
    staff::mint(SECRET, &claims)
}

/// One client of the gateway, at one URL.
pub(crate) struct Client {
    dial: Dial,
    target: String,
    token: String,
}

impl Client {
    pub(crate) fn new(gateway: &TestGateway, target: &str, user: &str) -> Self {
        let token = match user {
            "" => String::new(),
            user => format!("Authorization: Bearer {}\r\n", token(user, &json!({}))),
        };
        Self {
            dial: gateway.dial(),
            target: target.to_owned(),
            token,
        }
    }

    fn at(&self, target: &str) -> Self {
        let (dial, token) = (self.dial.clone(), self.token.clone());
        Self {
            dial,
            target: target.to_owned(),
            token,
        }
    }

    pub(crate) fn head(&self, body: &str, more: &str) -> String {
        format!(
            "POST {} HTTP/1.1\r\nHost: localhost\r\n{}{more}Content-Length: {}\r\n\r\n{body}",
            self.target,
            self.token,
            body.len()
        )
    }

    fn ask(&self, body: &str) -> Answer {
        let answer = self.dial.h1().ask(self.head(body, ""));
        assert_eq!(answer.status(), 200, "{}", answer.head);
        assert_eq!(
            answer.head.get("content-type"),
            Some("text/xml; charset=utf-8")
        );
        answer
    }

    /// Opens a session.
    pub(crate) fn open(&self) -> String {
        let text = self.ask(&body("")).text();
        let sid = text
            .split("sid='")
            .nth(1)
            .unwrap_or_else(|| panic!("{text}"));
        sid.split('\'').next().unwrap().to_owned()
    }

    /// Whether it may speak in a session; if not, the session does not exist for it.
    fn may_speak(&self, sid: &str) -> bool {
        let text = self.ask(&body(&format!("sid='{sid}'"))).text();
        let is_unknown =
            text == format!("<body xmlns='{NS}' type='terminate' condition='item-not-found'/>");
        assert!(
            is_unknown || text.contains(&format!("sid='{sid}'")),
            "{text}"
        );
        !is_unknown
    }
}

pub(crate) fn body(attributes: &str) -> String {
    format!("<body rid='1573741820' xmlns='{NS}' {attributes}/>")
}

#[test]
fn a_session_belongs_to_the_user_who_has_opened_it_in_the_room_where_that_was() {
    let prosody = prosody();
    let gateway = TestGateway::start(&config(&prosody));
    let anna = Client::new(&gateway, "/http-bind?room=Aula&previd=1", "anna");
    let sid = anna.open();
    assert!(anna.may_speak(&sid));
    // Any connection and any order of the query will do, and a room has no case.
    assert!(anna.at("/http-bind?previd=2&room=aula").may_speak(&sid));
    assert!(anna.at("/http-bind/?room=aula").may_speak(&sid));
    let reached = prosody.requests().len();
    for other in [
        Client::new(&gateway, "/http-bind?room=Aula", "bob"),
        anna.at("/http-bind?room=cellar"),
        anna.at("/http-bind"),
        anna.at("/b/http-bind?room=Aula"),
        Client::new(&gateway, "/guests/http-bind?room=Aula", ""),
    ] {
        assert!(!other.may_speak(&sid), "{}", other.target);
        assert!(!other.may_speak("guessed"));
    }
    assert_eq!(prosody.requests().len(), reached);
    // The others have sessions of their own, and anna still has hers.
    let bob = Client::new(&gateway, "/http-bind?room=Aula", "bob");
    let of_bob = bob.open();
    assert!(bob.may_speak(&of_bob) && !anna.may_speak(&of_bob) && anna.may_speak(&sid));
}

#[test]
fn a_newer_token_of_the_same_user_keeps_the_session_and_another_subject_does_not() {
    let prosody = prosody();
    let gateway = TestGateway::start(&config(&prosody));
    let with = |more: &Value| Client {
        dial: gateway.dial(),
        target: "/http-bind?room=aula".to_owned(),
        token: format!("Authorization: Bearer {}\r\n", token("anna", more)),
    };
    let sid = with(&json!({})).open();
    let exp = staff::now() + 900;
    assert!(with(&json!({ "exp": exp })).may_speak(&sid));
    assert!(!with(&json!({ "sub": "*" })).may_speak(&sid));
    assert!(!with(&json!({ "iss": "another of the issuer's" })).may_speak(&sid));
    assert!(!with(&json!({ "context": { "user": { "id": 7 } } })).may_speak(&sid));
    assert!(!with(&json!({ "context": {} })).may_speak(&sid));
    let named = json!({ "context": { "user": { "id": 7 } }, "context.user.id": "anna" });
    assert!(!with(&named).may_speak(&sid));
    // A number is an id too, and so is the subject alone.
    for more in [
        json!({ "context": { "user": { "id": 7 } } }),
        json!({ "context": {} }),
    ] {
        let sid = with(&more).open();
        assert!(with(&more).may_speak(&sid));
        assert!(!with(&json!({})).may_speak(&sid));
    }
}

#[test]
fn a_guest_is_known_by_its_address() {
    let prosody = prosody();
    let config = config(&prosody)
        .listen("https = [\"127.0.0.1:0\"]\nworkers = 2\ntrusted_proxies = [\"127.0.0.1\"]");
    let gateway = TestGateway::start(&config);
    let guest = |address: &str| Client {
        dial: gateway.dial(),
        target: "/guests/http-bind?room=aula".to_owned(),
        token: format!("X-Forwarded-For: {address}\r\n"),
    };
    let sid = guest("192.0.2.1").open();
    assert!(guest("192.0.2.1").may_speak(&sid));
    assert!(!guest("192.0.2.2").may_speak(&sid));
}

#[test]
fn the_same_bytes_are_forwarded_and_the_answer_comes_whole() {
    let prosody = prosody();
    let gateway = TestGateway::start(&config(&prosody));
    let anna = Client::new(&gateway, "/http-bind?room=aula&token=x", "anna");
    let sid = anna.open();
    let text = format!("\n{}\n", body(&format!("sid = \"{sid}\" x='&lt;'")));
    let (first, second) = text.split_at(20);
    let chunked = format!(
        "POST /http-bind?room=aula&token=x HTTP/1.1\r\nHost: localhost\r\n{}Trailer: X-Sum\r\n\
         Content-Type: text/plain;charset=UTF-8\r\nTransfer-Encoding: chunked\r\n\r\n\
         {:x}\r\n{first}\r\n{:x}\r\n{second}\r\n0\r\nX-Sum: 1\r\n\r\n",
        anna.token,
        first.len(),
        second.len()
    );
    // The stand-in reads attributes in single quotes alone, and takes this for a new session.
    assert_eq!(gateway.client().ask(chunked).status(), 200);
    let mut client = gateway.dial().h2();
    let mut request = h2::post("/http-bind?room=aula");
    let value = anna.token.trim().strip_prefix("Authorization: ").unwrap();
    request
        .headers_mut()
        .insert("authorization", value.parse().unwrap());
    let answer = client.send(request, body(&format!("sid='{sid}'")).as_bytes());
    assert_eq!(answer.status, 200);
    assert!(answer.body.len() > 5000);
    let requests = prosody.requests();
    assert_eq!(String::from_utf8_lossy(&requests[1].body), text);
    assert_eq!(requests[1].trailers, "");
    let head = &requests[1].head;
    assert_eq!(
        head.get("content-length"),
        Some(&*text.len().to_string()),
        "{head}"
    );
    assert_eq!(head.get("transfer-encoding"), None, "{head}");
    assert_eq!(
        head.get("content-type"),
        Some("text/plain;charset=UTF-8"),
        "{head}"
    );
    assert_eq!(head.target(), "/http-bind?room=aula");
    assert_eq!(requests.len(), 3);
}

#[test]
fn a_body_with_two_readings_never_reaches_prosody() {
    let prosody = prosody();
    let gateway = TestGateway::start(&config(&prosody));
    let anna = Client::new(&gateway, "/http-bind?room=aula", "anna");
    let sid = anna.open();
    let own = body(&format!("sid='{sid}'"));
    let inner = format!("<body xmlns='x' rid='1' sid='{sid}'>{own}</body>");
    let twice = anna.at("/http-bind?room=aula&room=aula");
    for (client, text) in [
        (&anna, String::new()),
        (&anna, "{}".to_owned()),
        (&anna, format!("<!-- -->{own}")),
        (&anna, inner),
        (&anna, own.replace("rid=", "x=")),
        (&anna, own.replace("sid=", "x:sid=")),
        (&twice, own.clone()),
    ] {
        let answer = client.ask(&text);
        assert_eq!(answer.head.get("access-control-allow-origin"), Some("*"));
        let want = format!("<body xmlns='{NS}' type='terminate' condition='bad-request'/>");
        assert_eq!(answer.text(), want, "{text}");
    }
    assert_eq!(prosody.requests().len(), 1);
    assert!(anna.may_speak(&sid));
    let lines = gateway.access.lines(9);
    let refused = lines
        .iter()
        .filter(|line| line.contains(" reason=bosh_body "));
    assert_eq!(refused.count(), 7, "{lines:#?}");
    assert!(!lines.iter().any(|line| line.contains(&sid)), "{lines:#?}");
}

#[test]
fn a_session_that_has_ended_is_forgotten() {
    let prosody = prosody();
    let gateway = TestGateway::start(&config(&prosody));
    let anna = Client::new(&gateway, "/http-bind?room=aula", "anna");
    // The client ends it, as a page that is closed (navigator.sendBeacon), or Prosody does.
    for text in ["type='terminate'", "x='logout'"] {
        let sid = anna.open();
        let end = body(&format!("sid='{sid}' {text}"));
        let plain = anna.head(&end, "Content-Type: text/plain;charset=UTF-8\r\n");
        assert!(
            anna.dial
                .h1()
                .ask(plain)
                .text()
                .contains("type='terminate'")
        );
        let reached = prosody.requests().len();
        assert!(!anna.may_speak(&sid));
        assert_eq!(prosody.requests().len(), reached);
    }
}

#[test]
fn the_gateway_does_not_know_the_sessions_from_before_its_start() {
    let prosody = prosody();
    let config = config(&prosody);
    let mut gateway = TestGateway::start(&config);
    let anna = Client::new(&gateway, "/http-bind?room=aula", "anna");
    let sid = anna.open();
    // A reload keeps them.
    gateway.reload(&config.limits("body = \"2MiB\""));
    assert!(anna.may_speak(&sid));
    let successor = TestGateway::start(&self::config(&prosody));
    let again = Client::new(&successor, "/http-bind?room=aula", "anna");
    assert!(!again.may_speak(&sid));
    let sid = again.open();
    assert!(again.may_speak(&sid));
    let lines = successor.access.lines(3);
    let unknown = |line: &&String| line.contains(" reason=bosh_session ");
    assert_eq!(lines.iter().filter(unknown).count(), 1, "{lines:#?}");
}

#[test]
fn gets_pass_and_methods_that_bosh_does_not_have_are_rejected() {
    let prosody = prosody();
    let gateway = TestGateway::start(&config(&prosody));
    let mut client = gateway.client();
    for (method, status) in [
        ("GET", 200),
        ("OPTIONS", 200),
        ("PUT", 405),
        ("DELETE", 405),
    ] {
        let answer = client.ask(format!(
            "{method} /guests/http-bind?room=aula HTTP/1.1\r\nHost: localhost\r\n\r\n"
        ));
        assert_eq!(answer.status(), status, "{method}");
        let allow = (status == 405).then_some("GET, HEAD, POST, OPTIONS");
        assert_eq!(answer.head.get("allow"), allow, "{method}");
    }
    assert_eq!(prosody.requests().len(), 2);
}

#[test]
fn two_requests_of_a_session_wait_side_by_side_and_end_with_their_client() {
    let prosody = prosody();
    let gateway = TestGateway::start(&config(&prosody));
    let anna = Client::new(&gateway, "/http-bind?room=aula", "anna");
    let sid = anna.open();
    let poll = || {
        let mut client = anna.dial.h1();
        client.send(anna.head(&body(&format!("sid='{sid}' x='hang'")), ""));
        client
    };
    let (first, second) = (poll(), poll());
    eventually("both polls at Prosody", || prosody.requests().len() == 3);
    assert!(anna.may_speak(&sid));
    let left = prosody.left();
    drop((first, second));
    eventually("their connections have ended", || {
        prosody.left() >= left + 2
    });
}

#[test]
fn a_body_above_the_limit_is_rejected() {
    let prosody = prosody();
    let config = config(&prosody).limits("body = \"8KiB\"");
    let gateway = TestGateway::start(&config);
    let long = body(&format!("x='{}'", "x".repeat(9000)));
    let answer = gateway.client().post("/guests/http-bind", long.as_bytes());
    assert_eq!(answer.status(), 413);
    assert_eq!(prosody.requests().len(), 0);
}
