//! Both sides of an upgrade that has succeeded: what the process that drains still says, and what
//! becomes of it in the process that has replaced it.

use std::time::{Duration, Instant};

use super::drain::{CLOSE_GRACE, Drain};
use super::handed::Update;
use super::older::{offer, take_sessions};
use super::running::Running;
use crate::clock;
use crate::status::board::Older;
use crate::worker::Command;

/// How often a drain that lasts for hours logs what is left.
const LOG_INTERVAL: Duration = Duration::from_secs(600);

/// The drain of a gateway that another process has replaced.
#[derive(Debug)]
pub struct ReplacedDrain {
    /// When sessions are refused, in the words of their protocol.
    refusing: Step,
    /// When requests are over, so that no server is chosen any more.
    requests: Step,
    /// When orders are not waited for any longer.
    orders: Step,
    /// When what is left is closed.
    closing: Step,
    /// When clients have had their time to answer close frames.
    end: Step,
    log: Step,
}

/// A moment, until it has passed. `None` never comes.
#[derive(Debug)]
struct Step(Option<Instant>);

impl Step {
    fn after(time: Duration) -> Self {
        Self(clock::monotonic().checked_add(time))
    }

    fn has_passed(&self) -> bool {
        self.0.is_some_and(|at| at <= clock::monotonic())
    }

    /// Whether the moment has come; once.
    fn take(&mut self) -> bool {
        let has_passed = self.has_passed();
        if has_passed {
            self.0 = None;
        }
        has_passed
    }
}

impl ReplacedDrain {
    fn new(running: &Running, drain: Drain) -> Self {
        running.board.set_draining();
        let times = drain.times();
        running.send_all(|| Command::Drain(times));
        Self {
            refusing: Step::after(times.before_closing()),
            requests: Step::after(drain.requests),
            orders: Step::after(drain.requests),
            closing: Step::after(drain.requests.max(drain.tunnels)),
            end: Step(None),
            log: Step::after(LOG_INTERVAL),
        }
    }

    /// Does what is due. To be called often. Returns how many connections are still open when the
    /// gateway may stop: when there are none, and no order is under way whose challenges the
    /// process that has replaced this one answers, or when the time is over.
    pub fn advance(&mut self, running: &Running) -> Option<usize> {
        let open = running.connections();
        let has_order = || !running.challenges().is_empty() && !self.orders.has_passed();
        if (open == 0 && !has_order()) || self.end.has_passed() {
            return Some(open);
        }
        if self.requests.take() {
            running.probe_tasks.stop();
        }
        if self.refusing.take() {
            running.refuse_sessions();
        }
        if self.closing.take() {
            tracing::info!(
                connections = open,
                "limits.drain_tunnels is over: closing what is open"
            );
            running.send_all(|| Command::CloseTunnels);
            self.end = Step::after(CLOSE_GRACE);
        }
        if self.log.take() {
            tracing::info!(
                connections = open,
                websockets = running.tunnels(),
                "draining"
            );
            self.log = Step::after(LOG_INTERVAL);
        }
        None
    }
}

impl Running {
    /// Leaves to the process that has replaced this one what only one of them may do, and begins to
    /// drain. Files that change are still followed: a token that is revoked ends its tunnels here
    /// too.
    pub fn begin_replaced(&mut self) -> ReplacedDrain {
        self.stop_orders();
        self.services.stop_deploying();
        self.status = None;
        // Not to be opened again when files are followed.
        self.config.listen.status = None;
        // It accepts nothing that could be accepted for longer.
        self.config.limits.drain_delay = Duration::ZERO;
        ReplacedDrain::new(self, Drain::replaced(&self.config.limits))
    }

    /// What the process that has replaced this one learns of it.
    pub fn draining(&self) -> Update {
        let older = self.board.older();
        Update::Draining {
            processes: older.processes + 1,
            connections: older.connections + self.connections(),
        }
    }

    /// Takes what a process says that this one has replaced; `None` if it has ended.
    pub fn take_update(&self, update: Option<Update>) {
        match update {
            Some(Update::Draining {
                processes,
                connections,
            }) => self.board.set_older(Older {
                processes,
                connections,
            }),
            Some(Update::Sessions(sessions)) => take_sessions(&self.board.snapshot(), sessions),
            Some(Update::Challenges(handed)) => {
                offer(&self.older_offers, &self.services.challenges, handed);
            }
            None => {
                tracing::info!("the process that this one has replaced has ended");
                self.board.set_older(Older::default());
                self.older_offers.lock().clear();
            }
        }
    }
}
