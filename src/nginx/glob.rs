//! Patterns of `include`: `*`, `?` and `[…]`, which do not match a slash or a leading dot.

/// Whether there is anything to match.
pub(super) fn is_pattern(text: &str) -> bool {
    text.contains(['*', '?', '['])
}

/// Whether a name without slashes fits.
pub(super) fn fits(pattern: &str, name: &str) -> bool {
    let pattern: Vec<char> = pattern.chars().collect();
    let name: Vec<char> = name.chars().collect();
    if name.first() == Some(&'.') && pattern.first() != Some(&'.') {
        return false;
    }
    matches(&pattern, &name)
}

/// Whether a path fits, segment by segment.
pub(super) fn path_fits(pattern: &str, path: &str) -> bool {
    let (patterns, names) = (pattern.split('/'), path.split('/'));
    patterns.clone().count() == names.clone().count()
        && patterns
            .zip(names)
            .all(|(pattern, name)| fits(pattern, name))
}

/// Without recursion: at a mismatch, the last `*` takes one character more.
fn matches(pattern: &[char], name: &[char]) -> bool {
    let (mut p, mut n) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while n < name.len() {
        let step = match pattern.get(p) {
            Some('*') => {
                star = Some((p, n));
                p += 1;
                continue;
            }
            Some('?') => Some(1),
            Some('[') => class(&pattern[p..], name[n]),
            Some(c) => (*c == name[n]).then_some(1),
            None => None,
        };
        match (step, star) {
            (Some(length), _) => (p, n) = (p + length, n + 1),
            (None, Some((at, taken))) => {
                star = Some((at, taken + 1));
                (p, n) = (at + 1, taken + 1);
            }
            (None, None) => return false,
        }
    }
    pattern[p..].iter().all(|c| *c == '*')
}

/// The length of a class at the beginning of the pattern, if it has the character.
fn class(pattern: &[char], c: char) -> Option<usize> {
    let negated = matches!(pattern.get(1), Some('!' | '^'));
    let start = 1 + usize::from(negated);
    let end = start + 1 + pattern.get(start + 1..)?.iter().position(|c| *c == ']')?;
    let members = &pattern[start..end];
    let mut is_in = false;
    let mut at = 0;
    while at < members.len() {
        let is_range = at + 2 < members.len() && members[at + 1] == '-';
        let last = if is_range {
            members[at + 2]
        } else {
            members[at]
        };
        is_in |= (members[at]..=last).contains(&c);
        at += if is_range { 3 } else { 1 };
    }
    (is_in != negated).then_some(end + 1)
}
