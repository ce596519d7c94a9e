//! The certificate that a client has shown on its connection, and what it was found to be.

use std::cell::RefCell;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::identity;
use crate::auth::TokenCache;
use crate::clock::UnixTime;
use crate::policy::{CertificateLogin, LoggedIn, LoginRule};
use crate::tls::{BadCertificate, ClientAuthority, ClientCertificate};

/// For how long one that does not count is not verified again, in a flood of requests.
const BAD: Duration = Duration::from_secs(1);

/// The answer to a handshake that has asked for a certificate.
#[derive(Debug)]
pub(in crate::serve) struct ClientCert {
    /// `None` if the client has none.
    certificate: Option<Rc<ClientCertificate>>,
    last: RefCell<Option<Judged>>,
}

/// What was found, and by what.
#[derive(Debug)]
struct Judged {
    rule: Arc<LoginRule>,
    authority: Arc<ClientAuthority>,
    found: Result<Rc<LoggedIn>, BadCertificate>,
    until: UnixTime,
}

impl ClientCert {
    pub(in crate::serve) fn new(chain: Option<&[CertificateDer<'_>]>) -> Self {
        Self {
            certificate: ClientCertificate::shown(chain).map(Rc::new),
            last: RefCell::default(),
        }
    }

    /// Who the client is by its certificate; `None` if it has shown none. The certificate is
    /// verified once for each connection and configuration, and again when it or a list expires.
    pub(super) fn login(
        &self,
        rule: &Arc<LoginRule>,
        authority: &Arc<ClientAuthority>,
        tokens: &TokenCache,
    ) -> Option<Result<Rc<LoggedIn>, BadCertificate>> {
        let certificate = self.certificate.as_ref()?;
        let (mut last, now) = (self.last.borrow_mut(), UnixTime::now());
        if let Some(last) = &*last
            && Arc::ptr_eq(&last.rule, rule)
            && Arc::ptr_eq(&last.authority, authority)
            && now < last.until
        {
            return Some(last.found.clone());
        }
        let verified = verify(certificate, rule, authority, tokens, now);
        let (found, until) = match verified {
            Ok((login, until)) => (Ok(Rc::new(login)), until),
            Err(why) => (Err(why), now.after(BAD)),
        };
        *last = Some(Judged {
            rule: Arc::clone(rule),
            authority: Arc::clone(authority),
            found: found.clone(),
            until,
        });
        Some(found)
    }

    /// Whose certificate it is and until when, for the log.
    pub(super) fn described(&self) -> Option<String> {
        let facts = self.certificate.as_ref()?.facts().ok()?;
        Some(facts.subject.to_string())
    }
}

fn verify(
    certificate: &Rc<ClientCertificate>,
    rule: &Arc<LoginRule>,
    authority: &Arc<ClientAuthority>,
    tokens: &TokenCache,
    now: UnixTime,
) -> Result<(LoggedIn, UnixTime), BadCertificate> {
    let validity = authority.verify(certificate, now)?;
    let facts = certificate.facts()?;
    let tag = tokens.tag(&format!("certificate {}", facts.fingerprint));
    let shown = CertificateLogin::new(certificate, facts, validity.expires, authority);
    let login = identity::of_certificate(rule, shown, tag).ok_or(BadCertificate::Unreadable)?;
    Ok((login, validity.until))
}
