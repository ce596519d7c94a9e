//! Addresses, networks, servers and hosts.

use super::host_slips::bad_host;
use super::{STRING, one_for_each, quoted};
use crate::addr::{ListenAddr, Network, NetworkSet};
use crate::config::everybody;
use crate::config::read::{List, Read, Value, Write, valid};
use crate::config::schema::{Form, Kind};
use crate::host::{Authority, HostName, HostPattern};
use crate::route::upstream::{ServerAddr, XmppDomain};

impl Read for ListenAddr {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "listening address",
        expected: STRING,
        text: "`IP:port`. `[::]` is every address of IPv6 and IPv4. Names are not taken: a \
               listener that depends on a resolver does not start on a machine whose network is \
               late.",
        good: &["\"[::]:443\"", "\"127.0.0.1:8443\""],
        bad: (
            "\":443\"",
            "\":443\" has no address; write \"[::]:443\" for all, \"127.0.0.1:443\" for this \
             machine only",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse(STRING)
    }
}

impl Read for Network {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "network",
        expected: STRING,
        text: "An address, or a network with its prefix. Clients that reach an IPv6 listener by \
               IPv4 are IPv4: `10.8.0.7`, not `::ffff:10.8.0.7`.",
        good: &["\"10.8.0.0/16\"", "\"2001:db8::/32\"", "\"192.0.2.7\""],
        bad: (
            "\"10.8.0.5/16\"",
            "\"10.8.0.5/16\" has bits set below its prefix; did you mean \"10.8.0.0/16\"?",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        value.parse(STRING)
    }
}

impl Write for Network {
    type Plain = Self;

    fn write(value: &Self) -> String {
        quoted(value)
    }
}

/// The networks that limits per client do not count.
pub(in crate::config) struct Exempt;

impl Read for Exempt {
    type Out = NetworkSet;
    const FORM: Form = <List<Network>>::FORM;

    fn read(value: &Value<'_>) -> Option<NetworkSet> {
        let list = valid(List::<Network>::read(value)?);
        for everybody in everybody::on_the_internet(&list) {
            let text = "exempts every client from the limits; write your own networks";
            value.warn(everybody.place, format!("{everybody} {text}"));
        }
        Some(list.into_iter().map(|net| net.value).collect())
    }
}

impl Write for Exempt {
    type Plain = NetworkSet;

    fn write(value: &NetworkSet) -> String {
        List::<Network>::write(&value.listed().to_vec())
    }
}

impl Read for ServerAddr {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "server",
        expected: STRING,
        text: "`http://host:port`, `https://host:port` or `unix:/path`, without a path of its own. \
               Without a port it is 80 or 443. WebSockets go to the same address: their handshake \
               is HTTP.",
        good: &[
            "\"http://127.0.0.1:8088\"",
            "\"https://media.example.com\"",
            "\"unix:/run/janus.sock\"",
        ],
        bad: (
            "\"ws://127.0.0.1:8188\"",
            "\"ws://127.0.0.1:8188\" is a WebSocket URL; the handshake is HTTP, so write \
             \"http://127.0.0.1:8188\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        // The text is not cited, for that would show the password.
        let text = value.as_text().filter(|text| text.contains('@'));
        if let Some(why) = text.and_then(|text| text.parse::<Self>().err()) {
            return value.refuse(why);
        }
        value.parse(STRING)
    }
}

/// A server as `host:port`, to which something else than HTTP is spoken.
pub(in crate::config) struct HostPort;

