//! `forward_auth`, `basic` and `client_certificate` of `[policies]`.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use http::HeaderName;

use super::certificate;
use super::note_twice;
use crate::addr::ListenAddr;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned, quoted};
use crate::config::read::{List, valid};
use crate::config::suggest;
use crate::config::tables::{RawBasic, RawForwardAuth, RawPolicy};
use crate::host::HostName;
use crate::policy::{Basic, ForwardAuth, LoginRule, LoginService, OnExpiry};
use crate::route::RouteTable;
use crate::route::edits::{Direction, reserved};
use crate::route::upstream::{
    Balance, InfoPolicy, KEEP_ALIVE, Protocol, ServerAddr, UpstreamSpec, UpstreamTls, XmppDomain,
};
use crate::slot::MaxConnections;
use crate::token::claims::ClaimRule;

/// An answer that holds for longer than this is a warning.
const LONGEST_CACHE: Duration = Duration::from_secs(3600);

/// The claims of a certificate, beside its name.
const CERTIFICATE_CLAIMS: [&str; 10] = [
    "cn",
    "o",
    "ou",
    "subject",
    "serial",
    "fingerprint",
    "dns",
    "email",
    "uri",
    "ip",
];

/// A login that a policy accepts.
pub(super) struct Login {
    /// Where it is written.
    pub(super) place: Place,
    pub(super) service: LoginService,
    /// The upstream by which a service is asked.
    pub(super) upstream: Option<Arc<UpstreamSpec>>,
}

impl Login {
    /// Takes it out of a policy; `None` if there is none, or with a problem.
    pub(super) fn take(
        raw: &mut RawPolicy,
        policy: &str,
        folder: &Path,
        diag: &Diagnostics<'_>,
    ) -> Option<Self> {
        note_several(raw, diag);
        let has_both = raw.issuers.is_some() && raw.has_login();
        if let (Some(optional), true) = (&raw.optional, has_both)
            && optional.value
        {
            let text = "a client without a token would pass, and so the login would decide \
                        nothing; take it out";
            diag.problem(&optional.place, text);
        }
        if let Some(forward) = raw.forward_auth.take() {
            return Self::forward(forward, policy, diag);
        }
        if let Some(basic) = raw.basic.take() {
            return Self::basic(basic, folder);
        }
        let Spanned { value, place } = raw.client_certificate.take()?;
        Some(Self {
            place,
            service: LoginService::Certificate(certificate::rule(value, diag)),
            upstream: None,
        })
    }

    /// Whether it has an expiry.
    pub(super) fn expires(&self) -> bool {
        matches!(self.service, LoginService::Certificate(_))
    }

    /// What happens to tunnels when it has expired.
    pub(super) fn set_on_expiry(&mut self, on_expiry: OnExpiry) {
        if let LoginService::Certificate(rule) = &mut self.service {
            rule.on_expiry = on_expiry;
        }
    }

    fn basic(raw: Spanned<RawBasic>, folder: &Path) -> Option<Self> {
        let realm = raw.value.realm.unwrap_or_else(|| "ianitor".into());
        Some(Self {
            place: raw.place,
            service: LoginService::Basic(Basic {
                file: folder.join(raw.value.file?.value),
                realm,
            }),
            upstream: None,
        })
    }

    fn forward(raw: Spanned<RawForwardAuth>, policy: &str, diag: &Diagnostics<'_>) -> Option<Self> {
        let Spanned { value: raw, place } = raw;
        let copy_headers = raw.copy_headers.map(|list| copied(list, diag));
        let subject = raw.subject.map(|name| header(&name, diag));
        raw.cache.iter().for_each(|cache| note_cache(cache, diag));
        let url = raw.url?.value;
        // No upstream of the file can have this name.
        let name = format!("forward_auth:{policy}");
        let upstream = Some(Arc::new(upstream(&name, url.server)));
        let service = ForwardAuth {
            upstream: name.into(),
            url: url.text,
            target: url.target,
            host: url.host,
            copy_headers: copy_headers.unwrap_or_default().into(),
            subject: subject.flatten(),
            sign_in: raw.sign_in,
            cache: raw.cache.map(|cache| cache.value).unwrap_or_default(),
            recheck: raw.recheck,
            timeout: raw.timeout,
        };
        Some(Self {
            place,
            service: LoginService::Forward(service),
            upstream,
        })
    }

    /// The rule of a policy.
    pub(super) fn rule(
        &self,
        policy: &str,
        claims: Box<[ClaimRule]>,
        is_enough: bool,
    ) -> LoginRule {
        let kind = match &self.service {
            LoginService::Forward(_) => "forward_auth",
            LoginService::Basic(_) => "basic",
            LoginService::Certificate(_) => "client_certificate",
        };
        LoginRule {
            name: format!("{kind}.{policy}").into(),
            service: self.service.clone(),
            claims,
            is_enough,
        }
    }

