//! Resolves conflicts: the version that a person takes comes to both sides.

use super::amend::wanted::{Place, Wanted, column, today};
use super::history::{RecordedConflict, Which, not_in_record};
use super::layout::Layout;
use super::{CycleError, Pair, Progress, Trigger};
use crate::control::types::{AmendReport, CycleSummary, ErrorCode, Outcome, ResolveRequest, Side};
use crate::model::Row;

impl Pair {
    /// Resolves conflicts. One of which a cell holds neither side's version by now is left and named.
    ///
    /// # Errors
    /// When the request makes no sense, when the record has no such conflict, and as a cycle's.
    pub(super) async fn settle_conflicts(
        &mut self,
        request: &ResolveRequest,
        progress: &Progress<'_>,
    ) -> Result<AmendReport, CycleError> {
        let (which, take) = read(request)?;
        let conflicts = self.history.conflicts(&which).await?;
        if let Which::These(ids) = &which
            && let Some(id) = ids.iter().find(|id| conflicts.iter().all(|known| known.id != **id))
        {
            let known = "it may be older than [history] keeps";
            return Err(not_in_record(
                &format!("conflict {id}"),
                known,
                "modsyncctl conflicts --all",
            ));
        }
        if conflicts.is_empty() {
            return Ok(AmendReport {
                cycle: CycleSummary {
                    outcome: Outcome::Unchanged,
                    ..CycleSummary::default()
                },
                ..AmendReport::default()
            });
        }
        self.connect(progress).await?;
        let places: Vec<_> = conflicts.iter().map(|conflict| self.row_of(conflict)).collect();
        let known = places.iter().filter_map(|place| place.as_ref().ok().cloned());
        let mut wanted = Wanted::new(self.rows_now(known).await?);
        let mut chosen = Vec::new();
        for (conflict, place) in conflicts.iter().zip(places) {
            match place.and_then(|place| choose(&self.layout, &mut wanted, &place, conflict, take).map(|()| place)) {
                Ok(place) => chosen.push((conflict, place)),
                Err(reason) => wanted.leave(
                    &conflict.table,
                    conflict.conflict.key.clone(),
                    Some(conflict.id),
                    reason,
                ),
            }
        }
        let mut report = self.bring(wanted, request.dry_run, Trigger::Resolve, progress).await?;
        let resolved = self.resolved(&chosen, &mut report);
        if !request.dry_run && !resolved.is_empty() {
            let cycle = report.cycle.cycle.filter(|_| !report.rows.is_empty());
            self.history.mark_resolved(resolved.clone(), take, cycle).await?;
        }
        report.resolved = resolved;
        Ok(report)
    }

    /// The row of today that a conflict is about.
    fn row_of(&self, conflict: &RecordedConflict) -> Result<Place, String> {
        let versions = [
            &conflict.conflict.local,
            &conflict.conflict.server,
            &conflict.conflict.base,
        ];
        let row = versions
            .into_iter()
            .flatten()
            .next()
            .ok_or("the record has no row of it")?;
        today(&self.layout, &conflict.table, &conflict.columns, row).map(|(place, _)| place)
    }

    /// The conflicts whose rows were not left; those that were are named with the rows.
    fn resolved(&self, chosen: &[(&RecordedConflict, Place)], report: &mut AmendReport) -> Vec<i64> {
        let mut resolved = Vec::new();
        for (conflict, (index, key)) in chosen {
            let table = &self.layout.local[*index];
            let key = super::report::key_json(table, key);
            let mut left = report.left.iter_mut();
            match left.find(|left| left.conflict.is_none() && left.table == table.name && left.key == key) {
                Some(left) => left.conflict = Some(conflict.id),
                None => resolved.push(conflict.id),
            }
        }
        resolved
    }
}

fn read(request: &ResolveRequest) -> Result<(Which, Side), CycleError> {
    let refuse = |message: &str, hint: &str| CycleError {
        code: ErrorCode::BadRequest,
        message: format!("resolve conflicts: {message}"),
        hint: Some(hint.to_owned()),
    };
    let Some(take) = request.take else {
        return Err(refuse("whose version is not said", "take \"local\" or \"server\""));
    };
    match (request.ids.is_empty(), &request.table, request.all) {
        (false, None, false) => Ok((Which::These(request.ids.clone()), take)),
        (true, Some(table), false) => Ok((Which::OfTable(table.clone()), take)),
        (true, None, true) => Ok((Which::All, take)),
        _ => Err(refuse(
            "which ones is not said, or said twice",
            "name their numbers, a table, or all",
        )),
    }
}

/// Puts the version that was taken into what is wanted.
fn choose(
    layout: &Layout,
    wanted: &mut Wanted,
    place: &Place,
    recorded: &RecordedConflict,
    take: Side,
) -> Result<(), String> {
    let conflict = &recorded.conflict;
    let row = |row: &Option<Row>| {
        let row = row
            .as_ref()
            .map(|row| today(layout, &recorded.table, &recorded.columns, row));
        Ok::<_, String>(row.transpose()?.map(|(_, row)| row))
    };
    let (local, server) = (row(&conflict.local)?, row(&conflict.server)?);
    let taken = match take {
        Side::Local => &local,
        Side::Server => &server,
    };
    let table = &layout.local[place.0];
    let names = conflict.columns.iter().filter_map(|&index| recorded.columns.get(index));
    let columns: Vec<usize> = names
        .map(|name| table.column(name).ok_or_else(|| format!("its column {name} is gone")))
        .collect::<Result<_, _>>()?;
    let now = wanted.row(place).cloned();
    if let Some(now) = &now {
        for &index in &columns {
            let versions = [&local, &server].into_iter().flatten();
            if !versions.into_iter().any(|version| version.get(index) == now.get(index)) {
                return Err(format!("{} has changed since", table.columns[index].name));
            }
        }
    }
    match (now, taken) {
        (None, None) => {}
        (None, Some(_)) if local.is_some() && server.is_some() => return Err("it has been deleted since".to_owned()),
        (None, Some(taken)) => wanted.want(place.clone(), Some(taken.clone())),
        (Some(now), None) => {
            let known = |index: &usize| column(&recorded.columns, &table.columns[*index].name).is_some();
            let stays = local.as_ref().or(server.as_ref());
            let mut known = (0..now.len()).filter(known);
            if !stays.is_some_and(|stays| known.all(|index| now.get(index) == stays.get(index))) {
                return Err("it has changed since".to_owned());
            }
            wanted.want(place.clone(), None);
        }
        (Some(mut now), Some(taken)) => {
            for index in columns {
                if let (Some(cell), Some(value)) = (now.get_mut(index), taken.get(index)) {
                    cell.clone_from(value);
                }
            }
            wanted.want(place.clone(), Some(now));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
