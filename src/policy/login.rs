//! Logins: who a client is, as another service says (`forward_auth`), a file of passwords (`basic`)
//! or the client's certificate. Nothing here asks them: `serve::login` does, and the policy decides
//! on the answer.

use std::cell::Cell;
use std::fmt;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::certificate::{CertificateLogin, CertificateRule};
use crate::token::claims::ClaimRule;
use crate::token::issuer::Verified;

/// Which logins a policy accepts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginRule {
    /// What logs and owners of sessions call it, as they call tokens by their issuer.
    pub name: Arc<str>,
    /// What decides whether a client is logged in.
    pub service: LoginService,
    /// Claims that a login must have, all of them.
    pub claims: Box<[ClaimRule]>,
    /// Whether a login alone admits a client. Otherwise its address has to be allowed as well.
    pub is_enough: bool,
}

/// What decides whether a client is logged in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LoginService {
    /// A service that is asked about each request.
    Forward(ForwardAuth),
    /// Passwords in a file.
    Basic(Basic),
    /// The certificate that the client shows in the handshake.
    Certificate(CertificateRule),
}

/// A service that is asked about each request, in the way of NGINX' `auth_request`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForwardAuth {
    /// The upstream by which it is reached.
    pub upstream: Box<str>,
    /// Its URL.
    pub url: Box<str>,
    /// The path and query of the URL.
    pub target: Box<str>,
    /// The `Host` that it gets.
    pub host: HeaderValue,
    /// Headers of its answer that the server gets.
    pub copy_headers: Box<[HeaderName]>,
    /// The header of its answer that names the user; `None`: the first of [`USERS`].
    pub subject: Option<HeaderName>,
    /// Where browsers sign in: a URL, or a path of the requested host.
    pub sign_in: Option<Box<str>>,
    /// How long an answer that admits a request holds for others like it; zero if it does not.
    pub cache: Duration,
    /// How often the service is asked again about what is open; `None` if it is not.
    pub recheck: Option<Duration>,
    /// How long it may take to answer.
    pub timeout: Duration,
}

/// Passwords in a file (RFC 7617).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Basic {
    /// The file.
    pub file: PathBuf,
    /// What browsers say the password is for.
    pub realm: Box<str>,
}

impl LoginService {
    /// Whether it says of a client what another says. How often it is asked, and where browsers
    /// sign in, makes no difference to a client that is logged in.
    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Forward(one), Self::Forward(other)) => {
                one.upstream == other.upstream
                    && one.url == other.url
                    && one.copy_headers == other.copy_headers
                    && one.subject == other.subject
            }
            (Self::Basic(one), Self::Basic(other)) => one.file == other.file,
            // Which certificates are admitted is asked each time.
            (Self::Certificate(_), Self::Certificate(_)) => true,
            _ => false,
        }
    }
}

/// The headers that name the user, the first of them that is there: those of Authelia,
/// oauth2-proxy and authentik.
pub static USERS: [HeaderName; 6] = [
    HeaderName::from_static("remote-user"),
    HeaderName::from_static("x-auth-request-preferred-username"),
    HeaderName::from_static("x-auth-request-user"),
    HeaderName::from_static("x-authentik-username"),
    HeaderName::from_static("x-auth-request-email"),
    HeaderName::from_static("remote-email"),
];

impl LoginRule {
    /// The service that is asked about each request, if there is one.
    pub fn forward(&self) -> Option<&ForwardAuth> {
        match &self.service {
            LoginService::Forward(forward) => Some(forward),
            LoginService::Basic(_) | LoginService::Certificate(_) => None,
        }
    }

    /// The passwords, if they decide.
    pub fn basic(&self) -> Option<&Basic> {
        match &self.service {
            LoginService::Basic(basic) => Some(basic),
            LoginService::Forward(_) | LoginService::Certificate(_) => None,
        }
    }

    /// Which certificates it admits, if they decide.
    pub fn certificate(&self) -> Option<&CertificateRule> {
        match &self.service {
            LoginService::Certificate(rule) => Some(rule),
            LoginService::Forward(_) | LoginService::Basic(_) => None,
        }
    }

    /// Headers that only the service may set: the client's are removed.
    pub fn copied(&self) -> &[HeaderName] {
        self.forward().map_or(&[], |forward| &forward.copy_headers)
    }
}

impl fmt::Display for LoginRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.service {
            LoginService::Forward(forward) => write!(f, "a login at {}", forward.url),
            LoginService::Basic(basic) => {
                write!(f, "a password of {}", shown(&basic.file))
            }
            LoginService::Certificate(rule) => rule.fmt(f),
        }?;
        self.claims.iter().enumerate().try_for_each(|(at, rule)| {
            write!(f, "{}{rule}", if at == 0 { " where " } else { " and " })
        })
    }
}

fn shown(file: &Path) -> std::borrow::Cow<'_, str> {
    file.file_name()
        .unwrap_or(file.as_os_str())
        .to_string_lossy()
}

/// A client that is logged in.
#[derive(Debug)]
pub struct LoggedIn {
    /// By what.
    pub rule: Arc<LoginRule>,
    /// Who it is, with what was said of the client as claims.
    pub verified: Rc<Verified>,
    /// What the server gets of it.
    pub headers: Box<[(HeaderName, HeaderValue)]>,
    /// The hash of its password in the file.
    pub hash: Option<Arc<str>>,
    /// Its certificate.
    pub certificate: Option<CertificateLogin>,
    is_withdrawn: Cell<bool>,
}

impl LoggedIn {
    /// A login that holds.
    pub fn new(rule: &Arc<LoginRule>, verified: Verified) -> Self {
        Self {
            rule: Arc::clone(rule),
            verified: Rc::new(verified),
            headers: Box::default(),
            hash: None,
            certificate: None,
            is_withdrawn: Cell::new(false),
        }
    }

    /// It holds no longer: what it has admitted is closed when it is judged again.
    pub fn withdraw(&self) {
        self.is_withdrawn.set(true);
    }

    /// Whether it holds no longer.
    pub fn is_withdrawn(&self) -> bool {
        self.is_withdrawn.get()
    }
}
