//! The schema as both sides last agreed: what tells something added from something dropped.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::model::{Declared, Object, ObjectKind};
use crate::replica::BaseTable;

/// What both sides had when their schemas were last read. Kept in `history.db`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Agreed {
    /// Tables by their names in small letters.
    pub tables: BTreeMap<String, AgreedTable>,
    /// Indexes, views and triggers that both sides had.
    pub objects: Vec<AgreedObject>,
}

/// A table that both sides had.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreedTable {
    /// The columns that both had.
    pub columns: Vec<AgreedColumn>,
}

/// A column that both sides had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreedColumn {
    /// As it was declared on the laptop.
    #[serde(flatten)]
    pub declared: Declared,
    /// One side has lost it since.
    #[serde(default)]
    pub gone: bool,
}

/// An index, a view or a trigger that both sides had.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct AgreedObject {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// The statement that made it on the laptop.
    pub sql: String,
}

impl Agreed {
    /// The same, with what the base shows to have been agreed: the record may be lost while the base is there.
    pub fn with_base(mut self, base: &[BaseTable]) -> Self {
        for copy in base {
            let columns = copy.column_names().map(|name| AgreedColumn {
                declared: Declared {
                    name: name.to_owned(),
                    declared: String::new(),
                    not_null: false,
                    generated: false,
                },
                gone: false,
            });
            let known = self.tables.entry(copy.name.to_ascii_lowercase());
            known.or_insert_with(|| AgreedTable {
                columns: columns.collect(),
            });
        }
        self
    }

    /// The table of that name.
    pub fn table(&self, name: &str) -> Option<&AgreedTable> {
        self.tables.get(&name.to_ascii_lowercase())
    }

    /// The index, view or trigger like this one.
    pub fn object(&self, like: &Object) -> Option<&AgreedObject> {
        let mut of_kind = self.objects.iter().filter(|known| known.kind == like.kind);
        of_kind.find(|known| known.name.eq_ignore_ascii_case(&like.name))
    }
}

impl AgreedTable {
    /// The column of that name.
    pub fn column(&self, name: &str) -> Option<&AgreedColumn> {
        let mut columns = self.columns.iter();
        columns.find(|column| column.declared.name.eq_ignore_ascii_case(name))
    }
}
