//! Other servers get the certificates that the gateway orders: real ones, which say by TLS what
//! they serve.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Instant;

use rustix::process::Signal;

use crate::acme_trouble::as_a_user;
use crate::support::openssl::{Pair, shown_serial};
use crate::support::pebble::{Pebble, serial_of};
use crate::support::site::{File, PAGE, Site, hosts};
use crate::support::{Folder, Gateway, Process, free_ports, ianitor_does, until};

const NAME: &str = "turn.test";

/// Gateway, CA and a certificate; `tables` are the `[[deploy]]`.
struct World {
    gateway: Gateway,
    _pebble: Pebble,
    site: Site,
    root: std::path::PathBuf,
}

impl World {
    fn start(folder: &Folder, tables: &str, by: &[&str]) -> Self {
        let site = Site::new(folder);
        let pebble = Pebble::start(folder, site.looked_at());
        let root = pebble.root(folder);
        let tables = format!("{PAGE}{tables}");
        let (directory, certificates) = (pebble.directory(), hosts(&[NAME]));
        let file = File {
            directory: &directory,
            certificates: &certificates,
            acme: "",
            tables: &tables,
        };
        let gateway = site.start_by(folder, file, by);
        site.comes(&gateway, &root, NAME);
        Self {
            gateway,
            _pebble: pebble,
            site,
            root,
        }
    }

    /// Has the certificate renewed, and says which is new.
    fn renew(&self, folder: &Folder) -> String {
        let old = self.site.kept(NAME);
        ianitor_does(folder, &["certs", "renew", NAME]);
        let new = self
            .site
            .comes_another(&self.gateway, &self.root, NAME, &old);
        assert_eq!(self.site.kept(NAME), new);
        new
    }
}

/// As Pebble and the gateway write it.
fn shown(port: u16) -> Option<String> {
    shown_serial(port, NAME).map(|serial| serial.replace("serial=", "").to_lowercase())
}

#[track_caller]
fn has_its_certificate(gateway: &Gateway, deploy: &str, serial: &str) {
    let is_line =
        |line: &String| line.contains("a server has its certificate") && line.contains(serial);
    until(&format!("{deploy} has {serial}"), || {
        gateway.lines(&format!("\"{deploy}\"")).iter().any(is_line)
    });
}

#[test]
fn coturn_serves_the_renewed_certificate() {
    let folder = Folder::new("acme-coturn");
    let [plain, tls] = free_ports();
    let pair = Pair {
        cert: folder.join("coturn/fullchain.pem"),
        key: folder.join("coturn/privkey.pem"),
    };
    fs::create_dir(folder.join("coturn")).unwrap();
    // What certbot leaves there is a symlink; coturn's user could not read what it leads to.
    std::os::unix::fs::symlink(folder.join("archive.pem"), &pair.cert).unwrap();
    let deploy = format!(
        "[[deploy]]\nhosts = [\"{NAME}\"]\nto = \"coturn\"\ncert = \"{}\"\nkey = \"{}\"\n\
         mode = \"0640\"\n\
         reload = {{ signal = \"USR2\", pid_file = \"{}\" }}\nverify = \"127.0.0.1:{tls}\"\n",
        pair.cert.display(),
        pair.key.display(),
        folder.join("turnserver.pid").display(),
    );
    let world = World::start(&folder, &deploy, &[]);
    let first = world.site.kept(NAME);
    until("the files are there", || {
        pair.key.exists() && pair.cert.exists()
    });
    assert_eq!(serial_of(&pair.cert), first);
    for file in [&pair.cert, &pair.key] {
        let meta = fs::symlink_metadata(file).unwrap();
        assert!(
            meta.is_file() && meta.permissions().mode() & 0o777 == 0o640,
            "{file:?}: {meta:?}"
        );
    }

    let mut coturn = Process::coturn(&folder, [plain, tls], &pair, "a secret of this test");
    coturn.wait_for(tls);
    assert_eq!(shown(tls), Some(first));
    let began = Instant::now();
    let second = world.renew(&folder);
    until("coturn serves it", || shown(tls).as_ref() == Some(&second));
    println!(
        "coturn served the new certificate {:?} after it was asked for",
        began.elapsed()
    );
    assert!(
        coturn
            .said()
            .contains("Reloading TLS certificates and keys"),
        "{}",
        coturn.said()
    );
    has_its_certificate(&world.gateway, "deploy[0]", &second);

    // What somebody deletes is there again after a reload.
    fs::remove_file(&pair.key).unwrap();
    world.gateway.process.signal(Signal::HUP);
    until("the key is there again", || pair.key.exists());
    assert_eq!(serial_of(&pair.cert), second);
}

