//! Routes with several hosts.

use std::path::Path;

use super::problems;
use crate::config::parse;

const FRONT: &str = "[listen]\nhttps = [\"[::]:443\"]\n[tls]\nself_signed = [\"a\"]\n\
                     [upstreams.u]\nservers = [\"http://u\"]\nprotocol = \"http\"\n";

fn routes(text: &str) -> String {
    let loaded = parse(Path::new("t"), &format!("{FRONT}{text}"));
    let loaded = loaded.unwrap_or_else(|report| panic!("{report}"));
    format!("{:?}", loaded.config.routes)
}

fn of(text: &str) -> Vec<String> {
    problems(&format!("{FRONT}{text}"))
}

#[test]
fn a_route_with_several_hosts_is_one_for_each() {
    let route = |host: &str| {
        format!("[[routes]]\nhost = {host}\npath = \"/x\"\nupstream = \"u\"\npolicy = \"open\"\n")
    };
    let apart = routes(&(route("\"a\"") + &route("\"*.b\"")));
    assert_eq!(routes(&route("[\"a\", \"*.b\"]")), apart);
    assert_eq!(routes(&route("[\"a\"]")), routes(&route("\"a\"")));
}

#[test]
fn each_host_is_judged_by_itself() {
    let got = of(
        "[[routes]]\nhost = [\"a\", \"b\", \"a\"]\npath = \"/\"\nupstream = \"u\"\n\
         policy = \"open\"\n[[routes]]\nhost = \"b\"\npath = \"/\"\nfiles = \"f\"\n\
         policy = \"open\"\n[[routes]]\nhost = [\"c\", \"b\"]\npath = \"/\"\nfiles = \"f\"\n\
         policy = \"opne\"\n[[routes]]\nhost = []\npath = \"/\"\nfiles = \"f\"\n\
         policy = \"open\"\n[[routes]]\nhost = [\"d\", 5]\npath = \"/\"\nfiles = \"f\"\n\
         policy = \"open\"\n",
    );
    assert_eq!(
        got,
        [
            "t:9:19 routes[0].host[2]: a is in the list already; take one out",
            "t:15:8 routes[1].path: routes[0] has this host and path already (line 8); take one \
             out",
            "t:19:14 routes[2].host[1]: routes[0] has b with this path already (line 8); take one \
             out",
            "t:22:10 routes[2].policy: unknown policy \"opne\", did you mean \"open\"?",
            "t:24:8 routes[3].host: is an empty list; write what is meant, or leave it out",
            "t:29:14 routes[4].host[1]: expected a string, found an integer; \"5\" is not a host \
             name or IP address",
        ]
    );
}
