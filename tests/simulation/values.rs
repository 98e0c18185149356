//! Which values the programs write.

use super::cell::{Cell, write_time};
use super::random::Random;
use super::schema::{Role, Table};

/// Who draws, and when: what a value may depend on beside chance.
pub struct Hand<'a> {
    pub random: &'a mut Random,
    /// No other change has it: values with it in them are written once.
    pub number: u64,
    /// What this program's clock shows.
    pub second: i64,
    /// Its zone, in seconds east.
    pub zone: i64,
}

impl Hand<'_> {
    /// A value for a column that refers to nothing and is no id.
    pub fn value(&mut self, table: &Table, column: usize) -> Cell {
        let required = table.columns[column].required;
        match table.columns[column].role {
            Role::Key => self.key(&table.columns[column].name),
            Role::Tag => Cell::text(format!("tag {}", self.number)),
            Role::Unique if self.random.percent(30) => Cell::Null,
            Role::Unique => Cell::text(format!("u{}", self.random.below(5))),
            Role::GroupTime | Role::Updated => self.time(),
            _ if required => Cell::text(format!("text {}.{column}", self.number)),
            _ if self.random.percent(70) => self.plain(column),
            _ => self.hostile(column),
        }
    }

    fn key(&mut self, column: &str) -> Cell {
        if column == "n" {
            return self
                .random
                .pick(&[Cell::Int(0), Cell::Int(1), Cell::Int(i64::MIN), Cell::Int(i64::MAX)]);
        }
        match self.random.below(12) {
            9 => Cell::Text(b"K1".to_vec()),
            10 => Cell::Text(vec![b'k', 0, b'\n', 0xff]),
            11 => Cell::text("k 'ü;-- "),
            number => Cell::text(format!("k{}", number % 6)),
        }
    }

    fn time(&mut self) -> Cell {
        let form = match self.random.below(20) {
            19 => self.random.between(7, 9),
            form => form % 7,
        };
        let back = self.random.pick(&[0, 0, 0, 0, 1, 3600]);
        write_time(self.second - back, self.zone, form)
    }

    fn plain(&mut self, column: usize) -> Cell {
        match self.random.below(4) {
            0 => Cell::Int((self.number * 100) as i64 + column as i64),
            1 => Cell::real(self.number as f64 * 100.0 + column as f64 + 0.25),
            _ => Cell::text(format!("text {}.{column}", self.number)),
        }
    }

    fn hostile(&mut self, column: usize) -> Cell {
        let own = self.number * 100 + column as u64;
        let bytes = format!("\u{0}'\"\n\t;--{own}").into_bytes();
        match self.random.below(20) {
            0..=4 => Cell::Null,
            5 => Cell::Int(i64::MAX - own as i64),
            6 => Cell::Int(i64::MIN + own as i64),
            7 => self
                .random
                .pick(&[Cell::Int(i64::MAX), Cell::Int(i64::MIN), Cell::Int(0), Cell::Int(1)]),
            8 => self.random.pick(&[
                Cell::real(f64::INFINITY),
                Cell::real(f64::NEG_INFINITY),
                Cell::real(-0.0),
            ]),
            9 => self
                .random
                .pick(&[Cell::real(0.0), Cell::real(1.0), Cell::real(f64::MAX), Cell::real(9e18)]),
            // Subnormal: SQLite would print it as 0.0.
            10 => Cell::Real(own),
            11 => Cell::Text([bytes.as_slice(), &[0xff, 0xc0, 0x80]].concat()),
            12 => Cell::Text(bytes),
            13 => self
                .random
                .pick(&[Cell::text(""), Cell::text(" "), Cell::text("NULL"), Cell::text("=")]),
            14 => self.random.pick(&[
                Cell::text("1"),
                Cell::text("1.0"),
                Cell::text("1e400"),
                Cell::text(" 12 "),
            ]),
            15 => Cell::text("0x10"),
            16 => Cell::Blob(Vec::new()),
            17 => Cell::Blob(bytes),
            18 => Cell::text(format!("Grüße {own} \u{1f600}")),
            _ if self.random.percent(2) => Cell::Blob([&[0xa5; 1 << 20][..], &bytes].concat()),
            _ => Cell::text("x".repeat(3000)),
        }
    }
}
