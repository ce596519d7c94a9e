//! The table as JSON.

use ianitor::clock::UnixTime;
use ianitor::store::{OrderRecord, StoreError, Stored};
use ianitor::telemetry::{Chain, escape};
use serde_json::{Value, json};

use super::look::{Row, Target};

/// A list with an object for each certificate.
pub(super) fn text(rows: &[Row<'_>]) -> String {
    let all: Vec<Value> = rows.iter().map(row).collect();
    // It has words of the CA: characters that control a terminal are escaped, as JSON allows.
    escape::json(&format!("{:#}\n", Value::Array(all))).into_owned()
}

fn row(row: &Row<'_>) -> Value {
    let hosts: Vec<&str> = row.spec.hosts.iter().map(|host| host.as_str()).collect();
    let progress = row.progress.as_ref().ok().and_then(Option::as_ref);
    json!({
        "name": row.spec.name.as_str(),
        "hosts": hosts,
        "certificate": row.stored.as_ref().ok().and_then(Option::as_ref).map(certificate),
        "next": progress.map(next),
        "failures": progress.map_or(0, |progress| progress.failures),
        "error": progress.and_then(|progress| progress.error.as_deref()),
        "store_error": store_error(row),
        "consumers": row.consumers.iter().map(consumer).collect::<Vec<_>>(),
    })
}

fn certificate(stored: &Stored) -> Value {
    let meta = &stored.bundle.meta;
    json!({
        "version": stored.version,
        "hosts": meta.hosts,
        "key_type": meta.key_type,
        "directory": meta.directory,
        "profile": meta.profile,
        "issuer": meta.issuer,
        "serial": meta.serial,
        "issued": time(meta.issued),
        "not_before": time(meta.not_before),
        "not_after": time(meta.not_after),
        "revoked": meta.revoked.map(time),
    })
}

fn next(progress: &OrderRecord) -> Value {
    json!({ "at": progress.next.map(time), "why": progress.why })
}

fn store_error(row: &Row<'_>) -> Option<String> {
    let errors: [Option<&StoreError>; 2] = [row.stored.as_ref().err(), row.progress.as_ref().err()];
    errors
        .into_iter()
        .flatten()
        .next()
        .map(|error| Chain(error).to_string())
}

fn consumer(target: &Target<'_>) -> Value {
    json!({
        "key": target.spec.config_key,
        "to": target.spec.to.name(),
        "in_sync": target.is_in_sync(),
        "state": target.state(),
    })
}

fn time(at: UnixTime) -> String {
    at.to_string()
}
