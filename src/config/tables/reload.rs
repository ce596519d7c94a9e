//! `[reload]`.

use super::section;

section! {
    /// When a changed configuration takes effect. Without this table, with SIGHUP and
    /// `ianitor reload`.
    "[reload]" => struct RawReload {
        /// Whether the configuration is applied whenever the file changes, as with
        /// `ianitor run --watch`. It is looked at every two seconds, and read when it has been the
        /// same twice. One that cannot be applied changes nothing, and the log says why.
        watch: bool = default(false);
    }
}
