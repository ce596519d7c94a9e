//! `[[deploy]]`: the certificate, the files, and how the server is notified.

use std::path::{Component, Path, PathBuf};
use std::sync::Arc;

use super::acme::Acme;
use super::secrets::{self, Sources};
use crate::acme::CertSpec;
use crate::config::diagnostics::Diagnostics;
use crate::config::problem::{Place, Spanned};
use crate::config::read::{List, valid};
use crate::config::tables::{RawDeploy, RawReload};
use crate::deploy::{self, Consumer, DeploySpec, FileForm, Output, Reload};
use crate::host::HostName;
use crate::route::upstream::ServerAddr;
use crate::store::Name;

/// The context of the entries.
pub(super) struct Context<'a> {
    /// `None`: there is no `[acme]`. `Some(None)`: there is one, but it cannot be read.
    pub(super) acme: Option<&'a Option<Acme>>,
    pub(super) folder: &'a Path,
}

/// `None` with a problem if one is invalid.
pub(super) fn lower(
    raw: List<RawDeploy>,
    context: &Context<'_>,
    diag: &Diagnostics<'_>,
) -> Option<Vec<Arc<DeploySpec>>> {
    let mut targets: Vec<Spanned<PathBuf>> = Vec::new();
    let read: Vec<Spanned<PathBuf>> = raw
        .iter()
        .flatten()
        .flat_map(|raw| read(&raw.value, context.folder))
        .collect();
    let specs: Vec<_> = raw
        .into_iter()
        .map(|raw| {
            raw.and_then(|raw| entry(raw, context, &mut targets, diag))
                .map(Arc::new)
        })
        .collect();
    note_targets(&targets, &read, context, diag);
    specs.into_iter().collect()
}

fn entry(
    Spanned { value: raw, place }: Spanned<RawDeploy>,
    context: &Context<'_>,
    targets: &mut Vec<Spanned<PathBuf>>,
    diag: &Diagnostics<'_>,
) -> Option<DeploySpec> {
    let certificate = certificate(&raw, context, diag);
    if let Some(to) = &raw.to {
        note_lacking(to, &raw, diag);
    }
    let files = files(&raw, context.folder, targets, diag);
    let mode = raw
        .mode
        .as_ref()
        .map_or(DeploySpec::MODE, |mode| mode.value);
    let has_key = files
        .iter()
        .any(|file| matches!(file.form, FileForm::Key | FileForm::Combined));
    if let Some(written) = raw.mode.as_ref().filter(|_| has_key && mode & 0o004 != 0) {
        diag.warning(
            &written.place,
            "lets every user of this machine read the private key; write \"0640\" and a group",
        );
    }
    let reload = raw.reload.and_then(|raw| reload(raw, context.folder, diag));
    Some(DeploySpec {
        certificate: certificate?,
        to: raw.to?.value,
        files,
        owner: raw.owner.map(|owner| owner.into()),
        group: raw.group.map(|group| group.into()),
        mode,
        reload,
        verify: raw.verify.and_then(address),
        store: context.acme?.as_ref()?.spec.store.clone(),
        config_key: place.key,
    })
}

fn address(server: ServerAddr) -> Option<deploy::Place> {
    match server {
        ServerAddr::Tcp { host, port, .. } => Some(deploy::Place { host, port }),
        ServerAddr::Unix(_) => None,
    }
}

