//! Certificates and keys that servers name.

use x509_parser::pem::Pem;
use x509_parser::prelude::{GeneralName, X509Certificate};

use super::super::files::Files;
use super::super::finding::{Findings, Fix};
use super::super::machine::{Machine, hosts};
use super::super::place::Place;
use super::super::tree::{Member, last};
use super::nginx;

/// A file that a server names, and how the line would be written with another path.
struct Named {
    place: Place,
    path: String,
    line: [&'static str; 2],
}

const LARGEST: u64 = 1 << 20;
/// Where certbot keeps links to the newest files.
const LIVE: &str = "/etc/letsencrypt/live";

pub(super) fn check(machine: &Machine, files: &dyn Files, found: &mut Findings) {
    let named = named(machine);
    for file in &named {
        numbered(file, found);
        stale(file, files, found);
        readable(&file.path, &file.place, files, found);
    }
    unreadable(machine, files, found);
}

fn named(machine: &Machine) -> Vec<Named> {
    let mut named = Vec::new();
    for file in &machine.coturn {
        for (name, line) in [("cert", ["cert=", ""]), ("pkey", ["pkey=", ""])] {
            let settings = file.all(name);
            named.extend(settings.map(|setting| Named {
                place: setting.place.clone(),
                path: setting.value.clone(),
                line,
            }));
        }
    }
    let trees = machine.janus.iter().flat_map(|janus| janus.files.values());
    for tree in trees {
        for (name, line) in [
            ("cert_pem", ["cert_pem = \"", "\""]),
            ("cert_key", ["cert_key = \"", "\""]),
        ] {
            named.extend(of_member(tree.find(&["certificates", name]), line));
        }
    }
    for tree in &machine.kurento {
        let path = ["mediaServer", "net", "websocket", "secure", "certificate"];
        named.extend(of_member(tree.find(&path), ["\"certificate\": \"", "\","]));
    }
    for tree in &machine.prosody {
        let sections = hosts(tree).map(|host| host.node.members());
        for members in std::iter::once(&tree.members[..]).chain(sections) {
            let ssl = last(members, "ssl").map_or(&[][..], |member| member.node.members());
            let lines = [
                ("certificate", ["certificate = \"", "\";"]),
                ("key", ["key = \"", "\";"]),
            ];
            for (name, line) in lines {
                named.extend(of_member(last(ssl, name), line));
            }
        }
    }
    let sections = machine.haproxy.iter().flat_map(|file| &file.sections);
    for line in sections.flat_map(|section| &section.lines) {
        if line.word(0) == "bind"
            && let Some(path) = line.after("crt")
        {
            named.push(Named {
                place: line.place.clone(),
                path: path.to_owned(),
                line: ["crt ", ""],
            });
        }
    }
    let of_nginx = nginx::certificates(machine).into_iter();
    named.extend(of_nginx.map(|(place, path, line)| Named { place, path, line }));
    named
}

fn of_member(member: Option<&Member>, line: [&'static str; 2]) -> Option<Named> {
    let member = member?;
    let path = member.node.text()?.to_owned();
    let place = member.place.clone();
    Some(Named { place, path, line })
}

/// `…/archive/NAME/fullchain3.pem`, or a copy that kept the name: the next renewal has 4.
fn numbered(file: &Named, found: &mut Findings) {
    let (folder, name) = file.path.rsplit_once('/').unwrap_or(("", &file.path));
    let Some(stem) = name.strip_suffix(".pem") else {
        return;
    };
    let kind = stem.trim_end_matches(|c: char| c.is_ascii_digit());
    let is_numbered = kind != stem && ["fullchain", "privkey", "cert", "chain"].contains(&kind);
    if !is_numbered {
        return;
    }
    let why = format!(
        "{name} is one certificate of certbot's archive: the next renewal writes \
                       another file, and this one expires"
    );
    let lineage = folder.rsplit_once("/archive/").map(|(_, lineage)| lineage);
    let [before, after] = file.line;
    let fix = match lineage {
        Some(lineage) => Fix::write(format!("{before}{LIVE}/{lineage}/{kind}.pem{after}")),
        None => Fix::write(format!("{before}{folder}/{kind}.pem{after}")),
    };
    found.add("certificate-numbered", &file.place, why, fix);
}

/// A private key that every user can read.
fn readable(path: &str, place: &Place, files: &dyn Files, found: &mut Findings) {
    let Some(look) = files.look(path).filter(|look| !look.is_folder) else {
        return;
    };
    let mut folders = path.match_indices('/').skip(1).map(|(at, _)| &path[..at]);
    let is_hidden = folders.any(|it| files.look(it).is_none_or(|look| look.mode & 0o001 == 0));
    if look.mode & 0o004 == 0 || is_hidden {
        return;
    }
    let is_key = files.read(path, LARGEST).is_ok_and(|bytes| has_key(&bytes));
    if is_key {
        let why = format!("every user of this machine can read the private key {path}");
        found.add(
            "key-readable",
            place,
            why,
            Fix::Run(format!("chmod 640 {path}")),
        );
    }
}

fn has_key(bytes: &[u8]) -> bool {
    Pem::iter_from_buffer(bytes)
        .flatten()
        .any(|pem| pem.label.ends_with("PRIVATE KEY"))
}

/// The packaged unit runs coturn as a user that certbot's folder is closed to.
fn unreadable(machine: &Machine, files: &dyn Files, found: &mut Findings) {
    if !machine.packages.contains_key("coturn") {
        return;
    }
    let is_closed = |folder: &str| {
        files
            .look(folder)
            .is_some_and(|look| look.owner == 0 && look.mode & 0o011 == 0)
    };
    if !is_closed(LIVE) && !is_closed("/etc/letsencrypt/archive") {
        return;
    }
    for file in &machine.coturn {
        for setting in ["cert", "pkey"].iter().filter_map(|name| file.get(name)) {
            if setting.value.starts_with("/etc/letsencrypt/") {
                let why = "coturn runs as the user turnserver, and certbot's folder is open to \
                           root alone: TLS does not start";
                let fix = Fix::write(format!(
                    "{}=/etc/coturn/certs/{}",
                    setting.name,
                    setting.value.rsplit('/').next().unwrap_or_default()
                ));
                found.add("coturn-certificate-unreadable", &setting.place, why, fix);
            }
        }
    }
}

/// A copy of a certificate that certbot has renewed since.
fn stale(file: &Named, files: &dyn Files, found: &mut Findings) {
    if file.path.starts_with("/etc/letsencrypt/") {
        return;
    }
    let Some((names, from)) = files
        .read(&file.path, LARGEST)
        .ok()
        .and_then(|it| first(&it))
    else {
        return;
    };
    for lineage in files.list(LIVE).unwrap_or_default() {
        let path = format!("{LIVE}/{lineage}/fullchain.pem");
        let newest = files.read(&path, LARGEST).ok().and_then(|it| first(&it));
        if newest.is_some_and(|(of, since)| of == names && since > from) {
            let why = format!(
                "this copy is older than {path}: the server shows a certificate that \
                               expires"
            );
            let fix = Fix::Run(format!(
                "install -m 640 {path} {}, and restart the server; [[deploy]] of ianitor does it \
                 at each renewal",
                file.path
            ));
            found.add("certificate-stale", &file.place, why, fix);
        }
    }
}

/// The names of the first certificate, and since when it holds.
fn first(bytes: &[u8]) -> Option<(Vec<String>, i64)> {
    let pems: Vec<Pem> = Pem::iter_from_buffer(bytes).flatten().collect();
    let pem = pems.iter().find(|pem| pem.label == "CERTIFICATE")?;
    let certificate = pem.parse_x509().ok()?;
    let names = certificate.subject_alternative_name().ok()??;
    let names = names
        .value
        .general_names
        .iter()
        .filter_map(|name| match name {
            GeneralName::DNSName(name) => Some(name.to_ascii_lowercase()),
            _ => None,
        });
    let mut names: Vec<String> = names.collect();
    names.sort();
    Some((names, certificate.validity().not_before.timestamp()))
}

/// Kurento's file: the server's certificate, its chain, then the key.
pub(super) fn combined(path: &str, place: &Place, files: &dyn Files, found: &mut Findings) {
    readable(path, place, files, found);
    let Ok(bytes) = files.read(path, LARGEST) else {
        return;
    };
    let pems: Vec<Pem> = Pem::iter_from_buffer(&bytes).flatten().collect();
    let certificates = pems.iter().filter(|pem| pem.label == "CERTIFICATE");
    let is_ca = |certificate: &X509Certificate<'_>| {
        let constraints = certificate.basic_constraints().ok().flatten();
        constraints.is_some_and(|constraints| constraints.value.ca)
    };
    let certificates: Vec<_> = certificates
        .filter_map(|pem| pem.parse_x509().ok())
        .collect();
    let why = match certificates.first() {
        None => "there is no certificate in the file",
        Some(_) if !has_key(&bytes) => "there is no private key in the file",
        Some(first) if is_ca(first) && certificates.len() > 1 => {
            "the file begins with the certificate of a CA; the server's own has to be first"
        }
        Some(_) => return,
    };
    let fix = Fix::Run(format!("cat fullchain.pem privkey.pem > {path}"));
    found.add("kurento-pem", place, why, fix);
}
