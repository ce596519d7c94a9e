//! A reload of `gateway.toml`.

use http::StatusCode;
use ianitor::config::{self, Config};
use ianitor::control::{CallError, CallResult, Control};
use ianitor::gateway::Running;
use ianitor::systemd;
use ianitor::telemetry::Chain;
use ianitor::telemetry::panics::caught_in;
use serde_json::json;

use super::upgrade::from_stdin;
use super::{Started, beat, warn};

/// Reads the configuration and puts it into force; the log has everything that the answer has.
pub(super) async fn reload(
    running: &mut Running,
    control: &mut Control,
    started: &Started<'_>,
) -> CallResult {
    systemd::reloading();
    // A file that makes the gateway panic is one more that is not applied.
    let applied = caught_in(apply(running, control, started)).await;
    let applied = applied.unwrap_or_else(|| {
        running.note_failed_reload();
        Err(panicked())
    });
    let failure = match applied {
        Ok(warnings) => {
            beat::ready(running);
            tracing::info!(config = %started.config.display(), "reloaded");
            // The caller may be in another folder.
            let shown = |path| std::path::absolute(path).unwrap_or_default();
            return Ok(json!({
                "config": shown(started.config),
                "control": control.path().map(shown),
                "warnings": warnings,
            }));
        }
        Err(failure) => failure,
    };
    systemd::ready(&beat::state("accepting, not reloaded", running));
    tracing::error!("not reloaded; the current configuration stays in force:");
    for problem in &failure.problems {
        tracing::error!("{problem}");
    }
    Err(failure)
}

fn panicked() -> CallError {
    let text = "a fault of the gateway; the log has the panic and its backtrace";
    let mut failure = CallError::new(StatusCode::INTERNAL_SERVER_ERROR, text.to_owned());
    failure.problems.push(text.to_owned());
    failure
}

/// Returns the warnings about a configuration that is in force now.
async fn apply(
    running: &mut Running,
    control: &mut Control,
    started: &Started<'_>,
) -> Result<Vec<String>, CallError> {
    if config::is_stdin(started.config) {
        let mut failure = from_stdin();
        failure.problems.push(failure.error.clone());
        return Err(failure);
    }
    started.watch.borrow_mut().note_read();
    let loaded = config::load(started.config).map_err(|failure| {
        running.note_failed_reload();
        not_reloaded(true, &failure)
    })?;
    let mut warnings = warn(&loaded);
    let unchanged = unchanged(running, &loaded.config, started);
    let level = loaded.config.log.level;
    let (socket, problem) = match control.prepare(&loaded.config.control) {
        Ok(socket) => (Some(socket), None),
        Err(error) => (None, Some(error)),
    };
    running
        .reload(loaded.config, problem)
        .await
        .map_err(|error| not_reloaded(error.is_config(), &error))?;
    started.logs.set_level(level);
    for warning in &unchanged {
        tracing::warn!("{warning}");
    }
    warnings.extend(unchanged);
    if let Some(socket) = socket {
        warnings.extend(socket.warning().map(str::to_owned));
        if let Err(error) = control.apply(socket) {
            tracing::error!(%error, "the control socket stays where it was");
        }
    }
    Ok(warnings)
}

/// What of a new configuration does not take effect yet, a line each.
fn unchanged(running: &Running, config: &Config, started: &Started<'_>) -> Vec<String> {
    let file = config.file.display();
    let workers = running.other_workers(config).map(|(now, then)| {
        format!(
            "{file}: listen.workers: the number of workers stays {now}, and is {then} after a \
             restart"
        )
    });
    let (now, then) = (started.log.format, config.log.format);
    let format = (now != then).then(|| {
        format!(
            "{file}: log.format: the format of events stays {now}, and is {then} after a restart"
        )
    });
    let is_fixed = started.logs.is_level_fixed() && config.log.level != started.log.level;
    let level = is_fixed.then(|| {
        format!("{file}: log.level: the environment's RUST_LOG decides, so the level stays")
    });
    workers.into_iter().chain(format).chain(level).collect()
}

fn not_reloaded(is_config: bool, error: &(dyn std::error::Error + 'static)) -> CallError {
    CallError {
        status: if is_config {
            StatusCode::UNPROCESSABLE_ENTITY
        } else {
            StatusCode::CONFLICT
        },
        error: "not reloaded; the current configuration stays in force".to_owned(),
        problems: Chain(error)
            .to_string()
            .lines()
            .map(str::to_owned)
            .collect(),
    }
}
