//! The servers that stand before, beside and behind a gateway, each with a configuration of its
//! own.

use super::{Folder, Process};

impl Process {
    /// HAProxy in the foreground, with sections beside `defaults`.
    pub(crate) fn haproxy(folder: &Folder, name: &str, mode: &str, sections: &str) -> Self {
        let file = folder.write(
            &format!("{name}.cfg"),
            &format!(
                "global\n    maxconn 200\ndefaults\n    mode {mode}\n    timeout connect 10s\n    \
                 timeout client 60s\n    \
                 timeout server 60s\n{sections}"
            ),
        );
        Self::start(folder, name, "/usr/sbin/haproxy", |command| {
            command.args(["-db", "-f"]).arg(file);
        })
    }

    /// nginx in the foreground, with what stands beside `events`, and everything that it writes in
    /// the test's folder.
    pub(crate) fn nginx(folder: &Folder, name: &str, text: &str) -> Self {
        let home = folder.join(name);
        let place = home.display();
        let temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"]
            .map(|kind| format!("    {kind}_temp_path {place}/{kind};\n"))
            .concat();
        let text = text.replacen(
            "http {\n",
            &format!("http {{\n{temporary}    access_log off;\n"),
            1,
        );
        let modules = "load_module /usr/lib/nginx/modules/ngx_stream_module.so;";
        let file = folder.write(
            &format!("{name}/nginx.conf"),
            &format!(
                "{modules}\ndaemon off;\nmaster_process off;\npid {place}/pid;\nevents {{}}\n{text}"
            ),
        );
        Self::start(folder, name, "/usr/sbin/nginx", |command| {
            command
                .args(["-e", "stderr", "-p"])
                .arg(home)
                .arg("-c")
                .arg(file);
        })
    }

    /// coturn on loopback alone: plain and TLS ports for TCP, credentials of its shared secret.
    pub(crate) fn coturn(
        folder: &Folder,
        [plain, tls]: [u16; 2],
        cert: &super::openssl::Pair,
        secret: &str,
    ) -> Self {
        let database = folder.join("turndb");
        let pid = folder.join("turnserver.pid");
        let (cert, key) = (cert.cert.display(), cert.key.display());
        let file = folder.write(
            "turnserver.conf",
            &format!(
                "listening-ip=127.0.0.1\nrelay-ip=127.0.0.1\nlistening-port={plain}\n\
                 tls-listening-port={tls}\n\
                 cert={cert}\npkey={key}\nuse-auth-secret\nstatic-auth-secret={secret}\n\
                 realm=example.com\n\
                 allow-loopback-peers\nno-cli\nno-udp\nno-dtls\nlog-file=stdout\nsimple-log\n\
                 verbose\n\
                 userdb={}\npidfile={}\n",
                database.display(),
                pid.display()
            ),
        );
        Self::start(folder, "turnserver", "turnserver", |command| {
            command.arg("-c").arg(file);
        })
    }
}
