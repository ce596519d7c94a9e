//! What a client has sent faster than its rate allows.

use std::task::Context;

use tokio::io::{AsyncRead, AsyncWrite};

use super::{Understood, may_read};
use crate::signalling::{Direction, Inspector, Observer};

impl<C, U, K, I, O> Understood<C, U, K, I, O>
where
    C: AsyncRead + AsyncWrite + Unpin,
    U: AsyncRead + AsyncWrite + Unpin,
    I: Inspector,
    O: Observer,
{
    /// Goes on with what the client has sent too early, once its rate has room for more. `false` if
    /// there is none to go on with.
    pub(super) fn resume(&mut self, cx: &mut Context<'_>) -> bool {
        let Some(pace) = self.pace.as_mut().filter(|pace| pace.is_waiting()) else {
            return false;
        };
        let rest = match self.closing {
            // The messages do not matter any more, but the answer to a close frame may be there.
            Some(_) => pace.take_late(),
            None if may_read(&self.client, &self.upstream) => pace.poll_late(cx),
            None => None,
        };
        let has_rest = rest.is_some();
        if let Some(mut rest) = rest {
            self.take_frames(Direction::ToServer, &mut rest);
        }
        has_rest
    }

    /// Whether the client's rate has room for one more message. If not, what it has sent is kept
    /// until there is room.
    pub(super) fn has_room(&mut self, rest: &[u8]) -> bool {
        let Some(pace) = &mut self.pace else {
            return true;
        };
        if rest.is_empty() || self.closing.is_some() {
            return true;
        }
        let checked = pace.check();
        if let Err(wait) = checked
            && pace.hold(rest, wait)
        {
            self.judge.note_slowed();
        }
        checked.is_ok()
    }

    /// Whether nothing more is to be read of the client for now.
    pub(super) fn is_client_held(&self) -> bool {
        let is_late = self.pace.as_ref().is_some_and(|pace| pace.is_waiting());
        is_late || self.waiting.is_some()
    }
}
