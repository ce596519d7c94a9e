//! Requests on the control socket: what they may contain, how many there may be, and how they end.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, TcpListener};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::control::{Place, ianitor, post, response, said};
use crate::harness::process::GatewayProcess;
use crate::harness::{Config, DEADLINE, eventually};

/// As many renewals may wait.
const RENEWALS: usize = 32;

const RENEW: &str = "/v1/certificates/renew";

/// A gateway whose CA accepts connections and never answers, so that renewals wait.
struct Waiting {
    place: Place,
    gateway: GatewayProcess,
    _ca: TcpListener,
}

impl Waiting {
    fn new() -> Self {
        let ca = TcpListener::bind("127.0.0.1:0").unwrap();
        let acme = format!(
            "[acme]\ndirectory = \"https://{}/directory\"\n\
             certificates = [{{ hosts = [\"media.test\"] }}]\n",
            ca.local_addr().unwrap()
        );
        let place = Place::new();
        let gateway = GatewayProcess::start(&place.config().table(&acme));
        Self {
            place,
            gateway,
            _ca: ca,
        }
    }

    fn renew(&self) -> UnixStream {
        let mut stream = UnixStream::connect(self.place.socket()).unwrap();
        let body = "{ \"host\": \"media.test\" }";
        let length = body.len();
        let head =
            format!("POST {RENEW} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n\r\n");
        stream
            .write_all(format!("{head}{body}").as_bytes())
            .unwrap();
        stream
    }

    fn requests(&self) -> usize {
        let events = self.gateway.events();
        let is_request = |line: &&String| line.contains("a request on the control socket");
        events.iter().filter(is_request).count()
    }

    /// `ianitor certs renew`, once the gateway has its request.
    fn command(&self) -> std::process::Child {
        let config = self.gateway.config_path();
        let mut command = ianitor(&config, &["certs", "renew", "media.test"]);
        let child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn();
        self.gateway.event("a request on the control socket");
        child.unwrap()
    }
}

#[test]
fn renewals_that_wait_leave_room_for_other_requests() {
    let waiting = Waiting::new();
    let open: Vec<UnixStream> = (1..=RENEWALS)
        .map(|number| {
            let stream = waiting.renew();
            eventually("the request is read", || waiting.requests() == number);
            stream
        })
        .collect();
    let (status, answer) = response(waiting.renew());
    assert_eq!(status, 503, "{answer}");
    let error = answer["error"].as_str().unwrap();
    assert!(error.starts_with("32 requests are waiting"), "{error}");
    let (status, answer) = post(&waiting.place.socket(), "/v1/reload", "");
    assert_eq!(status, 200, "{answer}");
    // The places of clients that have closed their connections are free again.
    drop(open);
    eventually("a renewal may wait", || {
        let mut stream = waiting.renew();
        let patience = Some(Duration::from_millis(200));
        stream.set_read_timeout(patience).unwrap();
        let read = stream.read(&mut [0]);
        read.is_err_and(|error| error.kind() == io::ErrorKind::WouldBlock)
    });
}

#[test]
fn a_gateway_that_stops_answers_the_requests_that_wait() {
    let mut waiting = Waiting::new();
    let command = waiting.command();
    waiting.gateway.signal(Signal::TERM);
    let text = said(&command.wait_with_output().unwrap(), 1);
    assert!(
        text.contains("media.test: not ordered: the gateway"),
        "{text}"
    );
    assert!(!text.contains("without an answer"), "{text}");
    assert!(waiting.gateway.ended().success());
}

#[test]
fn a_command_that_is_terminated_ends_in_order() {
    let waiting = Waiting::new();
    let command = waiting.command();
    kill_process(Pid::from_child(&command), Signal::TERM).unwrap();
    let text = said(&command.wait_with_output().unwrap(), 1);
    assert!(text.contains("interrupted; the gateway finishes"), "{text}");
    let (status, answer) = post(&waiting.place.socket(), "/v1/reload", "");
    assert_eq!(status, 200, "{answer}");
}

#[test]
fn a_client_that_has_closed_its_own_side_is_answered() {
    let place = Place::new();
    let _gateway = GatewayProcess::start(&place.config());
    let mut stream = UnixStream::connect(place.socket()).unwrap();
    let request = "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n\r\n";
    stream.write_all(request.as_bytes()).unwrap();
    stream.shutdown(Shutdown::Write).unwrap();
    let (status, answer) = response(stream);
    assert_eq!(status, 200, "{answer}");
}

