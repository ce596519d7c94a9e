//! `tests/real/issuer.js`: an OpenID provider.

use std::path::Path;

use super::{Clients, Folder, Process, free_ports};

/// The running provider.
#[derive(Debug)]
pub(crate) struct Issuer {
    process: Process,
    port: u16,
}

impl Issuer {
    pub(crate) fn start(folder: &Folder) -> Self {
        let [port] = free_ports();
        let mut process = Process::start(folder, "issuer", "node", |command| {
            command.args(["issuer.js", &port.to_string()]);
            command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/real"));
        });
        process.wait_for(port);
        Self { process, port }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://127.0.0.1:{}{path}", self.port)
    }

    /// A token that it gives to one of its clients.
    pub(crate) fn token(&self, client: &str) -> String {
        let form = format!("grant_type=client_credentials&resource=urn:media&client_id={client}");
        let secret = format!("client_secret=secret of {client}");
        let url = self.url("/token");
        let answer = self
            .clients()
            .curl(&["--data", &form, "--data-urlencode", &secret, &url]);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// Has it sign with another key from now on.
    pub(crate) fn rotate(&self) {
        assert_eq!(
            self.clients()
                .curl(&["--request", "POST", &self.url("/rotate")])
                .status,
            200
        );
    }

    /// How often its keys were asked for.
    pub(crate) fn fetches(&self) -> usize {
        self.process.said().matches("keys asked for").count()
    }

    fn clients(&self) -> Clients<'static> {
        // It speaks no TLS.
        Clients {
            ca: Path::new("/dev/null"),
        }
    }
}
