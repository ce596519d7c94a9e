//! A minute of constant load, while everything that can go wrong does.
//!
//! What happens, and when, is one list: [`timetable`].

use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use super::client::Door;
use super::gateway::{Gateway, Usage};
use super::ledger::Ledger;
use super::load::{Load, Size, World};
use super::report::Report;
use super::setup::{Acme, Setup};
use super::support::pebble::{Options, Pebble};
use super::support::{Folder, Process, free_ports, until};
use super::threads::Threads;

const SIZE: Size = Size {
    h1: 30,
    h2: 6,
    few: 6,
    polls: 100,
    raw: 900,
    streams: 100,
    understood: 1000,
    lifetime: None,
    real_janus: 10,
    pause: Duration::from_millis(200),
};
const RELOADS: u32 = 20;
/// What may be used more in the end than before.
const GROWTH: f64 = 1.1;

/// Something that happens during the load.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Reload,
    /// With a file that is broken.
    BrokenReload,
    Upgrade,
    /// While a reload is under way.
    UpgradeDuringReload,
    /// To a binary that is none, and once more to one that cannot read the file.
    BrokenUpgrade,
    /// A certificate becomes due.
    Order,
    KillJanus,
    StartJanus,
}

/// A minute; `CHAOS_SECONDS` says otherwise.
fn length() -> Duration {
    let seconds = std::env::var("CHAOS_SECONDS").ok();
    Duration::from_secs(seconds.map_or(60, |text| text.parse().unwrap()))
}

/// What happens when.
fn timetable(length: Duration) -> Vec<(Duration, Step)> {
    let reloads = (1..=RELOADS).map(|number| {
        let step = if number % 5 == 0 {
            Step::BrokenReload
        } else {
            Step::Reload
        };
        (length * number / (RELOADS + 1), step)
    });
    let at = |sixtieth: u32| length * sixtieth / 60;
    let others = [
        (at(20), Step::KillJanus),
        (at(26), Step::StartJanus),
        (at(44), Step::Order),
        (at(15), Step::UpgradeDuringReload),
        (at(33), Step::BrokenUpgrade),
        // The order of a second before is under way.
        (at(45), Step::Upgrade),
    ];
    let mut all: Vec<_> = reloads.chain(others).collect();
    all.sort_by_key(|(time, _)| *time);
    all
}

/// Everything that a step may need.
struct Scene<'a> {
    gateway: Gateway,
    setup: Setup,
    janus: Process,
    janus_ports: [u16; 4],
    janus_folder: Folder,
    world: Arc<World>,
    reloads: u32,
    report: &'a mut Report,
}

/// The case.
pub(crate) fn run(report: &mut Report) {
    let threads = Threads::start();
    let ledger = Arc::<Ledger>::default();
    let folder = Folder::new("chaos");
    let [https, status, http] = free_ports();
    let pebble = Pebble::start(
        &folder,
        Options {
            // So that an order is still under way when an upgrade comes.
            takes_its_time: true,
            ..Options::at([http, https])
        },
    );
    let janus_folder = Folder::new("chaos-janus");
    let janus_ports = free_ports();
    let janus = Process::janus(&janus_folder, janus_ports, "secret");
    let mut setup = Setup::new(&threads, &ledger);
    setup.real = Some([janus_ports[0], janus_ports[1]]);
    setup.acme = Some(Acme {
        directory: pebble.directory(),
        ca: pebble.ca.display().to_string(),
        http,
        hosts: 1,
    });
    let gateway = Gateway::start(folder, [https, status], &setup.text(0));
    let door = Door::new(https, &gateway.folder.join("certs/ca.pem"));
    let world = World::new(&door, &ledger, SIZE.pause);
    until("the first certificate", || pebble.certificates() == 1);
    let load = Load::start(&threads, &world, SIZE);
    // What is grown by the handshakes goes back meanwhile.
    thread::sleep(Duration::from_secs(5));
    let before = gateway.usage();
    println!("    {} WebSockets are open: {before}", world.sockets.open());
    let mut scene = Scene {
        gateway,
        setup,
        janus,
        janus_ports,
        janus_folder,
        world,
        reloads: 0,
        report,
    };
    scene.play();
    let after = again(&threads, &mut scene, load);
    scene.memory(before, after);
    let (orders, certificates) = (pebble.orders(), pebble.certificates());
    scene.report.row(
        "orders at the CA",
        format!("{orders}, {certificates} certificates"),
    );
    let text = format!("{orders} orders and {certificates} certificates, instead of 2");
    scene.report.check(orders == 2 && certificates == 2, text);
    scene.gateway.stop();
    ledger.judge(scene.report);
    scene.world.sockets.judge(scene.report);
    scene
        .report
        .row("answers that come at once", ledger.prompt.take());
}

