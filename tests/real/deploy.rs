//! The certificate hub and the servers that it is for: each gets its files, is told, and shows
//! them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ianitor::clock::UnixTime;
use ianitor::deploy::{
    Consumer, DeploySpec, DeployState, DeployStatus, FileForm, Hub, Output, Place, Reload, state,
};
use ianitor::secret::{Secret, SecretSource};
use ianitor::store::{Bundle, Meta, Stored};
use tokio::runtime::{Builder, Runtime};

use crate::support::openssl::{Ca, Pair, shown_serial};
use crate::support::{Folder, Process, free_ports};

const NAME: &str = "turn.example.com";
const SECRET: &str = "a secret of this test";

/// A hub on a runtime of its own, and who issues its certificates.
struct World {
    runtime: Runtime,
    hub: Arc<Hub>,
    ca: Ca,
    /// Dropped last.
    folder: Folder,
}

impl World {
    fn new(name: &str) -> Self {
        let folder = Folder::new(name);
        let ca = Ca::new(&folder, "test-ca");
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        Self {
            runtime,
            hub: Hub::new(),
            ca,
            folder,
        }
    }

    /// A certificate as the store has it, with its issuer, and its serial as `openssl` shows it.
    fn order(&self, version: u64) -> (Arc<Stored>, String) {
        let pair = self
            .ca
            .issue(&self.folder, &format!("ordered-{version}"), NAME, 30);
        let serial = pair.serial();
        let meta = Meta {
            hosts: vec![NAME.to_owned()],
            key_type: "ecdsa-p256".to_owned(),
            directory: "https://ca.example.com/directory".to_owned(),
            profile: None,
            issued: UnixTime::now(),
            serial: serial.trim_start_matches("serial=").to_lowercase(),
            issuer: "test-ca".to_owned(),
            not_before: UnixTime::now(),
            not_after: UnixTime::now().after(Duration::from_secs(30 * 86_400)),
            spread: 0.0,
            revoked: None,
        };
        let chain = read(&pair.cert) + &read(&self.ca.cert);
        let bundle = Bundle {
            chain,
            key: Secret::new(read(&pair.key)),
            meta,
        };
        (Arc::new(Stored { version, bundle }), serial)
    }

    /// A chain and a key in files that only their owner reads.
    fn spec(&self, to: Consumer) -> (DeploySpec, Pair) {
        // Nothing else is in it: Prosody looks for names in all that is.
        let folder = self.folder.join("certs");
        fs::create_dir(&folder).unwrap();
        let pair = Pair {
            cert: folder.join("fullchain.pem"),
            key: folder.join("privkey.pem"),
        };
        let files = vec![
            output(&pair.cert, FileForm::Chain),
            output(&pair.key, FileForm::Key),
        ];
        let spec = DeploySpec {
            certificate: NAME.parse().unwrap(),
            to,
            files,
            owner: None,
            group: None,
            mode: DeploySpec::MODE,
            reload: None,
            verify: None,
            store: self.folder.join("acme"),
            config_key: "deploy[0]".to_owned(),
        };
        (spec, pair)
    }

    fn configure(&self, spec: &Arc<DeploySpec>) {
        let _runtime = self.runtime.enter();
        self.hub.configure(std::slice::from_ref(spec));
    }