/// Sends a request and returns the status line of the answer.
/// Half of the places are taken by clients that say nothing, or half of a request.
#[test]
fn clients_that_send_nothing_or_half_a_request_hold_up_nothing() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let connect = |number| {
        let mut stream = UnixStream::connect(place.socket()).unwrap();
        if number % 2 == 0 {
            stream.write_all(b"POST /v1/reload HTTP/1.1\r\nHo").unwrap();
        }
        stream
    };
    let mut silent: Vec<UnixStream> = (0..RENEWALS / 2).map(connect).collect();
    let mut client = gateway.dial().h1();
    for _ in 0..3 {
        assert_eq!(client.get("/").status(), 200);
        let config = gateway.config_path();
        said(&ianitor(&config, &["reload"]).output().unwrap(), 0);
    }
    // They are closed after their time.
    for stream in &mut silent {
        stream.set_read_timeout(Some(DEADLINE)).unwrap();
        stream.read_to_end(&mut Vec::new()).unwrap();
    }
    assert_eq!(client.get("/").status(), 200);
}

fn status_line(socket: &Path, request: &[u8]) -> String {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.write_all(request).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    answer.lines().next().unwrap_or_default().to_owned()
}

#[test]
fn requests_that_are_too_large_are_answered() {
    let place = Place::new();
    let _gateway = GatewayProcess::start(&place.config());
    let head = format!(
        "POST /v1/reload HTTP/1.1\r\nHost: localhost\r\nX-Long: {}\r\n\r\n",
        "a".repeat(40_000)
    );
    let line = status_line(&place.socket(), head.as_bytes());
    assert!(line.starts_with("HTTP/1.1 431 "), "{line}");

    let length = 3 << 20;
    let head = format!("POST {RENEW} HTTP/1.1\r\nHost: localhost\r\nContent-Length: {length}\r\n");
    let mut request = format!("{head}\r\n").into_bytes();
    request.resize(request.len() + length, b' ');
    let line = status_line(&place.socket(), &request);
    assert!(line.starts_with("HTTP/1.1 413 "), "{line}");
    // A client that waits to be asked for the body is not asked.
    let expects = format!("{head}Expect: 100-continue\r\n\r\n");
    let line = status_line(&place.socket(), expects.as_bytes());
    assert!(line.starts_with("HTTP/1.1 413 "), "{line}");
}

#[test]
fn a_request_that_names_another_configuration_is_rejected() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let missing = place.folder().join("missing.toml");
    let ask = |path: &str, config: &Path| {
        let body = serde_json::json!({ "config": config, "host": "media.test" });
        let mut body = body;
        if path != RENEW {
            body.as_object_mut().unwrap().remove("host");
        }
        post(&place.socket(), path, &body.to_string())
    };
    for path in ["/v1/reload", RENEW] {
        let (status, answer) = ask(path, &missing);
        assert_eq!(status, 409, "{answer}");
        let (status, answer) = ask(path, Path::new("gateway.toml"));
        assert_eq!(status, 400, "{answer}");
    }
    // Its own, by another spelling, and also when the file is missing.
    let own = gateway.config_path();
    let folder = own.parent().unwrap();
    let spelled = folder.join("..").join(folder.file_name().unwrap());
    let spelled = spelled.join("gateway.toml");
    assert_eq!(ask("/v1/reload", &spelled).0, 200);
    std::fs::remove_file(&own).unwrap();
    let (status, answer) = ask("/v1/reload", &spelled);
    assert_eq!(status, 422, "{answer}");
}

/// A gateway that hangs, or another program.
#[test]
fn a_reload_that_is_not_answered_ends_with_a_message() {
    let place = Place::new();
    let _silent = UnixListener::bind(place.socket()).unwrap();
    let config = place.folder().join("gateway.toml");
    std::fs::write(&config, place.config().text()).unwrap();
    let output = ianitor(&config, &["reload", "--wait", "1s"]).output();
    let text = said(&output.unwrap(), 1);
    assert!(
        text.starts_with("the gateway has not answered within 1 s; "),
        "{text}"
    );
}

/// The answer of a reload has what the log has: what takes effect only after a restart.
#[test]
fn a_reload_names_what_needs_a_restart() {
    let place = Place::new();
    let gateway = GatewayProcess::start(&place.config());
    let reload = |config: &Config| -> Value {
        std::fs::write(gateway.config_path(), config.text()).unwrap();
        let (status, answer) = post(&place.socket(), "/v1/reload", "");
        assert_eq!(status, 200, "{answer}");
        answer["warnings"].clone()
    };
    let listen = format!(
        "https = [\"127.0.0.1:0\"]\nworkers = 3\ncontrol = \"{}\"",
        place.socket().display()
    );
    let changed = place.config().listen(&listen).log("format = \"json\"");
    // Twice: what is in force does not change by asking again.
    for _ in 0..2 {
        let warnings = reload(&changed).to_string();
        let expected = "listen.workers: the number of workers stays 2, and is 3 after a restart";
        assert!(warnings.contains(expected), "{warnings}");
        let expected = "log.format: the format of events stays text, and is json after a restart";
        assert!(warnings.contains(expected), "{warnings}");
    }
    gateway.event("the number of workers stays 2");
    assert_eq!(reload(&place.config()).as_array().unwrap().len(), 0);
}
