//! `forward_auth`, `basic` and `client_certificate` of `[policies.NAME]`.

use std::path::PathBuf;
use std::time::Duration;

use super::section;
use crate::config::problem::Spanned;
use crate::config::read::{List, Named};
use crate::config::values::{AuthUrl, HeaderField, Realm, Recheck, SignInUrl, Timeout};
use crate::policy::CertificateField;
use crate::tls::{SanPattern, SubjectPattern};

section! {
    /// A service that is asked about each request, in the way of NGINX' `auth_request` and
    /// Traefik's `forwardAuth`: see [Logins](logins.md#another-service-decides). 2xx
    /// admits, 403 forbids; 401 and redirects mean that the client has to sign in. Anything else,
    /// and no answer, rejects the request with 502 or 503.
    "policies.forward_auth" => struct RawForwardAuth {
        /// What is asked, with GET and the client's credentials, and without the request's body.
        /// Redirects are not followed.
        url: Spanned<AuthUrl> = required(
            "missing; write the URL of the service, url = \"http://127.0.0.1:4180/oauth2/auth\""
        );
        /// Headers of its answer that the server gets. What the client sent under these names is
        /// removed, also where the answer has none. They are claims of the login too.
        copy_headers: Spanned<List<HeaderField>> = optional("none");
        /// The header of its answer that names the user.
        subject: Spanned<HeaderField> = optional(concat!(
            "the first that is there of `Remote-User`, `X-Auth-Request-Preferred-Username`, ",
            "`X-Auth-Request-User`, `X-authentik-username`, `X-Auth-Request-Email` and ",
            "`Remote-Email`",
        ));
        /// Where a browser is sent that opens a page without a login. Scripts and WebSockets get
        /// 401. A redirect of the service counts if it leads to the same origin.
        sign_in: SignInUrl = optional("it gets 401 as well");
        /// How long an answer that admits holds for requests of the same client with the same
        /// method, URL, cookies and `Authorization`. An answer that sets cookies holds for one
        /// request.
        cache: Spanned<Duration> = optional("`\"0s\"`: each request is asked about");
        /// How often the service is asked again while a WebSocket or a long answer is open. If it
        /// no longer admits the client, or gives no answer three times in a row, the WebSocket is
        /// closed with 1008 and the answer is cut off.
        recheck: Recheck = optional("it is not asked again");
        /// How long it may take to answer.
        timeout: Timeout = default(TIMEOUT);
    }
}

section! {
    /// Names and passwords in a file, which browsers ask for (RFC 7617): see
    /// [Logins](logins.md#passwords). The password does not reach the server, unless the
    /// route says [`forward_token`](#routesforward_token).
    "policies.basic" => struct RawBasic {
        /// A file of `htpasswd`: lines of `NAME:HASH` with bcrypt, SHA-crypt (`$5$`, `$6$`) or
        /// Argon2. Others, such as MD5 and plain text, are rejected. The file is reloaded within
        /// seconds of a change, and open WebSockets of users that are removed or have another
        /// password are closed.
        file: Spanned<PathBuf> = required(
            "missing; write the file with the passwords, file = \"htpasswd\""
        );
        /// What browsers say that the password is for.
        realm: Realm = optional("`\"ianitor\"`");
    }
}

section! {
    /// The certificate that a client shows in the TLS handshake, signed by a CA in
    /// [`tls.client_ca`](#tlsclient_ca): see [Client
    /// certificates](client-certificates.md#of-clients). Clients are asked for one where a route of
    /// the name may need it. Without keys, any certificate of these CAs is admitted; with both
    /// lists, one entry of each has to match.
    "policies.client_certificate" => struct RawClientCertificate {
        /// The subjects that are admitted: common names, or whole subjects.
        subject: Spanned<List<SubjectPattern>> = optional("any");
        /// The subject alternative names that are admitted; one of the certificate's is enough.
        san: Spanned<List<SanPattern>> = optional("any");
        /// Headers that the server gets, and what is in each. What the client sent under these
        /// names is removed.
        headers: Named<CertificateField> = or_empty("none");
    }
}

const TIMEOUT: Duration = Duration::from_secs(5);