    /// Lets the hub work until what is seen of it is so.
    #[track_caller]
    fn works_until(&self, what: &str, is_so: impl Fn(&DeployStatus) -> bool) -> DeployStatus {
        let deadline = Instant::now() + Duration::from_secs(60);
        let seen = self.runtime.block_on(async {
            loop {
                let seen = self.hub.seen().remove(0);
                if is_so(&seen) || Instant::now() > deadline {
                    return seen;
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        });
        assert!(is_so(&seen), "not in time: {what}: {seen:?}");
        seen
    }
}

fn output(path: &Path, form: FileForm) -> Output {
    Output {
        path: path.to_owned(),
        form,
    }
}

fn read(path: &PathBuf) -> String {
    fs::read_to_string(path).unwrap()
}

fn place(port: u16) -> Place {
    Place {
        host: "127.0.0.1".parse().unwrap(),
        port,
    }
}

#[test]
fn coturn_shows_a_new_certificate_within_seconds() {
    let world = World::new("deploy-coturn");
    let [plain, tls] = free_ports();
    let (mut spec, pair) = world.spec(Consumer::Coturn);
    let pid_file = world.folder.join("turnserver.pid");
    spec.reload = Some(Reload::Signal {
        signal: "USR2".into(),
        pid_file,
    });
    spec.verify = Some(place(tls));
    let spec = Arc::new(spec);

    // coturn does not start without its files, and nobody can be told before it runs.
    let (first, first_serial) = world.order(1);
    world.hub.put(&spec.certificate, &first);
    world.configure(&spec);
    let seen = world.works_until("coturn is missed", |seen| seen.failed > 0);
    assert!(
        seen.error
            .as_ref()
            .is_some_and(|error| error.contains("turnserver.pid")),
        "{seen:?}"
    );
    let mut coturn = Process::coturn(&world.folder, [plain, tls], &pair, SECRET);
    coturn.wait_for(tls);
    world.works_until("coturn has the first", |seen| seen.in_sync);
    assert_eq!(shown_serial(tls, NAME), Some(first_serial));

    let (second, second_serial) = world.order(2);
    let since = Instant::now();
    world.hub.put(&spec.certificate, &second);
    let seen = world.works_until("coturn has the second", |seen| {
        seen.in_sync && seen.succeeded > 1
    });
    let took = since.elapsed();
    assert_eq!(seen.error, None);
    assert_eq!(
        shown_serial(tls, NAME),
        Some(second_serial),
        "after {took:?}: {}",
        coturn.said()
    );
    assert!(
        coturn.said().contains("Reloading TLS certificates"),
        "{}",
        coturn.said()
    );
    assert!(matches!(state(&spec, &second), DeployState::InSync));

    coturn.end();
    let (third, _) = world.order(3);
    world.hub.put(&spec.certificate, &third);
    let seen = world.works_until("coturn has gone", |seen| {
        !seen.in_sync && seen.error.is_some()
    });
    let error = seen.error.unwrap();
    assert!(
        error.contains("is stale") || error.contains("cannot be read"),
        "{error}"
    );
}

#[test]
fn prosody_reads_its_files_anew_when_it_is_told() {
    let world = World::new("deploy-prosody");
    let [port] = free_ports();
    let (mut spec, pair) = world.spec(Consumer::Prosody);
    let certificates = pair.cert.parent().unwrap().to_owned();
    let pid_file = world.folder.join("prosody/prosody.pid");
    spec.reload = Some(Reload::Signal {
        signal: "HUP".into(),
        pid_file,
    });
    spec.verify = Some(place(port));
    let spec = Arc::new(spec);
    let (first, first_serial) = world.order(1);
    world.hub.put(&spec.certificate, &first);
    world.configure(&spec);
    world.works_until("Prosody is missed", |seen| seen.failed > 0);
    let prosody = Process::prosody_with_tls(&world.folder, port, NAME, &certificates);
    world.works_until("Prosody has the first", |seen| seen.in_sync);
    assert_eq!(shown_serial(port, NAME), Some(first_serial));

    let (second, second_serial) = world.order(2);
    world.hub.put(&spec.certificate, &second);
    let seen = world.works_until("Prosody has the second", |seen| {
        seen.succeeded > 1 || seen.failures > 0
    });
    assert_eq!(seen.error, None, "{}", prosody.said());
    assert_eq!(
        shown_serial(port, NAME),
        Some(second_serial),
        "{}",
        prosody.said()
    );
}

#[test]
fn janus_is_missed_until_it_is_started_anew() {
    let world = World::new("deploy-janus");
    let [rest, websocket, admin_rest, admin_websocket, wss] = free_ports();
    let (mut spec, pair) = world.spec(Consumer::Janus);
    spec.verify = Some(place(wss));
    let spec = Arc::new(spec);
    let start = || {
        Process::janus_with(
            &world.folder,
            [rest, websocket, admin_rest, admin_websocket],
            |command| {
                command
                    .env("JANUS_WSS", wss.to_string())
                    .env("JANUS_CERT", &pair.cert)
                    .env("JANUS_KEY", &pair.key);
            },
        )
    };
    let (first, first_serial) = world.order(1);
    world.hub.put(&spec.certificate, &first);
    world.configure(&spec);
    let seen = world.works_until("Janus is missed", |seen| seen.failed > 0);
    assert!(
        seen.error
            .as_ref()
            .is_some_and(|error| error.contains("does it run")),
        "{seen:?}"
    );
    let mut janus = start();
    world.works_until("Janus has the first", |seen| seen.in_sync);
    assert_eq!(shown_serial(wss, NAME), Some(first_serial));

    let (second, second_serial) = world.order(2);
    world.hub.put(&spec.certificate, &second);
    let seen = world.works_until("Janus shows the first", |seen| seen.failures > 0);
    assert!(
        seen.error
            .as_ref()
            .is_some_and(|error| error.contains("restart it")),
        "{seen:?}"
    );
    janus.end();
    let _janus = start();
    world.works_until("Janus has the second", |seen| seen.in_sync);
    assert_eq!(shown_serial(wss, NAME), Some(second_serial));
}

#[test]
fn one_file_is_in_the_order_of_openssl() {
    let world = World::new("deploy-combined");
    let [port] = free_ports();
    let (mut spec, _) = world.spec(Consumer::Kurento);
    let combined = world.folder.join("cert+key.pem");
    spec.files = vec![output(&combined, FileForm::Combined)];
    let spec = Arc::new(spec);
    let (cert, serial) = world.order(1);
    world.configure(&spec);
    world.hub.put(&spec.certificate, &cert);
    world.works_until("the file is there", |seen| seen.in_sync);

    // HAProxy reads leaf, chain and key from one file; curl gives it to
    // `SSL_CTX_use_certificate_chain_file`.
    let sections = format!(
        "listen wss\n    bind 127.0.0.1:{port} ssl crt {file} ca-file {ca} verify required\n    \
         http-request return status 200 content-type text/plain lf-string %[ssl_c_serial,hex]\n",
        file = combined.display(),
        ca = world.ca.cert.display()
    );
    let mut haproxy = Process::haproxy(&world.folder, "haproxy", "http", &sections);
    haproxy.wait_for(port);
    let output = Command::new("curl")
        .args([
            "--silent",
            "--show-error",
            "--noproxy",
            "*",
            "--max-time",
            "30",
            "--fail",
        ])
        .args(["--resolve", &format!("{NAME}:{port}:127.0.0.1")])
        .arg("--cacert")
        .arg(&world.ca.cert)
        .arg("--cert")
        .arg(&combined)
        .arg(format!("https://{NAME}:{port}/"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}\n{}", haproxy.said());
    assert_eq!(
        format!("serial={}", String::from_utf8(output.stdout).unwrap()),
        serial
    );
}

#[test]
fn openssl_opens_the_key_store_of_java_servers() {
    let world = World::new("deploy-pkcs12");
    let (mut spec, _) = world.spec(Consumer::Files);
    let (store, password) = (
        world.folder.join("keystore.p12"),
        world.folder.write("password", "changeit\n"),
    );
    spec.files = vec![output(
        &store,
        FileForm::Pkcs12 {
            password: SecretSource::File(password.clone()),
        },
    )];
    let spec = Arc::new(spec);
    let (cert, serial) = world.order(1);
    world.configure(&spec);
    world.hub.put(&spec.certificate, &cert);
    world.works_until("the file is there", |seen| seen.in_sync);

    let opened = |more: &[&str]| {
        let source = format!("file:{}", password.display());
        let mut command = Command::new("openssl");
        command
            .args(["pkcs12", "-nodes", "-passin", &source, "-in"])
            .arg(&store)
            .args(more);
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    assert_eq!(opened(&["-nokeys"]).matches("BEGIN CERTIFICATE").count(), 2);
    let leaf = world
        .folder
        .write("leaf.pem", &opened(&["-nokeys", "-clcerts"]));
    assert_eq!(
        Pair {
            cert: leaf,
            key: store.clone()
        }
        .serial(),
        serial
    );
    let key = opened(&["-nocerts"]);
    let key = &key[key.find("-----BEGIN").unwrap()..];
    assert_eq!(key.trim(), cert.bundle.key.reveal().trim());
}
