//! By which name the server knows this laptop.

use std::path::Path;

use super::CycleError;
use super::history::History;
use super::pair::{inode, random_name};

/// The name of this laptop's sidecar on the server. A state folder that was copied gets another one, and says so: two
/// daemons that move one base would each take the other's moves for a lost base.
pub(super) async fn name(history: &History, path: &Path) -> Result<(String, Option<String>), CycleError> {
    let (known, file) = (history.fact("client").await?, inode(path));
    let home = history.fact("client_file").await?;
    let copied = known.is_some() && home.as_ref().is_some_and(|home| *home != file);
    if home.as_ref() != Some(&file) {
        history.keep_fact("client_file", file).await?;
    }
    if let Some(client) = known.filter(|_| !copied) {
        return Ok((client, None));
    }
    let client = random_name()?;
    history.keep_fact("client", client.clone()).await?;
    let note = "the state folder is a copy of another one, and got a sidecar of its own on the server";
    if copied {
        tracing::warn!("{note}");
    }
    Ok((client, copied.then(|| note.to_owned())))
}
