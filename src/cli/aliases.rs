//! What people type who come from other servers.

use std::ffi::OsString;

use super::output::complain;

/// What other servers call a command, who they are, and its name here.
const ALIASES: [(&str, &str, &str); 3] = [
    ("-t", "nginx", "check"),
    ("configtest", "Apache", "check"),
    ("validate", "Caddy", "check"),
];

/// The command line, with the name of the command as it is here. A line on standard error says so.
pub(crate) fn translated(arguments: impl Iterator<Item = OsString>) -> Vec<OsString> {
    let mut arguments: Vec<OsString> = arguments.collect();
    let typed = arguments.get(1).and_then(|typed| typed.to_str());
    let known = ALIASES.iter().find(|(alias, ..)| typed == Some(alias));
    if let Some((alias, server, name)) = known {
        complain(&format!(
            "hint: {alias} of {server} is `ianitor {name}` here\n"
        ));
        arguments[1] = (*name).into();
    }
    arguments
}
