//! What is known of a certificate, and of whether a host has one.

use std::path::PathBuf;
use std::time::{Duration, SystemTime};

use rustls::SignatureAlgorithm;

use super::problem::{Date, Notice, OutOfDate, Warning};
use crate::host::{HostName, HostPattern};

/// Time enough to renew by hand, and after every automatic renewal should have happened.
const ENDS_SOON: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// An ordered certificate is renewed when a third of its life is left, or half of a short one. With
/// less than a part of this size, its renewal must have failed for some time.
const LATE_PART: u32 = 4;

/// Where a certificate comes from. The earlier is preferred where several serve a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Origin {
    /// Files that `[tls]` names.
    File,
    /// A CA that was asked for it.
    Ordered,
    /// The development CA.
    Development,
    /// Made to stand in for one that has not come yet: it answers, and vouches for nothing.
    Placeholder,
}

/// What one certificate in the table is.
#[derive(Clone, Debug)]
pub struct CertInfo {
    /// The hosts it names; at least one.
    pub names: Vec<HostPattern>,
    /// When it begins.
    pub not_before: SystemTime,
    /// When it ends.
    pub not_after: SystemTime,
    /// The kind of key.
    pub algorithm: SignatureAlgorithm,
    /// Where it was read.
    pub file: PathBuf,
    /// What named it: `tls.certificates[0]`, or `tls.self_signed` for a development certificate.
    pub config_key: String,
    /// Where it comes from.
    pub origin: Origin,
}

impl CertInfo {
    /// Whether it names the host, exactly or by wildcard.
    pub fn names_host(&self, host: &HostName) -> bool {
        self.names.iter().any(|name| name.matches(host))
    }

    /// Whether it was made here, by the development CA.
    pub fn is_development(&self) -> bool {
        self.origin == Origin::Development
    }

    pub(super) fn is_from_disk(&self) -> bool {
        matches!(self.origin, Origin::File | Origin::Development)
    }

    /// Whether it only stands in for one that has not come yet.
    pub fn is_placeholder(&self) -> bool {
        self.origin == Origin::Placeholder
    }

    /// On which side of its validity the moment lies, if it lies outside.
    pub fn out_of_date(&self, now: SystemTime) -> Option<OutOfDate> {
        if now > self.not_after {
            Some(OutOfDate::Expired(Date(self.not_after)))
        } else if now < self.not_before {
            Some(OutOfDate::NotYet(Date(self.not_before)))
        } else {
            None
        }
    }

    /// What there is to say of its end while it is still valid.
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

/// Whether clients of a host are answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostCoverage {
    /// By a certificate that they may accept.
    Served,
    /// Only by certificates that they refuse; this is why they refuse the one that ends last.
    OutOfDate(OutOfDate),
    /// By none that they may accept yet: the CA is being asked for one.
    Ordered,
    /// By none.
    Unserved,
}

impl HostCoverage {
    /// `is_ordered` is whether one is being ordered, if there is none.
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
