//! The servers behind a gateway, and its file.

use std::sync::Arc;

use super::ledger::Ledger;
use super::server::{Manner, Server};
use super::threads::Threads;

/// What is in the gateway's file.
#[derive(Debug)]
pub(crate) struct Setup {
    ports: Ports,
    /// The ports of a real Janus, over REST and WebSockets.
    pub(crate) real: Option<[u16; 2]>,
    pub(crate) acme: Option<Acme>,
}

/// Ports of the servers in this process.
#[derive(Clone, Copy, Debug)]
struct Ports {
    app: u16,
    /// Two healthy ones beside the faulty one.
    pool: [u16; 2],
    ill: u16,
    slow: u16,
    janus: u16,
}

/// Where certificates come from.
#[derive(Debug)]
pub(crate) struct Acme {
    pub(crate) directory: String,
    pub(crate) ca: String,
    /// Where the CA looks for tokens.
    pub(crate) http: u16,
    /// How many certificates there are.
    pub(crate) hosts: usize,
}

impl Setup {
    /// Starts the servers.
    pub(crate) fn new(threads: &Threads, ledger: &Arc<Ledger>) -> Self {
        let start = |name, manner| {
            threads
                .servers
                .block_on(Server::start(name, manner, ledger))
        };
        Self {
            ports: Ports {
                app: start("app", Manner::Healthy),
                pool: ["one", "two"].map(|name| start(name, Manner::Healthy)),
                ill: start("ill", Manner::ResetsEveryThird),
                slow: start("slow", Manner::Slow),
                janus: start("janus", Manner::Janus),
            },
            real: None,
            acme: None,
        }
    }

    /// The file, which differs with each reload.
    pub(crate) fn text(&self, reload: u32) -> String {
        let http = self
            .acme
            .iter()
            .map(|acme| format!("http = [\"127.0.0.1:{}\"]\n", acme.http));
        let acme = self.acme.iter().map(Acme::text);
        format!(
            "[listen]\nhttps = [\"127.0.0.1:{{HTTPS}}\"]\n{}status = \"127.0.0.1:{{STATUS}}\"\n\
             workers = 2\n[log]\naccess = true\naudit = \"stdout\"\n\
             [tls]\nself_signed = [\"localhost\"]\n{}\
             [policies.callers]\nallow = [\"127.0.0.0/8\"]\nmessages = [\"janus-caller\"]\n{}{}",
            http.collect::<String>(),
            acme.collect::<String>(),
            self.upstreams(),
            self.routes(reload),
        )
    }

    /// The same with something wrong.
    pub(crate) fn broken(text: &str) -> String {
        text.replace("upstream = \"app\"", "upstream = \"gone\"")
    }

    fn upstreams(&self) -> String {
        let Ports {
            app,
            pool: [one, two],
            ill,
            slow,
            janus,
        } = self.ports;
        let judged = "protocol = \"janus\"\n";
        let mut all = [
            upstream("app", &[app], ""),
            upstream("pool", &[one, two, ill], "balance = \"round_robin\"\n"),
            upstream("ill", &[ill], ""),
            upstream("slow", &[slow], ""),
            upstream("janus", &[janus], judged),
        ]
        .concat();
        if let Some([rest, websocket]) = self.real {
            all += &upstream("real", &[rest], judged);
            all += &upstream("real-ws", &[websocket], judged);
        }
        all
    }

    fn routes(&self, reload: u32) -> String {
        let open = "policy = \"open\"\n";
        let callers = "policy = \"callers\"\n";
        let mut all = [
            route("/app", "app", open),
            route("/echo", "app", open),
            route("/pool", "pool", open),
            route("/ill", "ill", open),
            route("/slow", "slow", open),
            route("/rest", "janus", callers),
            route("/ws", "janus", callers),
            // Each file has something of its own.
            route(&format!("/reload-{reload}"), "app", open),
        ]
        .concat();
        if self.real.is_some() {
            let at = |path| format!("{callers}rewrite = \"{path}\"\n");
            all += &route("/real", "real", &at("/janus"));
            all += &route("/real-ws", "real-ws", &at("/"));
        }
        all
    }
}

impl Acme {
    fn text(&self) -> String {
        let Self {
            directory,
            ca,
            hosts,
            ..
        } = self;
        let hosts: Vec<_> = (0..*hosts)
            .map(|number| format!("{{ hosts = [\"h{number}.test\"] }}"))
            .collect();
        format!(
            "[acme]\ndirectory = \"{directory}\"\ndirectory_ca = \"{ca}\"\nstore = \"acme\"\n\
             certificates = [{}]\n",
            hosts.join(", ")
        )
    }
}

fn upstream(name: &str, ports: &[u16], lines: &str) -> String {
    let servers: Vec<_> = ports
        .iter()
        .map(|port| format!("\"http://127.0.0.1:{port}\""))
        .collect();
    let servers = servers.join(", ");
    format!("[upstreams.{name}]\nservers = [{servers}]\n{lines}")
}

fn route(path: &str, upstream: &str, lines: &str) -> String {
    format!("[[routes]]\npath = \"{path}\"\nupstream = \"{upstream}\"\n{lines}")
}