/// The certificate with all of the hosts; `None` with a problem if there is not exactly one.
fn certificate(raw: &RawDeploy, context: &Context<'_>, diag: &Diagnostics<'_>) -> Option<Name> {
    let (hosts, place) = hosts(raw, diag)?;
    let Some(acme) = context.acme else {
        diag.problem(
            place,
            "there is no certificate to give away; write [acme] with certificates",
        );
        return None;
    };
    let acme = acme.as_ref()?;
    let wanted = raw.key_type.as_ref().map(|kind| kind.value);
    let all = acme.spec.certificates.iter();
    let has_all = |cert: &&Arc<CertSpec>| hosts.iter().all(|host| cert.hosts.contains(host));
    let found: Vec<_> = all
        .filter(has_all)
        .filter(|cert| wanted.is_none_or(|kind| cert.key_type == kind))
        .collect();
    // Another certificate may have these hosts and more.
    let exact: Vec<_> = found
        .iter()
        .filter(|cert| cert.hosts.len() == hosts.len())
        .copied()
        .collect();
    match (&found[..], &exact[..]) {
        ([one], _) | (_, [one]) => Some(one.name.clone()),
        ([], _) => note_unknown(acme, place, diag),
        (several, _) => {
            let names: Vec<String> = several.iter().map(|cert| described(cert)).collect();
            let text = "is more than one certificate; write key_type, or all hosts of one of them";
            diag.problem(place, format!("{text}: {}", names.join("; ")));
            None
        }
    }
}

/// The value of `hosts` or `host`, and its place; `None` with a problem if it is missing or
/// invalid.
fn hosts<'r>(raw: &'r RawDeploy, diag: &Diagnostics<'_>) -> Option<(Vec<&'r HostName>, &'r Place)> {
    let Some(hosts) = &raw.hosts else {
        return raw
            .host
            .as_ref()
            .map(|host| (vec![&host.value], &host.place));
    };
    if let Some(host) = &raw.host {
        diag.problem(
            &host.place,
            format!("{} says it already; take one out", hosts.place.key),
        );
    }
    if hosts.value.is_empty() {
        diag.problem(
            &hosts.place,
            "is empty; write the hosts of one of acme.certificates",
        );
        return None;
    }
    let whole: Option<_> = hosts
        .value
        .iter()
        .map(|host| Some(&host.as_ref()?.value))
        .collect();
    Some((whole?, &hosts.place))
}

fn note_unknown<T>(acme: &Acme, place: &Place, diag: &Diagnostics<'_>) -> Option<T> {
    let known: Vec<String> = acme
        .spec
        .certificates
        .iter()
        .map(|cert| described(cert))
        .collect();
    // An invalid certificate may be the one that is meant.
    if acme.is_whole {
        diag.problem(
            place,
            format!(
                "is none of acme.certificates, which are: {}",
                known.join("; ")
            ),
        );
    }
    None
}

fn described(cert: &CertSpec) -> String {
    let hosts: Vec<&str> = cert.hosts.iter().map(HostName::as_str).collect();
    format!("{} ({})", hosts.join(" "), cert.key_type.name())
}

/// The keys that the server requires.
fn note_lacking(to: &Spanned<Consumer>, raw: &RawDeploy, diag: &Diagnostics<'_>) {
    let pair = (raw.cert.is_some(), raw.key.is_some());
    let text = match (to.value, raw.combined.is_some()) {
        _ if !raw.names_a_file => return,
        (Consumer::Files, _) | (_, true) => return,
        (Consumer::Kurento, false) => {
            "kurento reads certificate, chain and key from one file; write combined = \
             \"/etc/kurento/cert+key.pem\""
        }
        (Consumer::Coturn | Consumer::Janus | Consumer::Prosody, false) => match pair {
            (true, true) => return,
            (true, false) => "this server needs the private key too; write key beside cert",
            (false, true) => "this server needs the certificate too; write cert beside key",
            (false, false) => "this server reads PEM; write cert and key, or combined",
        },
    };
    diag.problem(&to.place, text);
}

