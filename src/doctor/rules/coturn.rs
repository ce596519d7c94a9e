//! `turnserver.conf`: who may relay, secrets, and what listens besides.

use super::super::finding::{Findings, Fix, NEW_SECRET};
use super::super::machine::Machine;
use super::super::read::settings::Settings;
use super::strength::weakness;

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for file in &machine.coturn {
        authentication(file, found);
        secrets(file, found);
        console(file, found);
        proxy_port(machine, file, found);
        ports(file, found);
        if file.is_on("allow-loopback-peers") {
            let why = "clients can relay to what listens on this machine's loopback alone";
            let place = &file
                .all("allow-loopback-peers")
                .last()
                .map(|it| it.place.clone());
            if let Some(place) = place {
                found.add("coturn-loopback-peers", place, why, Fix::Remove);
            }
        }
    }
}

/// Whether it relays at all.
pub(super) fn relays(file: &Settings) -> bool {
    !file.is_on("stun-only")
}

fn has_secret(file: &Settings) -> bool {
    file.get("static-auth-secret").is_some() || file.is_on("use-auth-secret")
}

fn authentication(file: &Settings, found: &mut Findings) {
    const LOGINS: [&str; 9] = [
        "lt-cred-mech",
        "user",
        "oauth",
        "userdb",
        "db",
        "psql-userdb",
        "mysql-userdb",
        "mongo-userdb",
        "redis-userdb",
    ];
    let has_login = has_secret(file) || LOGINS.iter().any(|name| file.get(name).is_some());
    if relays(file) && (file.is_on("no-auth") || !has_login) {
        let place = file
            .get("no-auth")
            .map_or_else(|| file.start(), |it| it.place.clone());
        let why = match file.is_on("no-auth") {
            true => "anyone can relay through this machine: no-auth turns passwords off",
            false => {
                "anyone can relay through this machine: without a secret or users, coturn asks for \
                 no password"
            }
        };
        let lines = format!("use-auth-secret\nstatic-auth-secret={NEW_SECRET}");
        found.add("coturn-no-auth", &place, why, Fix::add(lines));
    }
    if !has_secret(file) {
        return;
    }
    let first = file
        .get("static-auth-secret")
        .or(file.get("use-auth-secret"));
    let place = first.map_or_else(|| file.start(), |it| it.place.clone());
    if !file.is_on("use-auth-secret") {
        let why = "static-auth-secret alone switches the mechanism on in this version; say so";
        found.add(
            "coturn-auth-implicit",
            &place,
            why,
            Fix::add("use-auth-secret"),
        );
    }
    if let Some(user) = file.get("user") {
        let why = "with use-auth-secret coturn does not look at users: this one can never log in";
        found.add("coturn-user-ignored", &user.place, why, Fix::Remove);
    }
    if let Some(oauth) = file.get("oauth").filter(|_| file.is_on("oauth")) {
        let why = "oauth announces third-party authorization, which the secret does not need";
        found.add("coturn-oauth", &oauth.place, why, Fix::Remove);
    }
}

fn secrets(file: &Settings, found: &mut Findings) {
    let secrets: Vec<_> = file.all("static-auth-secret").collect();
    for secret in &secrets {
        if let Some(weakness) = weakness(&secret.value) {
            let why =
                format!("the secret {weakness}: who finds it makes credentials for everybody");
            let fix = Fix::write(format!("static-auth-secret={NEW_SECRET}"));
            found.add("coturn-secret-weak", &secret.place, why, fix);
        }
    }
    if let [first, .., _] = &secrets[..] {
        let why = "coturn takes credentials of each of these secrets; keep the one that is in use";
        found.add("coturn-secret-twice", &first.place, why, Fix::Remove);
    }
}

/// Without a password coturn does not open its console.
fn console(file: &Settings, found: &mut Findings) {
    if file.is_on("no-cli") {
        return;
    }
    let Some(password) = file.get("cli-password") else {
        let why = "the telnet console is off only because it has no password";
        return found.add("coturn-cli", &file.start(), why, Fix::add("no-cli"));
    };
    let is_local = |ip: &str| ip.starts_with("127.") || ip == "::1";
    let is_public = file.get("cli-ip").is_some_and(|it| !is_local(&it.value));
    let is_hashed = password.value.starts_with('$');
    let why = match weakness(&password.value) {
        _ if is_public => "the telnet console, without TLS, listens beyond this machine",
        Some(_) if !is_hashed => "every user of this machine can guess the console's password",
        _ => return,
    };
    found.add(
        "coturn-cli-open",
        &password.place,
        why,
        Fix::write("no-cli"),
    );
}

/// Its clients say themselves what their address is.
fn proxy_port(machine: &Machine, file: &Settings, found: &mut Findings) {
    let Some(setting) = file.get("tcp-proxy-port") else {
        return;
    };
    let port = setting.value.parse().unwrap_or(0);
    let is_local = |ip: &str| ip.starts_with("127.") || ip == "::1";
    let mut addresses = file
        .all("listening-ip")
        .map(|it| it.value.as_str())
        .peekable();
    let is_closed = addresses.peek().is_some() && addresses.all(is_local);
    if !is_closed && !machine.firewall.shuts(true, port) {
        let why = format!(
            "everybody who reaches port {port} can write any client address into the PROXY header"
        );
        let fix = Fix::Run(super::ports::shut(port));
        found.add("coturn-proxy-port", &setting.place, why, fix);
    }
}

fn ports(file: &Settings, found: &mut Findings) {
    let has_range = file.get("min-port").is_some() && file.get("max-port").is_some();
    if relays(file) && !has_range {
        let why = "relays use 49152 to 65535: without a range of your own the firewall has to \
                   leave all of these open";
        let fix = Fix::add("min-port=49152\nmax-port=50151");
        found.add("coturn-port-range", &file.start(), why, fix);
    }
}
