//! `[reload]`.

use super::section;

section! {
    /// When a changed configuration takes effect. Without this table, with SIGHUP and
    /// `ianitor reload`.
    "[reload]" => struct RawReload {
        /// Whether the configuration is applied whenever the file changes, or one that it
        /// [includes](#include), as with `ianitor run --watch`. A file that comes to match
        /// `include` counts as well. The files are looked at every two seconds, and read when they
        /// have been the same twice. What cannot be applied changes nothing, and the log says why.
        watch: bool = default(false);
    }
}
