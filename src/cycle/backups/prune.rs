//! Old backups removed because a person says so.

use jiff::{SignedDuration, Timestamp};

use super::super::backup::{expired, is_abandoned};
use super::super::{CycleError, Pair};
use super::shelf::{self, Kept};
use crate::config;
use crate::control::types::{PruneReport, PruneRequest};

impl Pair {
    pub(super) async fn prune_backups(&mut self, request: &PruneRequest) -> Result<PruneReport, CycleError> {
        let shelf = self.shelf().await?;
        let database = self.database_there()?;
        let looked = self.looked_through(&database, &shelf).await?;
        let list = self.described(&database, &shelf, &shelf, &looked);
        let damaged = list.backups.iter().filter(|backup| backup.damage.is_some());
        let damaged: Vec<Timestamp> = damaged.filter_map(|backup| backup.time).collect();
        let times = to_remove(&shelf, &damaged, request, &self.config.backup, Timestamp::now());
        let removed = list.backups.into_iter();
        let removed: Vec<_> = removed
            .filter(|backup| backup.time.is_some_and(|time| times.contains(&time)))
            .collect();
        if !request.dry_run && !times.is_empty() {
            let link = self.link()?;
            shelf::remove(&*link, self.config.remote.engine, &database, &times).await?;
        }
        Ok(PruneReport {
            dry_run: request.dry_run,
            freed: removed.iter().map(|backup| backup.size).sum(),
            kept: (shelf.len() - removed.len()) as u64,
            removed,
        })
    }
}

/// What goes: by the request, or where it says nothing by the config's rule; never the newest that is whole and not known to
/// be damaged, nor one that may still be under way.
fn to_remove(
    shelf: &[Kept],
    damaged: &[Timestamp],
    request: &PruneRequest,
    rule: &config::Backup,
    now: Timestamp,
) -> Vec<Timestamp> {
    let mut whole: Vec<Timestamp> = shelf.iter().filter(|kept| kept.whole).map(|kept| kept.time).collect();
    whole.sort_unstable_by(|a, b| b.cmp(a));
    let best = whole.iter().find(|time| !damaged.contains(time)).copied();
    let by_rule = request.keep_last.is_none() && request.older_than_ms.is_none();
    let mut times = match by_rule {
        true => expired(shelf, rule, now),
        false => {
            let newest = request.keep_last.map_or(0, |keep| keep as usize);
            let limit = request.older_than_ms.map(|ms| i64::try_from(ms).unwrap_or(i64::MAX));
            let is_old =
                |time: &Timestamp| limit.is_none_or(|ms| now.duration_since(*time) > SignedDuration::from_millis(ms));
            let cut_off = shelf.iter().filter(|kept| !kept.whole && is_abandoned(kept.time, now));
            let cut_off = cut_off.map(|kept| kept.time);
            whole
                .iter()
                .skip(newest)
                .copied()
                .chain(cut_off)
                .filter(is_old)
                .collect()
        }
    };
    times.retain(|time| Some(*time) != best);
    times
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn shelf() -> Vec<Kept> {
        let days = [("23", false), ("22", true), ("21", true), ("20", true), ("10", false)];
        let kept = days.map(|(day, whole)| Kept {
            time: at(&format!("2026-11-{day}T12:00:00Z")),
            size: 1,
            changed: 0,
            whole,
        });
        kept.to_vec()
    }

    fn days(damaged: &[&str], request: &PruneRequest) -> Vec<String> {
        let rule = config::Backup {
            enabled: true,
            min_interval: std::time::Duration::ZERO,
            keep_last: 2,
            keep_daily: 0,
        };
        let damaged: Vec<Timestamp> = damaged
            .iter()
            .map(|day| at(&format!("2026-11-{day}T12:00:00Z")))
            .collect();
        let gone = to_remove(&shelf(), &damaged, request, &rule, at("2026-11-23T13:00:00Z"));
        gone.iter().map(|time| time.strftime("%d").to_string()).collect()
    }

    #[test]
    fn by_the_rule_or_by_what_is_said() {
        let asked = |keep_last, days: Option<u64>| PruneRequest {
            keep_last,
            older_than_ms: days.map(|days| days * 86_400_000),
            dry_run: false,
        };
        assert_eq!(days(&[], &asked(None, None)), ["20", "10"]);
        assert_eq!(days(&[], &asked(Some(1), None)), ["21", "20", "10"]);
        assert_eq!(days(&[], &asked(None, Some(2))), ["21", "20", "10"]);
        assert_eq!(days(&[], &asked(Some(2), Some(2))), ["20", "10"]);
        assert_eq!(days(&[], &asked(Some(1), Some(4))), ["10"]);
    }

    #[test]
    fn the_newest_good_one_stays_whatever_is_asked() {
        let all = PruneRequest {
            older_than_ms: Some(0),
            ..PruneRequest::default()
        };
        assert_eq!(days(&[], &all), ["21", "20", "10"]);
        assert_eq!(days(&["22"], &all), ["22", "20", "10"]);
        let none = PruneRequest {
            keep_last: Some(0),
            ..PruneRequest::default()
        };
        assert_eq!(days(&[], &none), ["21", "20", "10"]);
    }
}
