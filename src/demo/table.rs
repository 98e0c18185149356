//! The closing table: what each side had and did, what moved, what there is now.

use std::collections::BTreeMap;

use comfy_table::{CellAlignment, Table, presets};

use super::contents::Contents;
use super::hand::Written;

use crate::control::types::CycleSummary;

/// Lines of the head.
pub(super) const HEAD: usize = 2;

const HEADINGS: [&str; 8] = [
    "rows",
    "before\nboth",
    "wrote\nlaptop",
    "wrote\nphone",
    "came to\nlaptop",
    "came to\nserver",
    "now\nlaptop",
    "now\nserver",
];

/// What the table is made from.
pub(super) struct Ledger<'a> {
    /// Both sides before the train.
    pub before: &'a Contents,
    /// What the laptop's own programs wrote since.
    pub laptop_wrote: BTreeMap<String, Written>,
    /// What the site wrote since.
    pub site_wrote: BTreeMap<String, Written>,
    /// The daemon's cycles since.
    pub cycles: Vec<CycleSummary>,
    /// The laptop at the end.
    pub laptop: &'a Contents,
    /// The server at the end.
    pub site: &'a Contents,
}

impl Ledger<'_> {
    /// The table's lines, [`HEAD`] of them its head.
    pub fn lines(&self) -> Vec<String> {
        let mut table = Table::new();
        table.load_style(presets::NOTHING);
        table.add_row(HEADINGS);
        for name in self.before.tables() {
            let (to_laptop, to_site) = self.moved(name);
            table.add_row([
                name.to_owned(),
                self.before.rows(name).to_string(),
                did(self.laptop_wrote.get(name)),
                did(self.site_wrote.get(name)),
                or_dash(to_laptop),
                or_dash(to_site),
                self.laptop.rows(name).to_string(),
                self.site.rows(name).to_string(),
            ]);
        }
        for (index, column) in table.column_iter_mut().enumerate() {
            column.set_padding((0, 2));
            if index > 0 {
                column.set_cell_alignment(CellAlignment::Right);
            }
        }
        table.lines().map(|line| line.trim_end().to_owned()).collect()
    }

    /// Rows of a table that the laptop took, and that the server took, as the daemon counts them.
    fn moved(&self, name: &str) -> (u64, u64) {
        let moves = self.cycles.iter().flat_map(|cycle| &cycle.tables);
        moves
            .filter(|moves| moves.table == name)
            .fold((0, 0), |(pulled, pushed), moves| {
                (pulled + moves.pulled, pushed + moves.pushed)
            })
    }
}

/// "+8 ~5": eight new rows and five changed ones.
fn did(written: Option<&Written>) -> String {
    let written = written.copied().unwrap_or_default();
    let parts = [("+", written.new), ("~", written.changed), ("-", written.deleted)];
    let parts: Vec<String> = parts
        .iter()
        .filter(|(_, rows)| *rows > 0)
        .map(|(sign, rows)| format!("{sign}{rows}"))
        .collect();
    match parts.is_empty() {
        true => "–".to_owned(),
        false => parts.join(" "),
    }
}

fn or_dash(rows: u64) -> String {
    match rows {
        0 => "–".to_owned(),
        rows => rows.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use rusqlite::Connection;

    use super::*;
    use crate::control::types::TableMoves;

    #[test]
    fn a_row_for_each_table_within_80_columns() {
        let contents = |rows: u32| {
            let conn = Connection::open_in_memory().unwrap();
            conn.execute_batch("CREATE TABLE retailer_url_patterns(id INTEGER PRIMARY KEY); CREATE TABLE empty(id)")
                .unwrap();
            for _ in 0..rows {
                conn.execute("INSERT INTO retailer_url_patterns DEFAULT VALUES", [])
                    .unwrap();
            }
            Contents::read(&conn).unwrap()
        };
        let wrote = |new, changed, deleted| {
            BTreeMap::from([("retailer_url_patterns".to_owned(), Written { new, changed, deleted })])
        };
        let cycle = |pulled, pushed| CycleSummary {
            tables: vec![TableMoves {
                table: "retailer_url_patterns".to_owned(),
                pulled,
                pushed,
                ..TableMoves::default()
            }],
            ..CycleSummary::default()
        };
        let lines = Ledger {
            before: &contents(200),
            laptop_wrote: wrote(9, 0, 0),
            site_wrote: wrote(0, 7, 2),
            cycles: vec![cycle(8, 9), cycle(2, 0)],
            laptop: &contents(210),
            site: &contents(209),
        }
        .lines();
        assert!(lines.iter().all(|line| line.chars().count() <= 78), "{lines:#?}");
        assert_eq!(lines.len(), HEAD + 2);
        let words = |line: &str| line.split_whitespace().map(str::to_owned).collect::<Vec<_>>();
        assert_eq!(words(&lines[HEAD]), ["empty", "0", "–", "–", "–", "–", "0", "0"]);
        assert_eq!(
            words(&lines[HEAD + 1]),
            [
                "retailer_url_patterns",
                "200",
                "+9",
                "~7",
                "-2",
                "10",
                "9",
                "210",
                "209"
            ]
        );
    }
}
