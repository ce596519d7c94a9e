//! Serves a file from disk.

use http::Response;

use crate::files::{self, FileBody};
use crate::route::Route;
use crate::route::files::FilesSpec;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
use crate::serve::{Inbound, advice};
use crate::slot::FileSlot;

/// How many ticks a request waits for a file slot. A page asks for all of its parts at once, and
/// the first of them are soon sent.
const FILE_TICKS: usize = 4;

/// The file. An open file takes a descriptor, as a socket does, until its body has been sent.
pub(super) async fn serve(
    inbound: &Inbound,
    route: &Route,
    spec: &FilesSpec,
) -> Result<Response<ResponseBody>, Rejection> {
    let slot = file_slot(inbound).await.ok_or(Rejection::OpenFiles)?;
    let guard = &inbound.view.snapshot.guard;
    let response = files::serve(&inbound.request, spec, route.path.front(), guard).await;
    let response = match response {
        Err(error) if error.is_shown_as_not_found() => instead(inbound, spec, error).await?,
        response => response?,
    };
    Ok(response.map(|body| ResponseBody::file(body, slot)))
}

/// The page for a path without a file. Files that must not be shown are answered with it as well,
/// so that clients cannot tell that they exist.
async fn instead(
    inbound: &Inbound,
    spec: &FilesSpec,
    error: files::Error,
) -> Result<Response<FileBody>, Rejection> {
    let request = &inbound.request;
    match files::fallback(request, spec, &inbound.view.snapshot.guard).await {
        None | Some(Err(files::Error::NotFound)) => Err(error.into()),
        Some(Err(problem)) => Err(problem.into()),
        Some(Ok(response)) => {
            advice::log(&error.into(), &inbound.exchange, None);
            Ok(response)
        }
    }
}

async fn file_slot(inbound: &Inbound) -> Option<FileSlot> {
    let (worker, client) = (&inbound.conn.worker, inbound.counted());
    for _ in 0..FILE_TICKS {
        let slot = worker.shared.files.take(&client);
        if slot.is_some() {
            return slot;
        }
        worker.ticks.next().await;
    }
    None
}
