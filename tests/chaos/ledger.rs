//! Every request by its number: what became of it at the client, and which servers it has reached.
//!
//! Clients and servers run in this process and write here. A request is lost if a healthy server
//! was there for it and the client has no complete response; it is doubled if servers have received
//! it more often than the client meant.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::latency::Latency;
use super::report::Report;

/// What kind of request it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Kind {
    H1Get,
    H1Post,
    H2Get,
    H2Post,
    /// By any of three servers, of which one is faulty.
    Pool,
    /// To the faulty server alone.
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

/// Requests by number: the first ones are only counted.
#[derive(Debug, Default)]
struct Pages {
    settled: usize,
    open: VecDeque<Entry>,
    tally: BTreeMap<Kind, BTreeMap<Verdict, usize>>,
    reasons: BTreeMap<String, usize>,
}

/// Counts of requests.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Totals {
    pub(crate) all: usize,
    pub(crate) lost: usize,
    /// Answered when sent again.
    pub(crate) repeated: usize,
}

/// All requests of a run.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    pages: Mutex<Pages>,
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

/// A server may still note something about a request for so long.
const LATEST: Duration = Duration::from_secs(120);

impl Verdict {
    /// Whether it speaks against the gateway.
    fn is_bad(self) -> bool {
        matches!(self, Self::Lost | Self::Doubled)
    }
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
            Self::Pool => "GET, one of three servers is faulty",
            Self::Ill => "GET, the only server is faulty",
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
        let mut pages = self.pages.lock().unwrap();
        pages.open.push_back(Entry {
            kind,
            begun: Instant::now(),
            seen: Vec::new(),
            end: None,
            repeats: 0,
        });
        pages.settled + pages.open.len() - 1
    }

    /// What a server does with a request.
    pub(crate) fn note(&self, number: usize, server: &'static str, deed: Deed) {
        let mut pages = self.pages.lock().unwrap();
        let Some(entry) = pages.entry(number) else {
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
        let mut pages = self.pages.lock().unwrap();
        pages.entry(number).unwrap().repeats += 1;
    }

    /// The client is done with it.
    pub(crate) fn end(&self, number: usize, end: End) {
        let mut pages = self.pages.lock().unwrap();
        let entry = pages.entry(number).unwrap();
        if matches!(end, End::Answered) && entry.kind.is_prompt() {
            self.prompt.add(entry.begun.elapsed());
        }
        entry.end = Some(end);
    }

    /// How many have been lost or doubled so far. What ended long ago is only counted from now on.
    pub(crate) fn failures(&self) -> usize {
        let mut pages = self.pages.lock().unwrap();
        pages.settle(LATEST);
        let settled: usize = pages.reasons.values().sum();
        let is_bad =
            |entry: &&Entry| matches!(entry.verdict(), Some((verdict, _)) if verdict.is_bad());
        settled + pages.open.iter().filter(is_bad).count()
    }

    /// How many there were.
    pub(crate) fn count(&self) -> usize {
        let pages = self.pages.lock().unwrap();
        pages.settled + pages.open.len()
    }

    /// What has become of all requests, when all have ended.
    pub(crate) fn totals(&self) -> Totals {
        let mut pages = self.pages.lock().unwrap();
        pages.settle(Duration::ZERO);
        let verdicts = pages.tally.values().flatten();
        let sum = |is_counted: fn(Verdict) -> bool| {
            let counted = verdicts
                .clone()
                .filter(|(verdict, _)| is_counted(**verdict));
            counted.map(|(_, count)| count).sum()
        };
        Totals {
            all: pages.settled,
            lost: sum(Verdict::is_bad),
            repeated: sum(|verdict| verdict == Verdict::Repeated),
        }
    }

    /// Writes down what has become of all requests.
    pub(crate) fn judge(&self, report: &mut Report) {
        let mut pages = self.pages.lock().unwrap();
        pages.settle(Duration::ZERO);
        for (kind, verdicts) in &pages.tally {
            let texts: Vec<_> = verdicts
                .iter()
                .map(|(verdict, count)| format!("{count} {verdict}"))
                .collect();
            report.row(kind.name(), texts.join(", "));
        }
        for (reason, count) in &pages.reasons {
            report.fail(format!("{count} × {reason}"));
        }
        let waiting = pages.open.len();
        report.check(
            waiting == 0,
            format!("{waiting} requests never came to their end"),
        );
    }
}

impl Pages {
    fn entry(&mut self, number: usize) -> Option<&mut Entry> {
        self.open.get_mut(number.checked_sub(self.settled)?)
    }

    /// Counts those that began so long ago and have ended, up to the first that has not.
    fn settle(&mut self, age: Duration) {
        while let Some(entry) = self.open.front()
            && entry.begun.elapsed() >= age
            && let Some((verdict, reason)) = entry.verdict()
        {
            let kind = entry.kind;
            *self
                .tally
                .entry(kind)
                .or_default()
                .entry(verdict)
                .or_default() += 1;
            if verdict.is_bad() {
                let text = format!("{}, {verdict}: {reason}", kind.name());
                *self.reasons.entry(text).or_default() += 1;
            }
            self.open.pop_front();
            self.settled += 1;
        }
    }
}

impl Entry {
    /// Nothing while the client waits.
    fn verdict(&self) -> Option<(Verdict, String)> {
        let received = self.seen.len();
        // Of the server that had it last: a healthy one must not lose what a faulty one has reset.
        let is_reset = matches!(self.seen.last(), Some((_, Deed::Reset)));
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
            Self::FaultOfServer => "reset by the faulty server",
            Self::ServerDown => "while the server was down",
            Self::Doubled => "doubled",
            Self::Lost => "lost",
        })
    }
}
