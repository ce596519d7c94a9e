//! Files and folders on disk.
//!
//! - [`read`]: files that an operator names, if they are files and not too large.
//! - [`Dir`]: a folder that other users of the machine may write to, held by its descriptor, with
//!   [`Trust`] for whose links and folders are followed.
//! - [`Dir::replace`]: the one way to write a file whole; [`FileLock`] keeps other writers out.
//! - [`FileStamp`]: whether a file has changed.

mod dir;
mod lock;
mod read;
mod stamp;
#[cfg(test)]
mod tests;
mod trust;
mod walk;
mod write;

pub use dir::Dir;
pub use lock::FileLock;
pub use read::{NotAFile, read, read_open};
pub use stamp::FileStamp;
pub(crate) use trust::user_name;
pub use trust::{Trust, Untrusted, capabilities, has_rights};
