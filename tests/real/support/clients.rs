//! curl, and the published clients of `tests/real`.

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use serde_json::Value;

/// Clients that trust one CA.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Clients<'a> {
    pub(crate) ca: &'a Path,
}

impl Clients<'_> {
    pub(crate) fn curl(self, args: &[&str]) -> Answer {
        let output = self.run_curl(args);
        assert!(output.status.success(), "curl {args:?}: {output:?}");
        Answer::from_curl(&String::from_utf8(output.stdout).unwrap())
    }

    /// The status that curl ends with where it gets no whole answer.
    #[track_caller]
    pub(crate) fn curl_fails(self, args: &[&str]) -> i32 {
        let output = self.run_curl(args);
        assert!(!output.status.success(), "curl {args:?}: {output:?}");
        output.status.code().unwrap()
    }

    fn run_curl(self, args: &[&str]) -> Output {
        Command::new("curl")
            .args([
                "--silent",
                "--show-error",
                "--noproxy",
                "*",
                "--max-time",
                "100",
                "--cacert",
            ])
            .arg(self.ca)
            .args([
                "--write-out",
                "\n%{http_code} %{http_version} %{redirect_url}",
            ])
            .args(args)
            .output()
            .unwrap()
    }

    /// Asks for a WebSocket that must not come about.
    pub(crate) fn refused_handshake(self, url: &str, headers: &[&str]) -> Answer {
        let key = "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==";
        let handshake = [
            "Connection: Upgrade",
            "Upgrade: websocket",
            "Sec-WebSocket-Version: 13",
            key,
        ];
        let headers = handshake
            .iter()
            .chain(headers)
            .flat_map(|header| ["--header", header]);
        self.curl(
            &["--http1.1", url]
                .into_iter()
                .chain(headers)
                .collect::<Vec<_>>(),
        )
    }

    /// Runs one of the scripts of `tests/real`, which say by their status how it went.
    pub(crate) fn node(self, args: &[&str]) -> String {
        self.node_for(120, args)
    }

    /// The same, for a script that may take so many seconds.
    pub(crate) fn node_for(self, seconds: u32, args: &[&str]) -> String {
        self.run_node(seconds, "", args)
    }

    /// The same, for a script that is told by standard input what nobody is to see in a list of
    /// processes.
    pub(crate) fn node_with(self, input: &str, args: &[&str]) -> String {
        self.run_node(120, input, args)
    }

    fn run_node(self, seconds: u32, input: &str, args: &[&str]) -> String {
        let mut child = Command::new("timeout")
            .args([&seconds.to_string(), "node"])
            .args(args)
            .env("NODE_EXTRA_CA_CERTS", self.ca)
            .current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        // Short enough for any pipe; a script that does not listen may have gone.
        let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
        let output = child.wait_with_output().unwrap();
        let said = [output.stdout, output.stderr]
            .map(|text| String::from_utf8_lossy(&text).into_owned())
            .concat();
        println!("{}: {said}", args[0]);
        assert!(
            output.status.success(),
            "{}: {}\n{said}",
            args[0],
            output.status
        );
        said
    }
}

/// What curl got.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) version: String,
    pub(crate) location: String,
    pub(crate) body: String,
}

impl Answer {
    fn from_curl(text: &str) -> Self {
        let (body, end) = text.rsplit_once('\n').unwrap();
        let mut end = end.splitn(3, ' ').map(str::to_owned);
        Self {
            status: end.next().unwrap().parse().unwrap(),
            version: end.next().unwrap(),
            location: end.next().unwrap(),
            body: body.to_owned(),
        }
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap()
    }
}
