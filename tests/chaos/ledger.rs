//! Every request by its number: what became of it at the client, and which servers it has reached.
//!
//! Clients and servers run in this process and write here. A request is lost if a healthy server
//! was there for it and the client has no complete response; it is doubled if servers have received
//! it more often than the client meant.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Instant;

use super::latency::Latency;
use super::report::Report;

/// What kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    H1Get,
    H1Post,
    H2Get,
    H2Post,
    /// By whichever of three servers, of which one is ill.
    Pool,
    /// To the ill server alone.
    Ill,
    /// Answered after ten seconds.
    Slow,
    /// Answered in parts, over three seconds.
    Streamed,
    /// A message to Janus by POST.
    Rest,
    /// A long poll of Janus.
    Poll,
    /// To a real Janus, which is killed in between.
    RealJanus,
}

/// What a server has done with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    Received,
    Answered,
    /// It has reset the connection on purpose.
    Reset,
}

/// How it has ended for the client.
#[derive(Clone, Debug)]
pub(crate) enum End {
    Answered,
    /// A complete response that says no.
    Refused(u16),
    /// No complete response.
    Failed(String),
    /// It could not be answered: its only server was down.
    ServerDown,
}

#[derive(Debug)]
struct Entry {
    kind: Kind,
    begun: Instant,
    seen: Vec<(&'static str, Deed)>,
    end: Option<End>,
    repeats: u32,
}

/// All requests of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    entries: Mutex<Vec<Entry>>,
    /// How long the answers took that were at once, and those of other kinds.
    pub(crate) prompt: Latency,
}

/// What is said of a request in the end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Verdict {
    Answered,
    Repeated,
    FaultOfServer,
    ServerDown,
    Doubled,
    Lost,
}

impl Kind {
    /// Whether servers answer at once.
    fn is_prompt(self) -> bool {
        use Kind::{H1Get, H1Post, H2Get, H2Post, Rest};
        matches!(self, H1Get | H1Post | H2Get | H2Post | Rest)
    }

    /// Whether a gateway may send it to a second server.
    fn is_idempotent(self) -> bool {
        !matches!(self, Self::H1Post | Self::H2Post | Self::Rest)
    }

    fn name(self) -> &'static str {
        match self {
            Self::H1Get => "HTTP/1.1 GET",
            Self::H1Post => "HTTP/1.1 POST",
            Self::H2Get => "HTTP/2 GET",
            Self::H2Post => "HTTP/2 POST",
            Self::Pool => "GET, one of three servers is ill",
            Self::Ill => "GET, the only server is ill",
            Self::Slow => "GET, answered after 10 s",
            Self::Streamed => "GET, answered over 3 s",
            Self::Rest => "Janus message by POST",
            Self::Poll => "Janus long poll",
            Self::RealJanus => "Debian's Janus, by POST",
        }
    }
}

impl Ledger {
    /// A new request, by its number.
    pub(crate) fn begin(&self, kind: Kind) -> usize {
        let mut entries = self.entries.lock().unwrap();
        entries.push(Entry {
            kind,
            begun: Instant::now(),
            seen: Vec::new(),
            end: None,
            repeats: 0,
        });
        entries.len() - 1
    }

    /// What a server does with a request.
    pub(crate) fn note(&self, number: usize, server: &'static str, deed: Deed) {
        let mut entries = self.entries.lock().unwrap();
        let Some(entry) = entries.get_mut(number) else {
            return;
        };
        match entry.seen.last_mut() {
            Some(last) if deed != Deed::Received && last.0 == server => last.1 = deed,
            _ => entry.seen.push((server, deed)),
        }
    }

    /// The client sends it once more: its connection was closed as idle while it was on its way, or
    /// the server has said that it will not be answered there.
    pub(crate) fn repeat(&self, number: usize) {
        self.entries.lock().unwrap()[number].repeats += 1;
    }

    /// The client is done with it.
    pub(crate) fn end(&self, number: usize, end: End) {
        let mut entries = self.entries.lock().unwrap();
        let entry = &mut entries[number];
        if matches!(end, End::Answered) && entry.kind.is_prompt() {
            self.prompt.add(entry.begun.elapsed());
        }
        entry.end = Some(end);
    }

    /// How many requests are not answered yet, or failed.
    pub(crate) fn failures(&self) -> usize {
        let entries = self.entries.lock().unwrap();
        let is_failed =
            |entry: &&Entry| matches!(entry.verdict(), Some((Verdict::Lost | Verdict::Doubled, _)));
        entries.iter().filter(is_failed).count()
    }

    /// Writes down what has become of all requests.
    pub(crate) fn judge(&self, report: &mut Report) {
        let entries = self.entries.lock().unwrap();
        let mut kinds: BTreeMap<Kind, BTreeMap<Verdict, usize>> = BTreeMap::new();
        let mut reasons: BTreeMap<String, usize> = BTreeMap::new();
        for entry in entries.iter() {
            let unknown = || (Verdict::Lost, "the client never got to its end".to_owned());
            let (verdict, reason) = entry.verdict().unwrap_or_else(unknown);
            *kinds
                .entry(entry.kind)
                .or_default()
                .entry(verdict)
                .or_default() += 1;
            if matches!(verdict, Verdict::Lost | Verdict::Doubled) {
                let text = format!("{}, {verdict}: {reason}", entry.kind.name());
                *reasons.entry(text).or_default() += 1;
            }
        }
        for (kind, verdicts) in kinds {
            let texts: Vec<_> = verdicts
                .iter()
                .map(|(verdict, count)| format!("{count} {verdict}"))
                .collect();
            report.row(kind.name(), texts.join(", "));
        }
        for (reason, count) in reasons {
            report.fail(format!("{count} × {reason}"));
        }
    }
}

impl Entry {
    /// Nothing while the client waits.
    fn verdict(&self) -> Option<(Verdict, String)> {
        let received = self.seen.len();
        let is_reset = self.seen.iter().any(|(_, deed)| *deed == Deed::Reset);
        let is_doubled = !self.kind.is_idempotent() && received > 1;
        let seen = || format!("{:?}", self.seen);
        Some(match self.end.as_ref()? {
            _ if is_doubled => (Verdict::Doubled, seen()),
            End::Answered if self.repeats > 0 => (Verdict::Repeated, String::new()),
            End::Answered => (Verdict::Answered, String::new()),
            End::ServerDown => (Verdict::ServerDown, String::new()),
            // Its connection broke, or its only server was left out because of that.
            End::Refused(_) | End::Failed(_) if is_reset => (Verdict::FaultOfServer, seen()),
            End::Refused(502 | 503) if self.kind == Kind::Ill => (Verdict::ServerDown, seen()),
            End::Refused(status) => (Verdict::Lost, format!("status {status}, {}", seen())),
            End::Failed(why) => (Verdict::Lost, format!("{why}, {}", seen())),
        })
    }
}

impl std::fmt::Display for Verdict {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Answered => "answered",
            Self::Repeated => "answered when sent again",
            Self::FaultOfServer => "reset by the ill server",
            Self::ServerDown => "while the server was down",
            Self::Doubled => "doubled",
            Self::Lost => "lost",
        })
    }
}
