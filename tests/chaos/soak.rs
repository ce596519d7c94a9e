//! The same load for a given time, slower, with reloads, upgrades and WebSockets that come
//! and go: what the gateway uses must not grow.
//!
//! `SOAK=1h` says how long; ten minutes without it. Upgrades are in the first third: afterwards one
//! process is left alone, so that what grows in it is seen.

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Door;
use super::gateway::{Gateway, Usage};
use super::ledger::Ledger;
use super::load::{Load, Size, World};
use super::report::Report;
use super::setup::Setup;
use super::support::{Folder, free_ports};
use super::threads::Threads;

const SIZE: Size = Size {
    h1: 20,
    h2: 4,
    few: 2,
    polls: 50,
    raw: 200,
    streams: 50,
    understood: 250,
    lifetime: Some(Duration::from_secs(40)),
    real_janus: 0,
    pause: Duration::from_millis(400),
};
const MINUTE: Duration = Duration::from_secs(60);
/// Between two reloads; one in five has a broken file.
const RELOADS: Duration = Duration::from_secs(15);
/// What may be used more in the end than after the warm-up.
const GROWTH: f64 = 1.1;

/// A minute.
#[derive(Clone, Copy, Debug)]
struct Sample {
    usage: Usage,
    processes: usize,
}

/// The case.
pub(crate) fn run(report: &mut Report) {
    let length = length();
    let threads = Threads::start();
    let ledger = Arc::<Ledger>::default();
    let setup = Setup::new(&threads, &ledger);
    let gateway = Gateway::start(Folder::new("soak"), free_ports(), &setup.text(0));
    let door = Door::new(gateway.https, &gateway.folder.join("certs/ca.pem"));
    let world = World::new(&door, &ledger, SIZE.pause);
    let load = Load::start(&threads, &world, SIZE);
    report.head(&[
        "minute",
        "memory",
        "descriptors",
        "threads",
        "processes",
        "requests",
        "lost",
        "50 %",
        "99 %",
    ]);
    let mut soak = Soak {
        gateway,
        setup,
        world,
        reloads: 0,
        upgrades: [0.1, 0.2, 0.3].map(|share| length.mul_f64(share)).to_vec(),
        report,
    };
    let samples = soak.pass(length);
    load.stop(&threads);
    soak.gateway.stop();
    grown(&samples, soak.report);
    let Soak { world, report, .. } = soak;
    let mut counts = Report::new("soak, what became of it");
    ledger.judge(&mut counts);
    world.sockets.judge(&mut counts);
    counts.print();
    report.check(counts.is_good(), "requests or WebSockets were lost");
}

/// Ten minutes; `SOAK` says otherwise.
fn length() -> Duration {
    let text = std::env::var("SOAK").unwrap_or_else(|_| "10m".to_owned());
    humantime::parse_duration(&text).unwrap_or_else(|error| panic!("SOAK={text}: {error}"))
}

struct Soak<'a> {
    gateway: Gateway,
    setup: Setup,
    world: Arc<World>,
    reloads: u32,
    /// Those that are still to come.
    upgrades: Vec<Duration>,
    report: &'a mut Report,
}

impl Soak<'_> {
    /// A sample for each minute.
    fn pass(&mut self, length: Duration) -> Vec<Sample> {
        let begun = Instant::now();
        let mut samples = Vec::new();
        let mut seen = self.world.ledger.count();
        let (mut next_reload, mut next_sample) = (RELOADS, MINUTE);
        while begun.elapsed() < length {
            thread::sleep(Duration::from_millis(200));
            if begun.elapsed() > next_reload {
                next_reload += RELOADS;
                self.reload();
            }
            if self
                .upgrades
                .first()
                .is_some_and(|at| begun.elapsed() > *at)
            {
                self.upgrades.remove(0);
                self.gateway.must(self.report, "upgrade", true);
            }
            if begun.elapsed() > next_sample {
                next_sample += MINUTE;
                let count = self.world.ledger.count();
                samples.push(self.sample(samples.len() + 1, count - seen));
                seen = count;
            }
        }
        samples
    }

    fn reload(&mut self) {
        self.reloads += 1;
        let text = self.setup.text(self.reloads);
        if self.reloads.is_multiple_of(5) {
            self.gateway.write(&Setup::broken(&text));
            self.gateway.must(self.report, "reload", false);
        }
        self.gateway.write(&text);
        self.gateway.must(self.report, "reload", true);
    }

    fn sample(&mut self, minute: usize, requests: usize) -> Sample {
        let usage = self.gateway.usage();
        let processes = self.gateway.processes().len();
        let latency = self.world.ledger.prompt.take();
        let lost = self.world.ledger.failures() + self.world.sockets.lost();
        let memory = format!("{:.1} MiB", usage.mib());
        let ms = |time: Duration| format!("{:.1} ms", time.as_secs_f64() * 1e3);
        let (p50, p99) = (ms(latency.p50), ms(latency.p99));
        println!(
            "    minute {minute}: {usage}, {processes} processes, {requests} requests, \
             {lost} lost, {latency}"
        );
        self.report.cells(&[
            &minute,
            &memory,
            &usage.descriptors,
            &usage.threads,
            &processes,
            &requests,
            &lost,
            &p50,
            &p99,
        ]);
        Sample { usage, processes }
    }
}

/// Compares the last samples with the first ones after the warm-up.
fn grown(samples: &[Sample], report: &mut Report) {
    let after_warm_up = &samples[samples.len() * 2 / 5..];
    let alone: Vec<_> = after_warm_up.iter().filter(|s| s.processes == 1).collect();
    let half = (alone.len() / 2).min(5);
    if half == 0 {
        return report.fail("too short: there are no minutes to compare after the warm-up");
    }
    let (first, last) = (&alone[..half], &alone[alone.len() - half..]);
    type Measure = fn(&Usage) -> usize;
    let measures: [(&str, Measure); 3] = [
        ("memory (KiB)", |usage| usage.memory),
        ("descriptors", |usage| usage.descriptors),
        ("threads", |usage| usage.threads),
    ];
    for (name, measure) in measures {
        let mean = |samples: &[&Sample]| {
            let sum: usize = samples.iter().map(|sample| measure(&sample.usage)).sum();
            sum as f64 / samples.len() as f64
        };
        let (before, after) = (mean(first), mean(last));
        println!("    {name}: {before:.0} after the warm-up, {after:.0} in the end");
        let text = format!("{name} has grown from {before:.0} to {after:.0}");
        report.check(after <= before * GROWTH, text);
    }
}