/// Kurento and Java read one file each; both are asked to be read by others than us.
#[test]
fn combined_files_are_read_by_openssl() {
    let folder = Folder::new("acme-forms");
    let password = folder.write("p12-password", "a password of this test\n");
    let told = folder.join("told");
    let script = folder.write(
        "reload.sh",
        &format!(
            "[ \"$1\" = a\\ b ] || exit 3\nenv | grep ^IANITOR_ | sort >\"{}\"\n",
            told.display()
        ),
    );
    let (combined, store) = (folder.join("cert+key.pem"), folder.join("store.p12"));
    let deploy = format!(
        "[[deploy]]\nhost = \"{NAME}\"\nto = \"kurento\"\ncombined = \"{}\"\n\
         [[deploy]]\nhost = \"{NAME}\"\nto = \"files\"\npkcs12 = \"{}\"\npassword_file = \"{}\"\n\
         reload = {{ command = [\"sh\", \"{}\", \"a b\"] }}\n",
        combined.display(),
        store.display(),
        password.display(),
        script.display(),
    );
    let world = World::start(&folder, &deploy, &[]);
    for is_renewed in [false, true] {
        let serial = if is_renewed {
            world.renew(&folder)
        } else {
            world.site.kept(NAME)
        };
        has_its_certificate(&world.gateway, "deploy[0]", &serial);
        has_its_certificate(&world.gateway, "deploy[1]", &serial);
        assert_eq!(serial_of(&combined), serial);
        // `SSL_CTX_use_certificate_chain_file` and `SSL_CTX_use_PrivateKey_file` of one file, and
        // their match.
        let load =
            "import ssl, sys; ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(sys.argv[1])";
        succeeds(Command::new("python3").args(["-c", load]).arg(&combined));
        let opened = succeeds(
            Command::new("openssl")
                .args(["pkcs12", "-nodes", "-passin"])
                .arg(format!("file:{}", password.display()))
                .arg("-in")
                .arg(&store),
        );
        let parts =
            ["BEGIN CERTIFICATE", "BEGIN PRIVATE KEY"].map(|part| opened.matches(part).count());
        assert_eq!(parts, [2, 1], "{opened}");
        let leaf = folder.write("opened.pem", &opened);
        assert_eq!(serial_of(&leaf), serial);
    }
    let told = fs::read_to_string(told).unwrap();
    assert!(
        told.contains(&format!("IANITOR_PKCS12={}", store.display())),
        "{told}"
    );
    let secret = "a password of this test";
    assert!(!told.contains(secret) && !world.gateway.process.said().contains(secret));
}