fn files(
    raw: &RawDeploy,
    folder: &Path,
    targets: &mut Vec<Spanned<PathBuf>>,
    diag: &Diagnostics<'_>,
) -> Vec<Output> {
    let from = Sources {
        file: raw.password_file.as_ref(),
        env: raw.password_env.as_ref(),
        inline: None,
    };
    let password = secrets::source(&from, "password", folder, diag);
    if raw.pkcs12.is_none() {
        let places = [
            from.file.map(|path| &path.place),
            from.env.map(|name| &name.place),
        ];
        places
            .into_iter()
            .flatten()
            .for_each(|place| diag.problem(place, "is about pkcs12; take it out, or write that"));
    }
    let all = [
        (&raw.cert, Some(FileForm::Chain)),
        (&raw.key, Some(FileForm::Key)),
        (&raw.combined, Some(FileForm::Combined)),
        (
            &raw.pkcs12,
            password.map(|password| FileForm::Pkcs12 { password }),
        ),
    ];
    let mut files = Vec::new();
    for (path, form) in all {
        let (Some(path), Some(form)) = (path, form) else {
            continue;
        };
        let full = folder.join(&path.value);
        targets.push(Spanned {
            value: full.clone(),
            place: path.place.clone(),
        });
        files.push(Output { path: full, form });
    }
    files
}

/// Files of other programs that an entry names.
fn read(raw: &RawDeploy, folder: &Path) -> Vec<Spanned<PathBuf>> {
    let pid_file = raw
        .reload
        .as_ref()
        .and_then(|reload| reload.pid_file.as_ref());
    let full = |file: &Spanned<PathBuf>| Spanned {
        value: folder.join(&file.value),
        place: file.place.clone(),
    };
    raw.password_file.iter().chain(pid_file).map(full).collect()
}

/// Files that would overwrite each other, files that are read, or files of the gateway itself.
fn note_targets(
    targets: &[Spanned<PathBuf>],
    read: &[Spanned<PathBuf>],
    context: &Context<'_>,
    diag: &Diagnostics<'_>,
) {
    let store = context
        .acme
        .and_then(Option::as_ref)
        .map(|acme| plain(&acme.spec.store));
    let same =
        |one: &Spanned<PathBuf>, other: &Spanned<PathBuf>| plain(&one.value) == plain(&other.value);
    for (at, later) in targets.iter().enumerate() {
        if let Some(first) = targets[..at].iter().find(|first| same(first, later)) {
            let (key, line) = (&first.place.key, diag.line(&first.place));
            diag.problem(
                &later.place,
                format!("{key} ({line}) writes this file already; write another path"),
            );
        }
        if let Some(file) = read.iter().find(|file| same(file, later)) {
            let (key, line) = (&file.place.key, diag.line(&file.place));
            let text = format!(
                "is what {key} ({line}) reads, and would be written over; write another path"
            );
            diag.problem(&later.place, text);
        }
        if store
            .as_ref()
            .is_some_and(|store| plain(&later.value).starts_with(store))
        {
            let text =
                "is in the folder that acme.store keeps certificates in; write a path outside it";
            diag.problem(&later.place, text);
        }
    }
}

/// The path without `.` and `a/..`. If `a` is a symbolic link, that is another file, which is
/// ignored here.
fn plain(path: &Path) -> PathBuf {
    let mut plain = PathBuf::new();
    for part in path.components() {
        let last = plain.components().next_back();
        match (part, last) {
            (Component::CurDir, _) | (Component::ParentDir, Some(Component::RootDir)) => {}
            (Component::ParentDir, Some(Component::Normal(_))) => drop(plain.pop()),
            _ => plain.push(part),
        }
    }
    plain
}

/// `None` with a problem if it is missing or invalid.
fn reload(raw: RawReload, folder: &Path, diag: &Diagnostics<'_>) -> Option<Reload> {
    if let Some(command) = raw.command {
        for other in raw
            .signal
            .iter()
            .map(|signal| &signal.place)
            .chain(raw.pid_file.iter().map(|file| &file.place))
        {
            let text = format!(
                "the server is notified in one way, and {} is another; remove one",
                command.place.key
            );
            diag.problem(other, text);
        }
        if command.value.is_empty() {
            diag.problem(
                &command.place,
                "is empty; write a program and its arguments",
            );
        }
        return Some(Reload::Command(
            valid(command.value)
                .into_iter()
                .map(|part| part.value)
                .collect(),
        ));
    }
    Some(Reload::Signal {
        signal: raw.signal?.value.into(),
        pid_file: folder.join(raw.pid_file?.value),
    })
}
