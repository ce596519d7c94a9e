//! Facts about a certificate, and whether a host is covered by one.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls::SignatureAlgorithm;

use super::date::Date;
use super::problem::{Notice, OutOfDate, Warning};
use crate::clock;
use crate::host::{HostName, HostPattern};

/// Enough time to renew by hand, and later than any automatic renewal.
const ENDS_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An ordered certificate is renewed when a third of its lifetime is left, or half of a short one.
/// If less than one part in this many is left, its renewal has been failing for some time.
const LATE_PART: u32 = 4;

/// Where a certificate comes from, in order of preference where several have a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Files that `[tls]` names.
    File,
    /// Ordered from a CA.
    Ordered,
    /// The development CA.
    Development,
    /// Self-signed, and served until an ordered certificate is issued. Clients do not trust it.
    Placeholder,
}

/// Facts about one certificate of the table.
#[derive(Clone, Debug)]
pub struct CertInfo {
    /// The hosts it names; at least one.
    pub names: Vec<HostPattern>,
    /// When its validity begins.
    pub not_before: SystemTime,
    /// When its validity ends.
    pub not_after: SystemTime,
    /// The kind of key.
    pub algorithm: SignatureAlgorithm,
    /// The file that it was read from.
    pub file: PathBuf,
    /// The configuration key: `tls.certificates[0]`, or `tls.self_signed` for a development
    /// certificate.
    pub config_key: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl CertInfo {
    /// Whether it names the host, exactly or by wildcard.
    pub fn names_host(&self, host: &HostName) -> bool {
        self.names.iter().any(|name| name.matches(host))
    }

    /// Whether the development CA issued it.
    pub fn is_development(&self) -> bool {
        self.origin == Origin::Development
    }

    pub(super) fn is_from_disk(&self) -> bool {
        matches!(self.origin, Origin::File | Origin::Development)
    }

    /// Whether it is served only until an ordered certificate is issued.
    pub fn is_placeholder(&self) -> bool {
        self.origin == Origin::Placeholder
    }

    /// Why it is not valid at this time of the system clock; `None` if it is. After the clock was
    /// set, either of its readings will do.
    pub fn out_of_date(&self, now: SystemTime) -> Option<OutOfDate> {
        let reason = self.out_of_date_at(now)?;
        match clock::other_reading(now) {
            Some(other) if self.out_of_date_at(other).is_none() => None,
            _ => Some(reason),
        }
    }

    fn out_of_date_at(&self, now: SystemTime) -> Option<OutOfDate> {
        if now > self.not_after {
            Some(OutOfDate::Expired(Date(self.not_after)))
        } else if now < self.not_before {
            Some(OutOfDate::NotYet(Date(self.not_before)))
        } else {
            None
        }
    }

    /// The notice about its approaching expiry, while it is still valid.
    pub(super) fn end_notice(&self, now: SystemTime) -> Option<Notice> {
        let life = self
            .not_after
            .duration_since(self.not_before)
            .unwrap_or_default();
        let ends_within = |time: Duration| self.not_after < now + time;
        match self.origin {
            Origin::Placeholder => None,
            Origin::Ordered if ends_within(ENDS_SOON.min(life / LATE_PART)) => {
                Some(Notice::RenewalLate(Date(self.not_after)))
            }
            Origin::File | Origin::Development if ends_within(ENDS_SOON) => {
                Some(Notice::EndsSoon(Date(self.not_after)))
            }
            _ => None,
        }
    }

    pub(super) fn warning(&self, notice: Notice) -> Warning {
        let key = match self.origin {
            Origin::File => format!("{}.cert", self.config_key),
            Origin::Ordered | Origin::Development | Origin::Placeholder => self.config_key.clone(),
        };
        Warning::new(key, &self.file, notice)
    }
}

/// Which kind of certificate the clients of a host get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCoverage {
    /// One that is valid.
    Served,
    /// Only certificates that are not valid now; the reason is that of the one that expires last.
    OutOfDate(OutOfDate),
    /// None that clients trust yet: one is being ordered.
    Ordered,
    /// None, and none is being ordered.
    Unserved,
}

impl HostCoverage {
    /// `is_ordered` says whether a certificate is being ordered, in case there is none.
    pub(super) fn of<'a>(
        infos: impl Iterator<Item = &'a CertInfo>,
        is_ordered: bool,
        now: SystemTime,
    ) -> Self {
        let mut infos = infos.filter(|info| !info.is_placeholder());
        let mut latest: Option<&CertInfo> = None;
        let valid = infos.any(|info| {
            if latest.is_none_or(|other| other.not_after < info.not_after) {
                latest = Some(info);
            }
            info.out_of_date(now).is_none()
        });
        match latest.and_then(|info| info.out_of_date(now)) {
            _ if valid => Self::Served,
            Some(state) => Self::OutOfDate(state),
            None if is_ordered => Self::Ordered,
            None => Self::Unserved,
        }
    }
}
