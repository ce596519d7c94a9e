//! `health` of `[upstreams.NAME]`.

use super::section;
use crate::config::problem::Spanned;
use crate::config::values::{Count, ProbeInterval, Statuses, Timeout};
use crate::route::health::{HealthSpec, ProbePath};

section! {
    /// Each server is asked from time to time whether it works, by what its protocol has:
    /// [Health](operating.md#health-of-upstreams) says what that is. One that does not work gets no
    /// requests while another server of the upstream does; if none does, all are used.
    /// `health = {}` is enough.
    "upstreams.health" => struct RawHealth {
        /// The time from the beginning of one probe to the next, give or take a tenth. A server has
        /// one probe at a time.
        every: ProbeInterval = default(HealthSpec::default().every);
        /// How long a server has for all its answers to a probe. A connection has to be there
        /// within 3 s in any case.
        timeout: Timeout = default(HealthSpec::default().timeout);
        /// How many probes in a row have to succeed until a server that was down is up. The first
        /// probe of a server is enough.
        up_after: Count = default(HealthSpec::default().up_after);
        /// How many probes in a row have to fail until a server is down.
        down_after: Count = default(HealthSpec::default().down_after);
        /// What a GET requests. Only with `protocol = "http"` and `"whip"`.
        path: Spanned<ProbePath> = optional(concat!(
            "`\"/\"`; with `protocol = \"whip\"` the probe is a connection, with TLS if the ",
            "server speaks it",
        ));
        /// The statuses of a response that say that the server works. Only with `protocol = "http"`
        /// and `"whip"`.
        status: Spanned<Statuses> = optional("any from 200 to 399");
    }
}
