//! The task of each server that is probed.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::AbortHandle;

use super::prober::Prober;
use super::streak::Streak;
use super::target::{Failure, Found, ProbeTarget};
use crate::clock;
use crate::route::health::{LastProbe, Probed, ServerState};

/// The first probe of a server comes within this time.
const FIRST_WITHIN: Duration = Duration::from_millis(500);

/// The probes that are under way.
#[derive(Debug, Default)]
pub struct ProbeTasks {
    tasks: Vec<ProbeTask>,
    is_stopped: AtomicBool,
}

/// The probes of one server, until this is dropped.
#[derive(Debug)]
struct ProbeTask {
    target: watch::Sender<Arc<ProbeTarget>>,
    state: Arc<ServerState>,
    task: AbortHandle,
}

impl Drop for ProbeTask {
    fn drop(&mut self) {
        self.task.abort();
    }
}

impl ProbeTasks {
    /// Probes these servers from now on, and no others. A server that was probed before goes on as
    /// it was, but for what has changed. After [`ProbeTasks::stop`], none is probed.
    ///
    /// # Errors
    /// If there is a server to probe and this is not called on a runtime; then nothing changes.
    pub fn follow(&mut self, servers: Vec<(ProbeTarget, Arc<ServerState>)>) -> io::Result<()> {
        if self.is_stopped.load(Ordering::Relaxed) {
            return Ok(());
        }
        let runtime = match servers.is_empty() {
            true => None,
            false => Some(Handle::try_current().map_err(io::Error::other)?),
        };
        let mut before = std::mem::take(&mut self.tasks);
        for (target, state) in servers {
            let known = before
                .iter()
                .position(|task| Arc::ptr_eq(&task.state, &state));
            let target = Arc::new(target);
            match (known, &runtime) {
                (Some(at), _) => {
                    let task = before.swap_remove(at);
                    task.target.send_replace(target);
                    self.tasks.push(task);
                }
                (None, Some(runtime)) => {
                    self.tasks.push(ProbeTask::start(runtime, target, state));
                }
                (None, None) => {}
            }
        }
        before.iter().for_each(|task| task.state.clear());
        Ok(())
    }

    /// Probes no server any longer. What the probes have said would soon be out of date, so that
    /// each server's state is unknown from now on.
    pub fn stop(&self) {
        self.is_stopped.store(true, Ordering::Relaxed);
        for task in &self.tasks {
            task.task.abort();
            task.state.clear();
        }
    }
}

impl ProbeTask {
    #[expect(
        clippy::disallowed_methods,
        reason = "the task is aborted when its handle is dropped"
    )]
    fn start(runtime: &Handle, target: Arc<ProbeTarget>, state: Arc<ServerState>) -> Self {
        let target = watch::Sender::new(target);
        let task = runtime.spawn(probe_on(target.subscribe(), Arc::clone(&state)));
        Self {
            target,
            state,
            task: task.abort_handle(),
        }
    }
}

/// Probes a server until the sender of its target is dropped.
async fn probe_on(mut targets: watch::Receiver<Arc<ProbeTarget>>, state: Arc<ServerState>) {
    let (mut prober, mut streak) = (Prober::default(), Streak::default());
    let mut target = Arc::clone(&targets.borrow_and_update());
    let spread = (target.spec.every / 10).min(FIRST_WITHIN);
    tokio::time::sleep(spread.mul_f64(chance())).await;
    loop {
        let began = clock::monotonic();
        let result = prober.probe(&target).await;
        note(&target, &state, &mut streak, began, result);
        let pause = target.spec.every.mul_f64(0.9 + chance() / 5.0);
        let rest = pause.saturating_sub(began.elapsed());
        match next(&mut targets, &target, rest).await {
            Some(next) => {
                if !next.asks_the_same(&target) {
                    prober = Prober::default();
                }
                target = next;
            }
            None => return,
        }
    }
}

/// Waits for the time of the next probe, which a change of what is asked brings on at once, and
/// returns the target then; `None` if there is none any longer.
async fn next(
    targets: &mut watch::Receiver<Arc<ProbeTarget>>,
    before: &ProbeTarget,
    rest: Duration,
) -> Option<Arc<ProbeTarget>> {
    let over = tokio::time::sleep(rest);
    tokio::pin!(over);
    loop {
        tokio::select! {
            () = &mut over => return Some(Arc::clone(&targets.borrow_and_update())),
            changed = targets.changed() => {
                changed.ok()?;
                let target = Arc::clone(&targets.borrow_and_update());
                if !target.asks_the_same(before) {
                    return Some(target);
                }
            }
        }
    }
}

/// Notes the outcome of a probe, and logs a change.
fn note(
    target: &ProbeTarget,
    state: &ServerState,
    streak: &mut Streak,
    began: Instant,
    result: Result<Found, Failure>,
) {
    let before = state.probed();
    let (found, words) = match result {
        Ok((found, words)) => (Some(found), words),
        Err(failure) => (None, failure.to_string()),
    };
    let now = streak.next(before, found, &target.spec);
    let probe = LastProbe {
        at: clock::monotonic(),
        took: began.elapsed(),
        words: words.as_str().into(),
    };
    state.set(now);
    state.note(probe, found.is_some());
    if now != before {
        log(target, now, before, &words);
    }
}

fn log(target: &ProbeTarget, now: Probed, before: Probed, words: &str) {
    let (upstream, server) = (&*target.upstream, &*target.name);
    match (now, before) {
        (Probed::Down, _) => tracing::warn!(
            upstream,
            server,
            error = words,
            "a server is down: its probes fail, and it gets no requests while another one is up"
        ),
        (Probed::Full, _) => tracing::warn!(
            upstream,
            server,
            found = words,
            "a server accepts no new sessions: those that it has go on"
        ),
        (Probed::Up, Probed::Down) => {
            tracing::info!(upstream, server, found = words, "a server is up again");
        }
        (Probed::Up, Probed::Full) => tracing::info!(
            upstream,
            server,
            found = words,
            "a server accepts new sessions again"
        ),
        (Probed::Up | Probed::Unknown, _) => {
            tracing::info!(upstream, server, found = words, "a server is up");
        }
    }
}

/// A random number from 0 to 1.
fn chance() -> f64 {
    let mut byte = [0];
    // Without randomness, the probes are merely not spread.
    let _ = aws_lc_rs::rand::fill(&mut byte);
    f64::from(byte[0]) / 255.0
}
