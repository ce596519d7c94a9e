//! An answer that comes before the body has ended reaches the clients that people have, whoever is
//! still sending.

use std::process::Command;

use crate::support::wire::Upstream;
use crate::support::wire::message::Otherwise;
use crate::support::{Folder, Gateway, Process, free_ports};

const LARGE: usize = 20 << 20;

/// Answers when it has the head, then reads and drops the body, as Node does.
fn reads_on(answer: &'static str) -> Upstream {
    Upstream::raw(move |conn| {
        while let Some(head) = conn.head()? {
            conn.send(answer)?;
            conn.wire.body(&head, Otherwise::Nothing)?;
        }
        Ok(())
    })
}

/// Answers and closes, with the body unread.
fn closes(answer: &'static str) -> Upstream {
    Upstream::raw(move |conn| {
        conn.head()?;
        conn.send(answer)
    })
}

struct World {
    folder: Folder,
    gateway: Gateway,
    _upstreams: [Upstream; 3],
    _nginx: Process,
}

impl World {
    fn new() -> Self {
        let folder = Folder::new("early");
        let [port] = free_ports();
        let text = format!(
            "http {{\n    server {{ listen 127.0.0.1:{port}; client_max_body_size 1m; }}\n}}\n"
        );
        let mut nginx = Process::nginx(&folder, "nginx", &text);
        nginx.wait_for(port);
        let upstreams = [
            reads_on("HTTP/1.1 401 Unauthorized\r\nContent-Length: 2\r\n\r\nno"),
            reads_on("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"),
            closes(
                "HTTP/1.1 413 Content Too Large\r\nContent-Length: 2\r\n\
                 Connection: close\r\n\r\nno",
            ),
        ];
        let urls = upstreams
            .iter()
            .map(Upstream::url)
            .chain([format!("http://127.0.0.1:{port}")]);
        let tables: String = ["unauthorized", "ok", "closes", "nginx"]
            .iter()
            .zip(urls)
            .map(|(name, url)| {
                format!(
                    "[upstreams.{name}]\nservers = [\"{url}\"]\n[[routes]]\npath = \"/{name}\"\n\
                     upstream = \"{name}\"\n\
                     policy = \"open\"\nbody = \"100MiB\"\n"
                )
            })
            .collect();
        let gateway = Gateway::start(&folder, "", &tables);
        std::fs::write(folder.join("large"), vec![b'x'; LARGE]).unwrap();
        Self {
            folder,
            gateway,
            _upstreams: upstreams,
            _nginx: nginx,
        }
    }

    fn curl(&self, path: &str, version: &str) -> u16 {
        let file = self.folder.join("large");
        let args = [
            "--request",
            "POST",
            "--upload-file",
            file.to_str().unwrap(),
            version,
        ];
        self.gateway
            .clients()
            .curl(&[&args[..], &["--header", "Expect:", &self.gateway.url(path)]].concat())
            .status
    }

    /// Sends everything before it looks at anything.
    fn python(&self, path: &str) -> u16 {
        let script = "import http.client, ssl, sys\n\
                      context = ssl.create_default_context(cafile=sys.argv[1])\n\
                      url = sys.argv[2].split('/', 3)\n\
                      client = http.client.HTTPSConnection(url[2], context=context, timeout=60)\n\
                      client.request('POST', '/' + url[3], body=b'x' * int(sys.argv[3]))\n\
                      answer = client.getresponse()\n\
                      print(answer.status, len(answer.read()))\n";
        let ca = self.gateway.clients().ca;
        let output = Command::new("python3")
            .args(["-c", script])
            .arg(ca)
            .args([self.gateway.url(path), LARGE.to_string()])
            .output()
            .unwrap();
        let said = String::from_utf8_lossy(&output.stdout).into_owned();
        let status = said
            .split(' ')
            .next()
            .and_then(|status| status.parse().ok());
        status.unwrap_or_else(|| panic!("{path}: {output:?}"))
    }
}

#[test]
fn an_early_answer_reaches_every_client() {
    let world = World::new();
    for (path, status) in [
        ("/unauthorized", 401),
        ("/ok", 200),
        ("/closes", 413),
        ("/nginx", 413),
    ] {
        for _ in 0..6 {
            assert_eq!(world.curl(path, "--http1.1"), status, "curl {path}");
            assert_eq!(world.python(path), status, "python {path}");
        }
    }
    // By HTTP/2, curl 7.88 waits for itself behind an early 200, whatever the server does.
    assert_eq!(world.curl("/unauthorized", "--http2"), 401);
    let unread = world
        .gateway
        .accesses()
        .iter()
        .filter(|line| line["reason"] == "body_unread")
        .count();
    assert!(
        unread >= 12,
        "{unread} lines say that the body was not taken whole"
    );
}
