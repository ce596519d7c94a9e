//! Configurations that ship, made fit for a test.

use std::fs;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;

use super::has_ipv6;

/// A file of the repository, with some of its text replaced.
pub(crate) fn shipped(path: &str, changes: &[(&str, String)]) -> String {
    let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path)).unwrap();
    changes.iter().fold(text, |text, (from, to)| {
        assert_eq!(text.matches(from).count(), 1, "{from} in {path}");
        text.replace(from, to)
    })
}

/// A block of code in a page of the documentation: of those in one language, the first is 0.
pub(crate) fn part_of_page(page: &str, language: &str, index: usize) -> String {
    let text = shipped(page, &[]);
    let begin = format!("```{language}\n");
    let block = text.split(&begin).nth(index + 1);
    let block = block.and_then(|block| block.split_once("```\n"));
    let (block, _) = block.unwrap_or_else(|| panic!("no {language} {index} in {page}"));
    block.to_owned()
}

/// Listeners on a port of loopback alone, as the file has them.
pub(crate) fn loopback(port: u16) -> String {
    let mut addresses = vec![SocketAddr::from((Ipv4Addr::LOCALHOST, port)).to_string()];
    if has_ipv6() {
        addresses.push(SocketAddr::from((Ipv6Addr::LOCALHOST, port)).to_string());
    }
    format!("{addresses:?}")
}