impl Read for HostPort {
    type Out = ServerAddr;
    const FORM: Form = Form::One(&Kind {
        name: "host and port",
        expected: STRING,
        text: "`host:port`, of a server that does not speak HTTP.",
        good: &["\"127.0.0.1:5349\"", "\"turn.internal:443\""],
        bad: (
            "\"https://127.0.0.1:5349\"",
            "\"https://127.0.0.1:5349\" is not host:port; write \"127.0.0.1:5349\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<ServerAddr> {
        value.parse_with(STRING, |text| match host_port(text) {
            Some((host, port)) => Ok(ServerAddr::Tcp {
                tls: false,
                host,
                port,
            }),
            None => Err(bad_host_port(text)),
        })
    }
}

fn host_port(text: &str) -> Option<(HostName, u16)> {
    let authority: Authority = text.parse().ok()?;
    let port = authority.port.filter(|port| *port > 0)?;
    Some((authority.host, port))
}

/// The slips that are made with `host:port`.
fn bad_host_port(text: &str) -> String {
    let rest = text.split_once("://").map_or(text, |(_, rest)| rest);
    let rest = rest.split('/').next().unwrap_or(rest);
    let local = format!("127.0.0.1:{}", rest.trim_start_matches(':'));
    if let Some((host, port)) = host_port(rest) {
        format!("is not host:port; write \"{host}:{port}\"")
    } else if host_port(&local).is_some() {
        format!("has no host; write \"{local}\" for this machine")
    } else if rest.parse::<HostName>().is_ok() {
        format!("has no port; write it too, as in \"{rest}:5349\"")
    } else {
        "is not host:port, such as \"127.0.0.1:5349\"".to_owned()
    }
}

impl Read for HostName {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "host",
        expected: STRING,
        text: "A name or an IP address, without a port. Upper and lower case are the same; names \
               in other scripts are written in their `xn--` form.",
        good: &[
            "\"media.example.com\"",
            "\"localhost\"",
            "\"127.0.0.1\"",
            "\"[::1]\"",
        ],
        bad: (
            "\"https://a.example/\"",
            "\"https://a.example/\" is a URL; write the host name alone, \"a.example\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        const WILDCARD: &str = "is a wildcard, which stands for no single name; write each name";
        value.parse_with(STRING, |text| {
            text.parse().map_err(|_| match text.contains('*') {
                true => WILDCARD.to_owned(),
                false => bad_host(text),
            })
        })
    }
}

impl Read for XmppDomain {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "XMPP domain",
        expected: STRING,
        text: "A host, or `\"*\"` for any domain.",
        good: &["\"meet.example.com\"", "\"meet.jitsi\"", "\"*\""],
        bad: (
            "\"*.example.com\"",
            "\"*.example.com\" is a wildcard; write the domain itself, or \"*\" for any",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        const WILDCARD: &str = "is a wildcard; write the domain itself, or \"*\" for any";
        value.parse_with(STRING, |text| match text {
            "*" => Ok(Self::Any),
            _ => match text.parse() {
                Ok(name) => Ok(Self::Name(name)),
                Err(_) if text.contains('*') => Err(WILDCARD.to_owned()),
                Err(_) => Err(bad_host(text)),
            },
        })
    }
}

impl Read for HostPattern {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "host pattern",
        expected: STRING,
        text: "A host, or `*.` and a name for exactly one label more: `*.example.com` is \
               `a.example.com`, and neither `example.com` nor `a.b.example.com`.",
        good: &["\"media.example.com\"", "\"*.example.com\""],
        bad: (
            "\"media.example.com:443\"",
            "\"media.example.com:443\" has a port; write the host name alone, \
             \"media.example.com\": its port does not matter",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        const EVERY: &str = "is not needed: a route without host serves every host; take it out";
        if value.is_list() {
            return one_for_each(value);
        }
        value.parse_with(STRING, |text| match text {
            "*" => Err(EVERY.to_owned()),
            "_" => Err(format!("is any host in NGINX, and {EVERY}")),
            _ => text.parse().map_err(|_| bad_host(text)),
        })
    }
}

impl Read for Authority {
    type Out = Self;
    const FORM: Form = Form::One(&Kind {
        name: "host with or without a port",
        expected: STRING,
        text: "",
        good: &["\"meet.example.com\"", "\"127.0.0.1:8080\""],
        bad: (
            "\"http://a\"",
            "\"http://a\" is not a host name, or one with \":port\"",
        ),
    });

    fn read(value: &Value<'_>) -> Option<Self> {
        const WRONG: &str = "is not a host name, or one with \":port\"";
        value.parse_with(STRING, |text| text.parse().map_err(|_| WRONG))
    }
}
