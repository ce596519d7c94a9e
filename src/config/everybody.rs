//! Lists of networks that are everybody, in one network or in several that add up to it.

use std::fmt;

use super::problem::{Place, Spanned};
use crate::addr::Network;

/// What makes a list everybody. Shown as the subject of a sentence.
pub(super) struct Everybody<'l> {
    /// Of the network that does it alone, or of the one that the others of the list needed for it.
    pub(super) place: &'l Place,
    net: Network,
    is_alone: bool,
}

impl fmt::Display for Everybody<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let with = if self.is_alone {
            ""
        } else {
            ", together with the networks before it,"
        };
        write!(f, "{}{with}", self.net)
    }
}

/// What makes the list every client on the internet, of IPv4 or of IPv6.
pub(super) fn on_the_internet(list: &[Spanned<Network>]) -> Vec<Everybody<'_>> {
    find(list, |nets| {
        Network::are_everybody(nets.iter().map(|net| net.value))
    })
}

/// What makes the list every address that there is, of IPv4 or of IPv6.
pub(super) fn at_all(list: &[Spanned<Network>]) -> Vec<Everybody<'_>> {
    find(list, |nets| {
        Network::are_all(nets.iter().map(|net| net.value))
    })
}

fn find(
    list: &[Spanned<Network>],
    is_everybody: impl Fn(&[Spanned<Network>]) -> bool,
) -> Vec<Everybody<'_>> {
    let everybody = |at: usize, is_alone| Everybody {
        place: &list[at].place,
        net: list[at].value,
        is_alone,
    };
    let alone: Vec<usize> = (0..list.len())
        .filter(|at| list[*at].value.may_be_everybody() && is_everybody(&list[*at..=*at]))
        .collect();
    if !alone.is_empty() || !is_everybody(list) {
        return alone.into_iter().map(|at| everybody(at, true)).collect();
    }
    // A list that is everybody stays so, however it goes on.
    let lengths: Vec<usize> = (1..=list.len()).collect();
    let last = lengths.partition_point(|length| !is_everybody(&list[..*length]));
    vec![everybody(last, false)]
}
