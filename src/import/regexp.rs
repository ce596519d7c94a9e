//! What can be said of a regular expression of NGINX without matching it.

/// The text with which every path that matches begins; empty if it may begin anyhow. The second
/// says whether the expression is that text and nothing else behind it is asked for.
pub(super) fn prefix(pattern: &str, any_case: bool) -> String {
    let Some(rest) = pattern.strip_prefix('^') else {
        return String::new();
    };
    // An alternative at the top may begin otherwise.
    if any_case || has_alternatives(rest) {
        return String::new();
    }
    let mut out = String::new();
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        let literal = match c {
            '\\' => match chars.next() {
                Some(next) if !next.is_ascii_alphanumeric() => next,
                _ => break,
            },
            '.' | '[' | '(' | ')' | '*' | '+' | '?' | '{' | '|' | '^' | '$' => break,
            c => c,
        };
        // A quantifier makes the character before it optional.
        if matches!(chars.peek(), Some('*' | '?' | '{')) {
            break;
        }
        out.push(literal);
    }
    out
}

fn has_alternatives(pattern: &str) -> bool {
    let (mut depth, mut in_class, mut escaped) = (0_usize, false, false);
    for c in pattern.chars() {
        match c {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            '[' => in_class = true,
            ']' => in_class = false,
            _ if in_class => {}
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            '|' if depth == 0 => return true,
            _ => {}
        }
    }
    false
}

/// `^/colibri-ws/([a-z0-9.-]+)/(.*)` is `/colibri-ws`: a fixed folder, one segment or none, and
/// everything below. With the URI that puts the path together again.
pub(super) fn whole_path(pattern: &str, uri: &str) -> Option<String> {
    let folder = prefix(pattern, false);
    let fixed = folder.strip_suffix('/').filter(|path| path.len() > 1)?;
    let rest = pattern.strip_prefix('^')?.get(folder.len()..)?;
    let rest = rest.trim_end_matches('$');
    let groups = match rest {
        "(.*)" | "(.+)" => 1,
        _ => {
            let segment = rest.strip_suffix("/(.*)").or(rest.strip_suffix("/(.+)"))?;
            let class = segment.strip_prefix("([")?.strip_suffix("]+)")?;
            let is_class = !class.is_empty() && !class.contains([']', '[']) && !class.contains('/');
            is_class.then_some(2)?
        }
    };
    let captured: Vec<String> = (1..=groups).map(|at| format!("${at}")).collect();
    let again = format!("{folder}{}", captured.join("/"));
    let uri = uri.strip_suffix("$is_args$args").unwrap_or(uri);
    (uri == again).then(|| fixed.to_owned())
}

/// `^/([^/?&:'"]+)/http-bind` is `/http-bind`: the path of a tenant of a Jitsi.
pub(super) fn tenant(pattern: &str) -> Option<&'static str> {
    let rest = pattern.strip_prefix("^/([^/")?;
    let (class, rest) = rest.split_once("]+)/")?;
    if class.contains(['[', '^', '\\']) {
        return None;
    }
    match rest.trim_end_matches('$') {
        "http-bind" => Some("/http-bind"),
        "xmpp-websocket" => Some("/xmpp-websocket"),
        _ => None,
    }
}

/// `^/old/(.*)$` is `/old/`.
pub(super) fn folder(pattern: &str) -> Option<String> {
    let found = prefix(pattern, false);
    let rest = pattern.strip_prefix('^')?.get(found.len()..)?;
    (found.ends_with('/') && matches!(rest, "(.*)" | "(.*)$")).then_some(found)
}

/// `^/old$` is `/old`.
pub(super) fn exact(pattern: &str) -> Option<String> {
    let found = prefix(pattern, false);
    let rest = pattern.strip_prefix('^')?.get(found.len()..)?;
    (rest == "$" && found.starts_with('/')).then_some(found)
}
