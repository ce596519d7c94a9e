//! Serves a file from disk.

use http::Response;

use crate::files;
use crate::route::Route;
use crate::route::files::FilesSpec;
use crate::serve::Inbound;
use crate::serve::reject::Rejection;
use crate::serve::response_body::ResponseBody;
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
    let response = files::serve(&inbound.request, spec, route.path.front(), guard).await?;
    Ok(response.map(|body| ResponseBody::file(body, slot)))
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
