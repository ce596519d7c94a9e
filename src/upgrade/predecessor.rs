//! The old process, as the new one sees it.

use std::io;
use std::os::unix::net::UnixStream as StdStream;

use serde::de::DeserializeOwned;
use tokio::net::UnixStream;
use tokio::sync::mpsc;

use super::{Answer, Hello, frame};

/// Updates that wait for the main loop.
const UPDATES: usize = 16;

/// The old process, until this one is ready. It is asked before there is a runtime.
#[derive(Debug)]
pub struct Predecessor {
    channel: StdStream,
    /// Whether its state is understood.
    is_understood: bool,
}

impl Predecessor {
    /// Greets it.
    ///
    /// # Errors
    /// That it has ended.
    pub fn greet(mut channel: StdStream) -> io::Result<Self> {
        let hello: Hello = frame::read(&mut channel)?;
        frame::write(&mut channel, &Hello::own())?;
        let is_understood = hello.is_understood();
        Ok(Self {
            channel,
            is_understood,
        })
    }

    /// What it hands over; the default if its version has another format.
    ///
    /// # Errors
    /// That it has ended.
    pub fn receive<T: DeserializeOwned + Default>(&mut self) -> io::Result<T> {
        if !self.is_understood {
            return Ok(T::default());
        }
        match frame::read(&mut self.channel) {
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                tracing::warn!(%error, "what the old process hands over cannot be read");
                Ok(T::default())
            }
            read => read,
        }
    }

    /// Whether what it hands over is understood.
    pub fn is_understood(&self) -> bool {
        self.is_understood
    }

    /// Says that the configuration can be put into force.
    ///
    /// # Errors
    /// That it has ended.
    pub fn prepared(&mut self) -> io::Result<()> {
        frame::write(&mut self.channel, &Answer::Prepared)
    }

    /// Says that this process accepts connections.
    ///
    /// # Errors
    /// That it has ended.
    pub fn ready(&mut self) -> io::Result<()> {
        frame::write(&mut self.channel, &Answer::Ready)
    }

    /// Says why this process ends.
    pub fn failed(&mut self, problems: Vec<String>) {
        // The log has it too.
        let _ = frame::write(&mut self.channel, &Answer::Failed { problems });
    }

    /// What it says from now on; the receiver ends with the old process. To be called on a
    /// runtime.
    ///
    /// # Errors
    /// That the runtime does not take the channel.
    #[expect(
        clippy::disallowed_methods,
        reason = "the task ends with the old process, or when the receiver is dropped"
    )]
    pub fn updates<T: DeserializeOwned + Send + 'static>(self) -> io::Result<mpsc::Receiver<T>> {
        self.channel.set_nonblocking(true)?;
        let mut channel = UnixStream::from_std(self.channel)?;
        let (sender, receiver) = mpsc::channel(UPDATES);
        tokio::spawn(async move {
            while let Ok(update) = frame::receive(&mut channel).await {
                if sender.send(update).await.is_err() {
                    return;
                }
            }
        });
        Ok(receiver)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is received from an old process of this format.
    fn received(format: u32, document: &serde_json::Value) -> Vec<u32> {
        let (ours, mut theirs) = StdStream::pair().unwrap();
        let version = "9.9.9".to_owned();
        frame::write(&mut theirs, &Hello { format, version }).unwrap();
        frame::write(&mut theirs, document).unwrap();
        let mut predecessor = Predecessor::greet(ours).unwrap();
        let received = predecessor.receive().unwrap();
        predecessor.ready().unwrap();
        let hello: Hello = frame::read(&mut theirs).unwrap();
        assert!(hello.is_understood());
        let answer: Answer = frame::read(&mut theirs).unwrap();
        assert!(matches!(answer, Answer::Ready));
        received
    }

    #[test]
    fn state_of_another_format_is_left_out() {
        let state = serde_json::json!([7]);
        let own = Hello::own().format;
        assert_eq!(received(own, &state), [7]);
        assert!(received(own + 1, &state).is_empty());
        assert!(received(own, &serde_json::json!({ "other": 1 })).is_empty());
    }

    #[test]
    fn an_old_process_that_ends_is_an_error() {
        let (ours, theirs) = StdStream::pair().unwrap();
        drop(theirs);
        assert!(Predecessor::greet(ours).is_err());
    }
}
