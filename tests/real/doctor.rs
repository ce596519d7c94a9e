//! What `ianitor doctor` says of a `janus.jcfg`, and what the real Janus does with it.

use std::io::{Read as _, Write as _};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use crate::support::{Folder, free_ports};

/// Plugins take time to start, and are not what is tried.
const NO_PLUGINS: &str = "plugins: { disable = \"libjanus_audiobridge.so,libjanus_streaming.so,\
    libjanus_videoroom.so,libjanus_sip.so,libjanus_nosip.so,libjanus_recordplay.so,\
    libjanus_textroom.so,libjanus_videocall.so,libjanus_voicemail.so,libjanus_lua.so,\
    libjanus_duktape.so\" }\n";

/// Files of which Janus takes some and not others.
const CASES: [(&str, &str); 16] = [
    (
        "plain",
        "general: { admin_secret = \"a secret of the admin API\" }",
    ),
    (
        "other-case",
        "General: { Api_Secret = \"a secret of the clients\" }",
    ),
    (
        "comments",
        "# one\n// two\n/* three\n { ( */ general = { debug_level = 4; };",
    ),
    (
        "joined",
        "general: { server_name = \"a\" /* and */ \"b\" }\nmedia = { }",
    ),
    (
        "numbers",
        "general: { session_timeout = 0x3C\n candidates_timeout = 45L, x = 1.5e3 }",
    ),
    (
        "lists",
        "general: { a = [ 1, 2 ]; b = ( 1, \"two\", { c = true } ) }",
    ),
    ("included", "@include \"FOLDER/more.cfg\"\ngeneral: { }"),
    (
        "address",
        "nat: { turn_server = \"2001:db8::1\"\n turn_port = 3478\n turn_type = \"udp\" }",
    ),
    (
        "twice",
        "general: { api_secret = \"x\"\n api_secret = \"y\" }",
    ),
    ("no-quotes", "general: { api_secret = abc }"),
    ("open-string", "general: { api_secret = \"abc }"),
    ("mixed", "general: { a = [ 1, \"two\" ] }"),
    ("wrong-end", "general: { a = 1 ]"),
    ("open-comment", "general: { /* a = 1 }"),
    ("not-there", "@include \"FOLDER/nowhere.cfg\"\n"),
    (
        "brackets",
        "nat: { turn_server = \"[2001:db8::1]\"\n turn_port = 3478\n turn_type = \"udp\" }",
    ),
];

fn write(folder: &Folder, name: &str, core: &str, http: &str) -> u16 {
    let core = core.replace("FOLDER", folder.join(name).to_str().unwrap());
    let [port] = free_ports();
    let http = http.replace("PORT", &port.to_string());
    folder.write(
        &format!("{name}/janus.jcfg"),
        &format!("{core}\n{NO_PLUGINS}"),
    );
    folder.write(&format!("{name}/more.cfg"), "more: { }\n");
    folder.write(&format!("{name}/janus.transport.http.jcfg"), &http);
    let off = "general: { ws = false }\n";
    folder.write(&format!("{name}/janus.transport.websockets.jcfg"), off);
    port
}

/// Whether Janus comes to listen before it ends; it runs while `then` does.
fn starts<T>(folder: &Path, port: u16, then: impl FnOnce() -> T) -> Option<T> {
    let mut janus = Command::new("janus")
        .arg("-F")
        .arg(folder)
        .arg("-C")
        .arg(folder.join("janus.jcfg"))
        .arg("-o")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    let does = loop {
        if TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            break Some(then());
        }
        if janus.try_wait().unwrap().is_some() {
            break None;
        }
        assert!(Instant::now() < deadline, "{}", folder.display());
        thread::sleep(Duration::from_millis(20));
    };
    _ = janus.kill();
    janus.wait().unwrap();
    does
}

/// The identifiers of what doctor finds in a folder.
fn found(folder: &Path) -> Vec<String> {
    let output = Command::new(env!("CARGO_BIN_EXE_ianitor"))
        .args(["doctor", "--json"])
        .arg(folder)
        .output()
        .unwrap();
    let document: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let findings = document["findings"].as_array().unwrap();
    findings
        .iter()
        .map(|finding| finding["id"].as_str().unwrap().to_owned())
        .collect()
}

#[test]
fn doctor_and_janus_agree_on_files() {
    let folder = Folder::new("doctor-janus");
    let http = "general: {\n http = true\n port = PORT\n ip = \"127.0.0.1\"\n}\n";
    thread::scope(|scope| {
        for (name, core) in CASES {
            let folder = &folder;
            scope.spawn(move || {
                let port = write(folder, name, core, http);
                let here = folder.join(name);
                let starts = starts(&here, port, || ()).is_some();
                let found = found(&here);
                let stops = ["janus-syntax", "janus-turn-brackets"];
                let says = !found.iter().any(|id| stops.contains(&id.as_str()));
                assert_eq!(says, starts, "{name}: {core}\ndoctor found {found:?}");
            });
        }
    });
}

/// What a GET is answered with; nothing if Janus closes the connection.
fn get(port: u16, path: &str) -> String {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).unwrap();
    stream
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let request = format!("GET {path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut answer = Vec::new();
    _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// Access lists compare beginnings, and hold only in the block that Janus reads them from.
#[test]
fn access_lists_do_what_doctor_says() {
    let folder = Folder::new("doctor-janus-acl");
    let core = "general: { admin_secret = \"a secret of the admin API\" }";
    for (name, general, id, is_let_in) in [
        ("prefix", "acl = \"12\"", Some("janus-acl-prefix"), true),
        ("exact", "acl = \"127.\"", None, true),
        ("other", "acl = \"10.\"", None, false),
        (
            "admins",
            "admin_acl = \"10.\"",
            Some("janus-wrong-block"),
            true,
        ),
    ] {
        let http = format!(
            "general: {{\n http = true\n port = PORT\n ip = \"127.0.0.1\"\n {general}\n}}\n"
        );
        let port = write(&folder, name, core, &http);
        let here = folder.join(name);
        let answer = starts(&here, port, || get(port, "/janus/info")).unwrap();
        assert_eq!(
            answer.contains("server_info"),
            is_let_in,
            "{name}: {answer}"
        );
        let found = found(&here);
        let want: Vec<String> = id.into_iter().map(str::to_owned).collect();
        assert_eq!(found, want, "{name}");
    }
}

/// The files of the package, with all their comments.
#[test]
fn the_files_of_the_package_are_read() {
    let mut found = found(Path::new("/etc/janus"));
    found.dedup();
    found.sort();
    found.dedup();
    // Two paths in its janus.transport.mqtt.jcfg have no quotes.
    let want = [
        "janus-api-open",
        "janus-file-unread",
        "janus-record-open",
        "janus-room-secret-default",
    ];
    assert_eq!(found, want);
}
