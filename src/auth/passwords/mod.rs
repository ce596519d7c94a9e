//! Passwords of `basic`: a file of htpasswd, and the check of a name and a password.
//!
//! Hashes are slow on purpose. They are computed on threads beside the workers, a few at a time,
//! and a password that was right is remembered for some minutes.

mod check;
mod hash;
mod load;
mod users;

pub use check::{Hashing, PasswordFailure, check_password};
pub use load::{LoadError, load};
pub use users::Users;
