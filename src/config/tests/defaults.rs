//! What routes inherit from `[defaults]`.

use std::path::Path;

use super::problems;
use crate::config::parse;

const FRONT: &str = "[listen]\nhttps = [\"[::]:443\"]\n[tls]\nself_signed = [\"a\"]\n\
                     [upstreams.u]\nservers = [\"http://u\"]\nprotocol = \"http\"\n\
                     [upstreams.k]\nservers = [\"http://k\"]\nprotocol = \"kurento\"\n\
                     [policies.p]\nallow = [\"10.0.0.0/8\"]\n";

const DEFAULTS: &str = "[defaults]\nhsts = \"1d\"\nsecurity_headers = true\n\
                        cors = { origins = [\"https://a\"] }\ntimeouts = { response = \"5s\" }\n";

fn routes(text: &str) -> String {
    let loaded = parse(Path::new("t"), &format!("{FRONT}{text}"));
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    format!("{:?}", loaded.config.routes)
}

fn route(path: &str, keys: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\npolicy = \"p\"\n{keys}\n")
}

const HSTS: &str = "hsts = \"1d\"\n";
const HEADERS: &str = "security_headers = true\n";
const CORS: &str = "cors = { origins = [\"https://a\"] }\n";
const TIMEOUTS: &str = "timeouts = { response = \"5s\" }\n";

#[test]
fn routes_have_what_is_written_for_all_of_them() {
    let (upstream, files) = ("upstream = \"u\"\n", "files = \"f\"\n");
    let kurento = "upstream = \"k\"\n";
    let short = [
        route("/u", upstream),
        route("/f", files),
        route("/k", kurento),
    ]
    .concat();
    let long = [
        route("/u", &[upstream, HSTS, HEADERS, CORS, TIMEOUTS].concat()),
        route("/f", &[files, HSTS, HEADERS, CORS].concat()),
        // A control port is for pages of other origins only by its own route.
        route("/k", &[kurento, HSTS, HEADERS, TIMEOUTS].concat()),
    ]
    .concat();
    assert_eq!(routes(&(short + DEFAULTS)), routes(&long));
}

#[test]
fn what_a_route_says_itself_replaces_it() {
    let own = "upstream = \"u\"\nhsts = \"0s\"\nsecurity_headers = false\n\
               cors = { origins = [\"https://b\"], max_age = \"1s\" }\n\
               timeouts = { idle = \"9s\" }\n";
    let own = route("/", own);
    assert_eq!(routes(&format!("{own}{DEFAULTS}")), routes(&own));
}

#[test]
fn what_is_wrong_with_them_is_said_once_and_where_it_is() {
    let text = format!(
        "{FRONT}{}{}[defaults]\npolicy = \"open\"\nhsts = 5\n\
         cors = {{ origins = [\"b\"], credentials = true }}\n",
        route("/a", "upstream = \"u\""),
        route("/b", "upstream = \"u\""),
    );
    assert_eq!(
        problems(&text),
        [
            "t:22:1 defaults.policy: unknown key here; it belongs to [[routes]]",
            "t:23:8 defaults.hsts: expected a duration such as \"10s\", found an integer; \"5\" \
             has no unit; write \"5s\" for seconds",
            "t:24:21 defaults.cors.origins[0]: \"b\" is no origin, such as \
             \"https://app.example.com\"",
        ]
    );
}
