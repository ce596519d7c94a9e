//! Notifies a server of a new certificate.

use super::error::DeployError;
use super::{DeploySpec, Reload, command, signal};
use crate::store::Stored;

/// Sends the signal or runs the command that `reload` names.
pub(super) async fn notify(
    spec: &DeploySpec,
    reload: &Reload,
    cert: &Stored,
) -> Result<(), DeployError> {
    match reload {
        Reload::Signal { signal, pid_file } => {
            let (name, pid_file) = (signal.clone(), pid_file.clone());
            // It reads files, so it may block.
            let send = tokio::task::spawn_blocking(move || signal::send(&name, &pid_file));
            send.await.unwrap_or(Err(DeployError::Interrupted))
        }
        Reload::Command(argv) => {
            command::run(argv, &command::variables(spec, cert), command::LIMIT).await
        }
    }
}