/// What is used by the same load, once more, when all that has happened is over. The load is
/// stopped in between, so that older processes end.
fn again(threads: &Threads, scene: &mut Scene<'_>, load: Load) -> Usage {
    load.stop(threads);
    scene.gateway.is_alone();
    let load = Load::start(threads, &scene.world, SIZE);
    thread::sleep(Duration::from_secs(5));
    let usage = scene.gateway.usage();
    load.stop(threads);
    usage
}

impl Scene<'_> {
    fn play(&mut self) {
        let (begun, length) = (Instant::now(), length());
        for (time, step) in timetable(length) {
            thread::sleep((begun + time).saturating_duration_since(Instant::now()));
            self.step(step);
            println!(
                "    {:>4.1} s {step:?}: {} requests and {} WebSockets lost so far",
                begun.elapsed().as_secs_f64(),
                self.world.ledger.failures(),
                self.world.sockets.lost()
            );
        }
        thread::sleep((begun + length).saturating_duration_since(Instant::now()));
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Reload => {
                self.reloads += 1;
                self.gateway.write(&self.setup.text(self.reloads));
                self.gateway.must(self.report, "reload", true);
            }
            Step::BrokenReload => {
                let text = self.setup.text(self.reloads);
                self.gateway.write(&Setup::broken(&text));
                self.gateway.must(self.report, "reload", false);
                self.gateway.write(&text);
            }
            Step::Upgrade => self.upgrade(),
            Step::UpgradeDuringReload => {
                self.reloads += 1;
                self.gateway.write(&self.setup.text(self.reloads));
                let mut reload = self.gateway.begin("reload");
                self.upgrade();
                // It may have come too late: an upgrade reads the file itself.
                reload.wait().unwrap();
            }
            Step::BrokenUpgrade => self.break_upgrade(),
            Step::Order => {
                let acme = self.setup.acme.as_mut().unwrap();
                acme.hosts += 1;
                self.step(Step::Reload);
            }
            Step::KillJanus => {
                self.world.outage.begin();
                self.janus.kill();
            }
            Step::StartJanus => {
                self.janus = Process::janus(&self.janus_folder, self.janus_ports, "secret");
                self.world.outage.end();
            }
        }
    }

    fn upgrade(&mut self) {
        let before = self.gateway.processes();
        self.gateway.must(self.report, "upgrade", true);
        let after = self.gateway.processes();
        let is_new = after.len() == before.len() + 1;
        self.report.check(
            is_new,
            format!("processes before and after an upgrade: {before:?}, {after:?}"),
        );
    }

    fn break_upgrade(&mut self) {
        let before = self.gateway.processes();
        self.gateway.replace_binary(b"this is no program");
        self.gateway.must(self.report, "upgrade", false);
        self.gateway.restore_binary();
        let text = self.setup.text(self.reloads);
        self.gateway.write(&Setup::broken(&text));
        self.gateway.must(self.report, "upgrade", false);
        self.gateway.write(&text);
        let after = self.gateway.processes();
        self.report.check(
            before == after,
            format!("processes before and after upgrades that failed: {before:?}, {after:?}"),
        );
    }

    fn memory(&mut self, before: Usage, after: Usage) {
        self.report.row("before, with all WebSockets open", before);
        self.report.row("after, with the same load", after);
        let growth = after.mib() / before.mib();
        let text = format!("memory has grown: {before}, then {after}");
        self.report.check(growth <= GROWTH, text);
    }
}
