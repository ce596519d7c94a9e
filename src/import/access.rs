//! Who may pass: `allow`, `deny`, `satisfy`, and whatever else limits access.

use crate::addr::Network;
use crate::nginx::{Directive, Place};

/// Who may pass a route.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Access {
    /// Everybody.
    Open,
    /// Addresses in `allow` that are not in `deny`.
    Addresses {
        allow: Vec<Network>,
        deny: Vec<Network>,
    },
    /// No client, until a person writes a policy.
    Closed(Why),
}

/// Why a route is closed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Why {
    /// NGINX let no client pass either.
    AsBefore,
    /// Every request was answered with an error.
    Returned,
    /// There was a limit that is not moved.
    ToBeWritten {
        /// Where the limit stands.
        place: Place,
        /// What it is.
        limit: String,
    },
}

impl Access {
    pub(super) fn is_closed(&self) -> bool {
        matches!(self, Self::Closed(_))
    }

    /// A route that is closed because of a directive.
    pub(super) fn closed_by(directive: &Directive) -> Self {
        Self::Closed(Why::ToBeWritten {
            place: directive.place.clone(),
            limit: directive.shown(),
        })
    }

    /// This machine alone.
    pub(super) fn loopback() -> Self {
        let allow = ["127.0.0.1", "::1"].map(str::parse);
        let allow = allow.into_iter().flatten().collect();
        let deny = Vec::new();
        Self::Addresses { allow, deny }
    }

    /// The stricter one of two, where one of them is known to be.
    pub(super) fn stricter(self, other: Self) -> Self {
        match (self, other) {
            (Self::Closed(Why::AsBefore | Why::Returned), closed @ Self::Closed(_)) => closed,
            (closed @ Self::Closed(_), _) | (_, closed @ Self::Closed(_)) => closed,
            (Self::Open, other) => other,
            (this, Self::Open) => this,
            (this, other) if this == other => this,
            // Two different lists: what is in both is not computed.
            (_, _) => Self::Closed(Why::AsBefore),
        }
    }
}

/// `allow` or `deny`, as it was written.
#[derive(Clone, Debug)]
pub(super) struct Rule {
    pub(super) allows: bool,
    pub(super) who: Who,
}

/// Whom a rule is about.
#[derive(Clone, Debug)]
pub(super) enum Who {
    All,
    Network(Network),
    /// `unix:`, which no client of the gateway is.
    Unix,
    /// Nothing that is known.
    Unknown,
}

impl Rule {
    pub(super) fn of(directive: &Directive) -> Self {
        let who = match (directive.arg(0), directive.args.len()) {
            ("all", 1) => Who::All,
            ("unix:", 1) => Who::Unix,
            (text, 1) => network(text).map_or(Who::Unknown, Who::Network),
            _ => Who::Unknown,
        };
        let allows = directive.name == "allow";
        Self { allows, who }
    }
}

/// A network, whose bits below the prefix NGINX ignores.
pub(super) fn network(text: &str) -> Option<Network> {
    if let Ok(network) = text.parse() {
        return Some(network);
    }
    let net: ipnet::IpNet = text.parse().ok()?;
    net.trunc().to_string().parse().ok()
}

/// What a list of rules means. The first rule that fits decides, and without one everybody passes;
/// here, `deny` is asked first, so a list that is moved admits at most those that it admitted.
pub(super) fn of_rules(rules: &[Rule]) -> Access {
    let (mut allow, mut deny): (Vec<Network>, Vec<Network>) = (Vec::new(), Vec::new());
    let mut rest_passes = true;
    for rule in rules {
        match (&rule.who, rule.allows) {
            (Who::All, allows) => {
                rest_passes = allows;
                break;
            }
            (Who::Network(net), true) => allow.push(*net),
            (Who::Network(net), false) => deny.push(*net),
            (Who::Unix, _) | (Who::Unknown, true) => {}
            (Who::Unknown, false) => return Access::Closed(Why::AsBefore),
        }
    }
    if rest_passes && deny.is_empty() {
        return Access::Open;
    }
    if rest_passes {
        allow = ["0.0.0.0/0", "::/0"]
            .into_iter()
            .filter_map(network)
            .collect();
    }
    let inside = |net: &Network, outer: &Network| covers(outer, net);
    allow.retain(|net| !deny.iter().any(|denied| inside(net, denied)));
    allow.dedup();
    deny.dedup();
    match allow.is_empty() {
        true => Access::Closed(Why::AsBefore),
        false => Access::Addresses { allow, deny },
    }
}

fn covers(outer: &Network, inner: &Network) -> bool {
    let parse = |net: &Network| {
        let text = net.to_string();
        let net = text.parse::<ipnet::IpNet>().ok();
        net.or_else(|| {
            text.parse::<std::net::IpAddr>()
                .ok()
                .map(ipnet::IpNet::from)
        })
    };
    match (parse(outer), parse(inner)) {
        (Some(outer), Some(inner)) => outer.contains(&inner),
        _ => true,
    }
}
