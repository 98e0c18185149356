//! The mark of a cycle: that the laptop's writes are committed, and which of them were left out.

use std::collections::BTreeMap;

use super::layout::Layout;
use super::pair::private_file;
use super::{CycleError, Pair, aside};
use crate::model::{Key, Side};
use crate::replica::{Generation, Mark, Replica, SqlError, SqlErrorKind, make_mark_file};

/// Its file, in the state folder.
pub(super) const FILE: &str = "mark.db";

/// Keys of rows that a cycle left as they were, by table.
pub(super) type KeptOut = BTreeMap<String, Vec<Key>>;

/// These keys of the layout's tables by name.
pub(super) fn by_name(layout: &Layout, kept_out: Vec<Vec<Key>>) -> KeptOut {
    let names = layout.local.iter().map(|table| table.name.clone());
    names.zip(kept_out).filter(|(_, keys)| !keys.is_empty()).collect()
}

impl Pair {
    /// Opens the mark's file in the laptop's session. One that is damaged is made anew: what stood in it is of use only
    /// after a crash, and then without it the rows themselves are asked.
    pub(super) async fn open_mark(&mut self, local: &mut Replica) -> Result<(), CycleError> {
        let path = self.config.daemon.state_dir.join(FILE);
        private_file(&path)?;
        match make_mark_file(&path) {
            Err(error) if error.kind == SqlErrorKind::Corrupt => {
                tracing::warn!(%error, "the mark's file is damaged: it is made anew");
                aside::remove(&path)?;
                private_file(&path)?;
                make_mark_file(&path)
            }
            made => made,
        }
        .map_err(fail)?;
        local.open_mark(&path.to_string_lossy()).await.map_err(fail)
    }

    /// Commits the laptop's writes and gives its lock back.
    pub(super) async fn commit_here(
        &mut self,
        cycle: i64,
        to: &Generation,
        kept_out: &KeptOut,
    ) -> Result<(), CycleError> {
        // A map of texts and rows always has a JSON form.
        let note = serde_json::to_string(kept_out).unwrap_or_default();
        let mark = Mark { cycle, to, note: &note };
        let (local, _) = self.both()?;
        local.unlock(Some(&mark)).await.map_err(fail)
    }

    /// What a cycle that was cut off left out of its commit on the laptop; `None` if nothing tells that it came to that.
    pub(super) async fn kept_out_here(&mut self, cycle: i64, to: &Generation) -> Result<Option<KeptOut>, CycleError> {
        let (local, _) = self.both()?;
        let note = local.marked(cycle, to).await.map_err(fail)?;
        // One that cannot be read is one that is not there.
        Ok(note.and_then(|note| serde_json::from_str(&note).ok()))
    }
}

fn fail(error: SqlError) -> CycleError {
    CycleError::of_sql(Side::Local, error)
}
