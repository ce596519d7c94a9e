//! certbot: renewals that fail, or that servers do not see.

use super::super::finding::{Findings, Fix};
use super::super::machine::Machine;
use super::super::read::settings::Settings;
use super::ports::listeners;

const PARAMETERS: &str = "renewalparams";

pub(super) fn check(machine: &Machine, found: &mut Findings) {
    for file in &machine.certbot {
        standalone(machine, file, found);
        hooks(machine, file, found);
    }
}

fn parameter<'a>(file: &'a Settings, name: &str) -> Option<&'a str> {
    let mut all = file.all.iter();
    let setting = all.find(|it| it.section == PARAMETERS && it.name == name)?;
    Some(setting.value.as_str()).filter(|value| *value != "None" && !value.is_empty())
}

/// It wants port 80 for itself.
fn standalone(machine: &Machine, file: &Settings, found: &mut Findings) {
    let setting = file.all.iter().find(|it| it.name == "authenticator");
    let Some(setting) = setting.filter(|it| it.value == "standalone") else {
        return;
    };
    let port = parameter(file, "http01_port").or(parameter(file, "http01-port"));
    let port = port.and_then(|port| port.parse().ok()).unwrap_or(80);
    let stops = parameter(file, "pre_hook").is_some();
    let mut taken = listeners(machine).into_iter().filter(|it| it.port == port);
    if let Some(by) = taken.next().filter(|_| !stops) {
        let why = format!(
            "renewals fail: certbot wants port {port} for itself, which {} has ({})",
            by.program, by.place
        );
        let fix = Fix::Run(
            "let ianitor order the certificate ([acme]), or renew by --webroot".to_owned(),
        );
        found.add("certbot-standalone", &setting.place, why, fix);
    }
}

/// Servers that read their certificate once.
fn hooks(machine: &Machine, file: &Settings, found: &mut Findings) {
    let has_own = ["renew_hook", "deploy_hook", "post_hook"];
    if has_own.iter().any(|name| parameter(file, name).is_some()) {
        return;
    }
    let name = file.file.rsplit('/').next().unwrap_or_default();
    let lineage = format!("/etc/letsencrypt/live/{}/", name.trim_end_matches(".conf"));
    let coturn = machine.coturn.iter().filter_map(|it| it.get("cert"));
    let mut users = coturn.filter(|cert| cert.value.starts_with(&lineage));
    let Some(cert) = users.next() else {
        return;
    };
    match machine.certbot_hooks {
        Some(false) => {
            let why = format!(
                "coturn goes on with the old certificate after each renewal: nothing tells it \
                 ({})",
                cert.place
            );
            let fix = Fix::Run(format!(
                "certbot reconfigure --cert-name {} --deploy-hook 'pkill -USR2 -x turnserver'",
                name.trim_end_matches(".conf")
            ));
            found.add("certbot-no-hook", &file.start(), why, fix);
        }
        Some(true) => {}
        None => {
            let text = "whether a hook tells coturn about renewals";
            found.not_known("certbot-no-hook", &file.start(), text);
        }
    }
}
