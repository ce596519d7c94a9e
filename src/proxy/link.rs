//! The targets of `Link` (RFC 8288), which a client has to reach through the gateway.

/// A field value with each target replaced that `public` has another form of; `None` if it has none
/// of any.
pub fn rewrite(value: &str, public: impl Fn(&str) -> Option<String>) -> Option<String> {
    let mut out = String::new();
    let mut done = 0;
    let mut rest = value;
    while let Some((target, after)) = next_target(rest) {
        let at = |part: &str| part.as_ptr() as usize - value.as_ptr() as usize;
        if let Some(public) = public(target) {
            out.push_str(&value[done..at(target)]);
            out.push_str(&public);
            done = at(target) + target.len();
        }
        rest = after;
    }
    (done > 0).then(|| out + &value[done..])
}

/// The target of the next link, and what follows that link. The parameters of a link may have
/// brackets and commas in quotes.
fn next_target(value: &str) -> Option<(&str, &str)> {
    let (_, opened) = value.split_once('<')?;
    let (target, parameters) = opened.split_once('>')?;
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = parameters.find(|c| {
        let was_escaped = std::mem::take(&mut is_escaped);
        match c {
            '\\' if is_quoted && !was_escaped => is_escaped = true,
            '"' if !was_escaped => is_quoted = !is_quoted,
            _ => {}
        }
        c == ',' && !is_quoted
    });
    Some((target, end.map_or("", |end| &parameters[end..])))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn targets_are_replaced_and_everything_else_stays() {
        let public = |target: &str| {
            let path = target.strip_prefix("http://inner").unwrap_or(target);
            path.starts_with('/').then(|| format!("/media{path}"))
        };
        for (value, want) in [
            ("</a>", Some("</media/a>")),
            (
                "</a>; rel=\"x\" , <http://inner/b>;rel=y",
                Some("</media/a>; rel=\"x\" , </media/b>;rel=y"),
            ),
            (
                "<turn:turn.example.com?transport=udp>; rel=\"ice-server\"",
                None,
            ),
            (
                "<stun:a>; credential=\"x, </b>\\\", </c>\", </d>; rel=x",
                Some("<stun:a>; credential=\"x, </b>\\\", </c>\", </media/d>; rel=x"),
            ),
            ("<>; rel=x, </e>", Some("<>; rel=x, </media/e>")),
            ("</a", None),
            ("", None),
            ("\"</a>", Some("\"</media/a>")),
            ("</a>; x=\"", Some("</media/a>; x=\"")),
        ] {
            assert_eq!(rewrite(value, public).as_deref(), want, "{value}");
        }
    }
}