    /// Reports claims that the login never has.
    pub(super) fn note_claims<'c>(
        &self,
        claims: impl Iterator<Item = (&'c str, &'c Place)>,
        diag: &Diagnostics<'_>,
    ) {
        let mut known = vec!["sub"];
        if let LoginService::Forward(service) = &self.service {
            known.push("groups");
            known.extend(service.copy_headers.iter().map(HeaderName::as_str));
        }
        if let LoginService::Certificate(_) = &self.service {
            known.extend(CERTIFICATE_CLAIMS);
        }
        for (name, place) in claims.filter(|(name, _)| !known.contains(name)) {
            let lower = name.to_ascii_lowercase();
            let text = match known.contains(&&*lower) {
                true => format!("claims of a login are written in lower case; write \"{lower}\""),
                false => suggest::unknown("claim of a login", name, &known),
            };
            diag.problem(place, text);
        }
    }
}

impl RawPolicy {
    /// Whether it accepts a login, valid or not.
    pub(super) fn has_login(&self) -> bool {
        self.forward_auth.is_some() || self.basic.is_some() || self.client_certificate.is_some()
    }
}

/// Reports a second login.
fn note_several(raw: &RawPolicy, diag: &Diagnostics<'_>) {
    let all = [
        (
            "forward_auth",
            raw.forward_auth.as_ref().map(|raw| &raw.place),
        ),
        ("basic", raw.basic.as_ref().map(|raw| &raw.place)),
        (
            "client_certificate",
            raw.client_certificate.as_ref().map(|raw| &raw.place),
        ),
    ];
    let mut written = all
        .into_iter()
        .filter_map(|(name, place)| Some((name, place?)));
    let Some((first, _)) = written.next() else {
        return;
    };
    for (_, place) in written {
        let text = format!("the policy has {first} too; take one out, or write two policies");
        diag.problem(place, text);
    }
}

fn copied(list: Spanned<List<String>>, diag: &Diagnostics<'_>) -> Vec<HeaderName> {
    let list = valid(list.value);
    let names = list.iter().filter_map(|name| {
        let value = header(name, diag)?;
        let place = name.place.clone();
        if let Some(why) = reserved(&value, Direction::Request) {
            let text = format!("{} {why}; take it out", quoted(&name.value));
            diag.problem(&place, text);
        }
        Some(Spanned { value, place })
    });
    let names: Vec<Spanned<HeaderName>> = names.collect();
    note_twice(&names, diag);
    names.into_iter().map(|name| name.value).collect()
}

fn header(name: &Spanned<String>, diag: &Diagnostics<'_>) -> Option<HeaderName> {
    let header = HeaderName::try_from(&*name.value).ok();
    if header.is_none() {
        let text = format!("{} is not the name of a header", quoted(&name.value));
        diag.problem(&name.place, text);
    }
    header
}

fn note_cache(cache: &Spanned<Duration>, diag: &Diagnostics<'_>) {
    if cache.value > LONGEST_CACHE {
        let text = "is more than an hour, for which a login that has ended goes on; write \"1h\" \
                    or less";
        diag.warning(&cache.place, text);
    }
}

fn upstream(name: &str, server: ServerAddr) -> UpstreamSpec {
    UpstreamSpec {
        name: name.into(),
        servers: [server].into(),
        backups: 0,
        bridges: Box::default(),
        balance: Balance::RoundRobin,
        protocol: Protocol::Http,
        tls: UpstreamTls::default(),
        keep_alive: KEEP_ALIVE,
        max_connections: MaxConnections::Unlimited,
        health: None,
        queue: Duration::ZERO,
        forward_cookies: true,
        secret_file: None,
        token_auth_secret_file: None,
        identify: false,
        info: InfoPolicy::Full,
        domain: XmppDomain::default(),
    }
}

/// Reports services whose URL is one of this gateway's, at a route that asks the same service.
pub(super) fn note_loops<'p>(
    policies: impl Iterator<Item = (&'p str, &'p Login)>,
    routes: &RouteTable,
    listen: &[ListenAddr],
    diag: &Diagnostics<'_>,
) {
    for (name, login) in policies {
        let Some((host, path)) = own(login, listen) else {
            continue;
        };
        let Ok(path) = routes.normalize(path) else {
            continue;
        };
        let Ok(route) = routes.find(&host.0, path.as_str()) else {
            continue;
        };
        let route = routes.route(route);
        if route.policy.name() == name && (host.1 || route.host.is_some()) {
            let text = format!(
                "the url leads to route {} of this gateway, which asks the same service; write the \
                 address of the service itself, or another policy for that route",
                route.path
            );
            diag.problem(&login.place, text);
        }
    }
}

/// The host and path of a service that may be this gateway, and whether it is by its address.
fn own<'l>(login: &'l Login, listen: &[ListenAddr]) -> Option<((HostName, bool), &'l str)> {
    let LoginService::Forward(service) = &login.service else {
        return None;
    };
    let ServerAddr::Tcp {
        tls: true,
        host,
        port,
    } = login.upstream.as_ref()?.servers.first()?
    else {
        return None;
    };
    let path = service.target.split('?').next().unwrap_or_default();
    let is_ours = listen.iter().any(|addr| addr.0.port() == *port);
    let is_local = host.as_str() == "localhost" || host.ip().is_some_and(|ip| ip.is_loopback());
    let is_own = is_ours && is_local;
    (is_own || is_ours || *port == 443).then(|| ((host.clone(), is_own), path))
}
