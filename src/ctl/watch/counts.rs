//! What both sides hold, in columns.

use std::collections::BTreeSet;

use ratatui::text::Line;

use super::paint::Paint;
use super::view::heading;
use crate::control::types::{SideCounts, Status};
use crate::ctl::style::Tone;
use crate::ctl::text;

/// How wide a number is.
const NUMBER: usize = 9;
/// A label is not wider than that.
const LABEL: usize = 26;

/// What matters most comes first: who has little room shows the beginning.
pub(super) fn lines(status: &Status, paint: Paint, width: usize) -> Vec<Line<'static>> {
    let (local, server) = (status.local.as_ref(), status.server.as_ref());
    let label = width.saturating_sub(2 * NUMBER).min(LABEL);
    let row = |name: &str, [local, server]: [String; 2]| {
        let name = text::short(name, label);
        format!("{name:label$}{local:>NUMBER$}{server:>NUMBER$}")
    };
    let mut lines = vec![heading(paint, &row("", ["laptop".to_owned(), "server".to_owned()]))];
    let mut add = |name: &str, get: &dyn Fn(&SideCounts) -> Option<u64>| {
        let counts = [local.and_then(get), server.and_then(get)];
        if counts.iter().any(Option::is_some) {
            let apart = matches!(counts, [Some(local), Some(server)] if local != server);
            let tone = if apart { Tone::Busy } else { Tone::Plain };
            let counts = counts.map(|count| count.map_or("?".to_owned(), |count| count.to_string()));
            lines.push(paint.line(tone, &row(name, counts)));
        }
    };
    add("rows", &|side| Some(side.rows));
    add("pending reviews", &|side| side.pending_reviews);
    add("assessed", &|side| side.assessed);
    let sides = || local.into_iter().chain(server);
    let retailers: BTreeSet<&String> = sides().flat_map(|side| side.pending_by_retailer.keys()).collect();
    let tables: BTreeSet<&String> = sides().flat_map(|side| side.tables.keys()).collect();
    for name in tables {
        add(&format!("  {name}"), &|side| side.tables.get(name).copied());
    }
    for name in retailers {
        let of = |side: &SideCounts| Some(side.pending_by_retailer.get(name).copied().unwrap_or(0));
        add(&format!("  to review: {name}"), &of);
    }
    match (lines.len(), pending(status)) {
        (1, _) => Vec::new(),
        (_, Some(waiting)) => {
            lines.insert(1, paint.line(Tone::Busy, &waiting));
            lines
        }
        (_, None) => lines,
    }
}

/// "waiting to move                 3        7": toward each side, where it is known.
fn pending(status: &Status) -> Option<String> {
    let known = [(status.pending.pull, "to pull"), (status.pending.push, "to push")];
    text::parts("row", &known.map(|(rows, verb)| (rows.unwrap_or(0), verb)))
}
