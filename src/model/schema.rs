//! What of a database's schema the sync has to know.

use super::Value;

/// The ordinary tables of one database, and what was left out.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schema {
    /// The tables that can be synced, by name.
    pub tables: Vec<Table>,
    /// What cannot be, with the reason.
    pub skipped: Vec<Skipped>,
    /// Every table, index, view and trigger that a program made, synced or not.
    pub objects: Vec<Object>,
    /// The version of the SQLite that told it, such as `[3, 40, 1]`; zeros when it was not read from a database.
    pub sqlite: [u32; 3],
}

impl Schema {
    /// The table of that name; names compare as SQLite compares them, ASCII letters without case.
    #[must_use]
    pub fn table(&self, name: &str) -> Option<&Table> {
        self.tables.iter().find(|table| table.name.eq_ignore_ascii_case(name))
    }

    /// The object of that kind and name.
    #[must_use]
    pub fn object(&self, kind: ObjectKind, name: &str) -> Option<&Object> {
        let mut of_kind = self.objects.iter().filter(|object| object.kind == kind);
        of_kind.find(|object| object.name.eq_ignore_ascii_case(name))
    }

    /// Whether there is a table or view of that name, synced or not.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.table(name).is_some()
            || self
                .skipped
                .iter()
                .any(|skipped| skipped.name.eq_ignore_ascii_case(name))
    }
}

/// What a program made with a statement of its own, as `sqlite_master` has it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The table that it belongs to: its own name for a table or a view.
    pub table: String,
    /// The statement that made it, to the letter.
    pub sql: String,
    /// Of an ordinary table: all columns in order, generated ones too.
    pub columns: Vec<Declared>,
    /// Of a unique index over whole columns of all rows: what it keeps unique. Otherwise empty.
    pub unique: Vec<(String, Collation)>,
}

/// What an object of a schema is. The order is one in which they can be made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ObjectKind {
    /// An ordinary table.
    Table,
    /// A column of one.
    Column,
    /// A virtual table, or a table that one keeps.
    Virtual,
    /// An index with a name of its own.
    Index,
    /// A view.
    View,
    /// A trigger.
    Trigger,
}

impl std::fmt::Display for ObjectKind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Table => "table",
            Self::Column => "column",
            Self::Virtual => "virtual table",
            Self::Index => "index",
            Self::View => "view",
            Self::Trigger => "trigger",
        })
    }
}

/// A column as its table declares it.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Declared {
    /// As the schema spells it.
    pub name: String,
    /// The declared type; may be empty.
    pub declared: String,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// Whether its values are computed from others.
    pub generated: bool,
}

/// A table or view that is left out.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Skipped {
    /// Its name.
    pub name: String,
    /// Why, for people: "a view", "a virtual table", "no key …".
    pub reason: String,
}

/// An ordinary table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table {
    /// As the schema spells it.
    pub name: String,
    /// The stored columns, in order. Generated ones are not among them.
    pub columns: Vec<Column>,
    /// Indexes into `columns`: what makes a row this row on both sides. Empty only until a layout has put a declared
    /// key there.
    pub key: Vec<usize>,
    /// Index of the INTEGER PRIMARY KEY column, the alias of the rowid, if there is one.
    pub rowid: Option<usize>,
    /// Whether that id is AUTOINCREMENT: numbers once used are not used again.
    pub autoincrement: bool,
    /// Whether SQLite refuses values of another type than the declared one.
    pub strict: bool,
    /// Sets of columns (indexes into `columns`) that a UNIQUE constraint or PRIMARY KEY covers, the key among them.
    pub unique: Vec<Vec<usize>>,
    /// Declared foreign keys.
    pub foreign_keys: Vec<ForeignKey>,
    /// The user's triggers on this table.
    pub triggers: Vec<Trigger>,
}

/// A trigger of the user's.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trigger {
    /// Its name.
    pub name: String,
    /// The statement that made it, to the letter.
    pub sql: String,
}

impl Table {
    /// The index of a column by name (ASCII letters without case).
    #[must_use]
    pub fn column(&self, name: &str) -> Option<usize> {
        self.columns
            .iter()
            .position(|column| column.name.eq_ignore_ascii_case(name))
    }

    /// The key values of a full row.
    #[must_use]
    pub fn key_of(&self, row: &[Value]) -> super::Key {
        self.key.iter().map(|&index| row[index].clone()).collect()
    }

    /// The integer id that is not the key: each side hands out its own, so it may collide and then one side yields.
    /// `None` when the table has no INTEGER PRIMARY KEY or when that id is the key itself.
    #[must_use]
    pub fn surrogate(&self) -> Option<usize> {
        self.rowid.filter(|rowid| self.key != [*rowid])
    }

    /// Whether rows are matched by nothing but an integer id that each side hands out for itself.
    #[must_use]
    pub fn keyed_by_rowid(&self) -> bool {
        self.rowid.is_some_and(|rowid| self.key == [rowid])
    }
}

/// A stored column.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Column {
    /// As the schema spells it.
    pub name: String,
    /// The declared type, as the schema spells it; may be empty.
    pub declared: String,
    /// What SQLite makes of the declared type.
    pub affinity: Affinity,
    /// Whether NULL is refused.
    pub not_null: bool,
    /// What its unique indexes take for equal.
    pub collation: Collation,
}

impl Column {
    /// Whether values that a unique index takes for equal are the same value, so that bytes tell rows apart as well.
    #[must_use]
    pub fn compares_exactly(&self) -> bool {
        self.collation == Collation::Binary && self.affinity != Affinity::Blob
    }

    /// One value for all that a unique index on this column takes for equal: without an affinity that is `1` and
    /// `1.0`, by the collation that can be `a` and `A`.
    #[must_use]
    pub fn fold(&self, value: &Value) -> Value {
        match (value, self.collation) {
            (Value::Real(real), _) => whole(real.get()).map_or_else(|| value.clone(), Value::Integer),
            (Value::Text(bytes), Collation::NoCase) => Value::Text(bytes.to_ascii_lowercase().into()),
            (Value::Text(bytes), Collation::RTrim) => {
                let end = bytes.iter().rposition(|&byte| byte != b' ').map_or(0, |last| last + 1);
                Value::Text(bytes.iter().take(end).copied().collect())
            }
            _ => value.clone(),
        }
    }
}

/// The integer that a double is exactly.
#[allow(clippy::cast_possible_truncation)] // the bounds are checked
fn whole(real: f64) -> Option<i64> {
    const END: f64 = 9_223_372_036_854_775_808.0; // 2^63
    (real.fract() == 0.0 && (-END..END).contains(&real)).then_some(real as i64)
}

/// SQLite's own collations. A table whose indexes have another one is not synced: no engine of ours has it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Collation {
    /// By bytes.
    #[default]
    Binary,
    /// Letters of ASCII without case.
    NoCase,
    /// Without spaces at the end.
    RTrim,
}

/// A column's affinity, by the rules of <https://sqlite.org/datatype3.html> §3.1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[allow(missing_docs)] // the five words are SQLite's own
pub enum Affinity {
    Text,
    Numeric,
    Integer,
    Real,
    Blob,
}

/// A declared foreign key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ForeignKey {
    /// Indexes into the child's `columns`.
    pub columns: Vec<usize>,
    /// The parent table's name, as the child spells it.
    pub parent: String,
    /// The parent's columns, by name, in the same order.
    pub parent_columns: Vec<String>,
}
