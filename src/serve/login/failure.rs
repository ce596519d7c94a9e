//! Why it is not known whether a client is logged in. Such a request is rejected.

use http::StatusCode;

use crate::proxy::client::SendError;

/// Why it is not known whether a client is logged in.
#[derive(Debug, thiserror::Error)]
pub(in crate::serve) enum LoginFailure {
    /// The service of `forward_auth` gave no answer.
    #[error("forward_auth: no answer")]
    Unanswered(#[source] SendError),
    /// Its answer neither admits nor rejects.
    #[error("forward_auth: the answer is {0}, which neither admits nor rejects")]
    Status(StatusCode),
    /// It redirects, and it is not known where to.
    #[error("forward_auth: the answer is a redirect, and the policy has no sign_in")]
    Redirect,
    /// The request is one of `forward_auth` itself.
    #[error("forward_auth: its own request needs a login")]
    Loop,
    /// As many passwords are being checked as there may be.
    #[error("too many passwords are being checked")]
    Busy,
    /// The configuration has changed meanwhile.
    #[error("the configuration of the login has changed meanwhile")]
    Changed,
}

impl LoginFailure {
    /// The status, and the word for the reason in the access log.
    pub(in crate::serve) fn verdict(&self) -> (StatusCode, &'static str) {
        match self {
            Self::Unanswered(SendError::Broken(_) | SendError::HeadUnanswered { .. }) => {
                (StatusCode::BAD_GATEWAY, "login_broken")
            }
            Self::Unanswered(_) => (StatusCode::SERVICE_UNAVAILABLE, "login_unanswered"),
            Self::Status(_) => (StatusCode::BAD_GATEWAY, "login_answer"),
            Self::Redirect => (StatusCode::BAD_GATEWAY, "login_redirect"),
            Self::Loop => (StatusCode::LOOP_DETECTED, "login_loop"),
            Self::Busy => (StatusCode::SERVICE_UNAVAILABLE, "login_busy"),
            Self::Changed => (StatusCode::SERVICE_UNAVAILABLE, "login_changed"),
        }
    }

    /// What an operator can do about it.
    pub(in crate::serve) fn advice(&self) -> Option<&'static str> {
        match self {
            Self::Unanswered(SendError::Broken(fault)) if fault.is_head_too_large() => Some(
                "the head of its answer is larger than 32 KiB, or has more than 256 header fields",
            ),
            Self::Unanswered(SendError::Late(_)) => {
                Some("see the log and the load of the service, and timeout of forward_auth")
            }
            Self::Unanswered(_) => {
                Some("does the service run, and does it speak HTTP at the url of forward_auth?")
            }
            Self::Status(StatusCode::LOOP_DETECTED) => Some(
                "the url of forward_auth leads to a route whose policy has forward_auth too; write \
                 the address of the service itself, or another policy for that route",
            ),
            Self::Status(_) => Some(
                "2xx admits, 401 and redirects ask for a login, 403 forbids: see the log of the \
                 service, and the path in the url of forward_auth",
            ),
            Self::Redirect => Some(
                "write sign_in in forward_auth, or the path in url at which the service answers \
                 401",
            ),
            // The answer to the outer request has the advice.
            Self::Loop | Self::Changed => None,
            Self::Busy => Some("clients try many passwords: see limits.bad_tokens_per_client"),
        }
    }
}