fn succeeds(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert!(output.status.success(), "{command:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// Prosody reads its files anew by a signal, Janus only when it starts.
#[test]
fn prosody_and_janus_serve_the_renewed_certificate() {
    let folder = Folder::new("acme-consumers");
    let [prosody_tls, janus_tls] = free_ports();
    let found_key = format!("found/{NAME}.key");
    fs::create_dir(folder.join("found")).unwrap();
    let wanted = folder.join("restart-wanted");
    let restart = folder.write("restart.sh", &format!("touch \"{}\"\n", wanted.display()));
    let path = |name: &str| folder.join(name).display().to_string();
    let pid = path("prosody/prosody.pid");
    let deploy = format!(
        "[[deploy]]\nhosts = [\"{NAME}\"]\nto = \"prosody\"\ncert = \"{}\"\nkey = \"{}\"\n\
         reload = {{ signal = \"HUP\", pid_file = \"{pid}\" }}\n\
         verify = \"127.0.0.1:{prosody_tls}\"\n\
         [[deploy]]\nhosts = [\"{NAME}\"]\nto = \"janus\"\ncert = \"{}\"\nkey = \"{}\"\n\
         reload = {{ command = [\"sh\", \"{}\"] }}\nverify = \"127.0.0.1:{janus_tls}\"\n",
        path(&format!("found/{NAME}.crt")),
        path(&found_key),
        path("janus.pem"),
        path("janus.key"),
        restart.display(),
    );
    let world = World::start(&folder, &deploy, &[]);
    let first = world.site.kept(NAME);
    until("the files are there", || {
        [found_key.as_str(), "janus.key"]
            .iter()
            .all(|name| folder.join(name).exists())
    });
    let _prosody = Process::prosody_with_tls(&folder, prosody_tls, NAME, &folder.join("found"));
    let mut janus = janus_by_tls(&folder, janus_tls);
    for port in [prosody_tls, janus_tls] {
        until("it serves the first certificate", || {
            shown(port).as_ref() == Some(&first)
        });
    }
    until("both are told of and asked", || {
        ["deploy[0]", "deploy[1]"].iter().all(|deploy| {
            let lines = world.gateway.lines(&format!("\"{deploy}\""));
            lines
                .iter()
                .any(|line| line.contains("a server has its certificate"))
        })
    });

    let _ = fs::remove_file(&wanted);
    let second = world.renew(&folder);
    until("Prosody serves it", || {
        shown(prosody_tls).as_ref() == Some(&second)
    });
    until("the command was run", || wanted.exists());
    janus.end();
    let _janus = janus_by_tls(&folder, janus_tls);
    until("Janus serves it", || {
        shown(janus_tls).as_ref() == Some(&second)
    });
    has_its_certificate(&world.gateway, "deploy[0]", &second);
    has_its_certificate(&world.gateway, "deploy[1]", &second);
}

fn janus_by_tls(folder: &Folder, port: u16) -> Process {
    Process::janus_with(folder, free_ports(), |command| {
        command.env("JANUS_WSS", port.to_string());
        command
            .env("JANUS_CERT", folder.join("janus.pem"))
            .env("JANUS_KEY", folder.join("janus.key"));
    })
}

/// Each has its own trouble, of which one line tells; the last has none and waits for nobody.
#[test]
fn a_consumer_in_trouble_is_told_of_and_keeps_nobody_waiting() {
    let folder = Folder::new("acme-hub-trouble");
    let [nobody] = free_ports();
    let ended = ended_process();
    folder.write("stale.pid", &format!("{ended}\n"));
    folder.write("kept/cert.pem", "what was there before");
    fs::set_permissions(folder.join("kept"), fs::Permissions::from_mode(0o500)).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let troubles: [(&str, String, &str); 6] = [
        ("missing/cert.pem", String::new(), "is missing; make it"),
        (
            "owner.pem",
            "owner = \"1\"".to_owned(),
            "only root can give files away",
        ),
        (
            "stale.pem",
            format!(
                "reload = {{ signal = \"HUP\", pid_file = \"{}\" }}",
                path("stale.pid")
            ),
            "is stale",
        ),
        (
            "command.pem",
            "reload = { command = [\"sh\", \"-c\", \"echo no such unit >&2; exit 5\"] }".to_owned(),
            "no such unit",
        ),
        (
            "verify.pem",
            format!("verify = \"127.0.0.1:{nobody}\""),
            "nothing answers",
        ),
        ("kept/cert.pem", String::new(), "cannot be written"),
    ];
    let entry = |file: &str, more: &str| {
        format!(
            "[[deploy]]\nhost = \"{NAME}\"\nto = \"files\"\ncert = \"{}\"\n{more}\n",
            path(file)
        )
    };
    let tables: String = troubles
        .iter()
        .map(|(file, more, _)| entry(file, more))
        .collect();
    let world = World::start(
        &folder,
        &format!("{tables}{}", entry("good.pem", "")),
        as_a_user(),
    );
    let serial = world.site.kept(NAME);
    has_its_certificate(&world.gateway, "deploy[6]", &serial);
    assert_eq!(serial_of(&folder.join("good.pem")), serial);
    for (at, (file, _, says)) in troubles.iter().enumerate() {
        let of = format!("\"deploy[{at}]\"");
        until(&format!("{file} is told of"), || {
            !world.gateway.lines(&of).is_empty()
        });
        let lines = world.gateway.lines(&of);
        assert!(
            lines.len() == 1 && lines[0].contains(says) && lines[0].contains("\"WARN\""),
            "{file}: {lines:#?}"
        );
    }
    assert_eq!(
        fs::read_to_string(folder.join("kept/cert.pem")).unwrap(),
        "what was there before"
    );
    assert_eq!(world.site.served(&world.root, NAME).unwrap(), serial);

    // Mended, they come round by themselves.
    fs::create_dir(folder.join("missing")).unwrap();
    fs::set_permissions(folder.join("kept"), fs::Permissions::from_mode(0o700)).unwrap();
    has_its_certificate(&world.gateway, "deploy[0]", &serial);
    has_its_certificate(&world.gateway, "deploy[5]", &serial);
    assert_eq!(serial_of(Path::new(&path("missing/cert.pem"))), serial);
}

/// The number of a process that there is no more.
fn ended_process() -> u32 {
    let mut child = Command::new("true").spawn().unwrap();
    child.wait().unwrap();
    child.id()
}
