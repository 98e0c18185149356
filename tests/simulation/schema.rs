//! The databases of the simulation: the product database, and random small ones.

use modsync::config::{GroupConfig, TableConfig};

use super::random::Random;

/// What a column is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    /// An integer id that SQLite hands out; it says nothing about the row, which may have to take another one.
    Id,
    /// A part of the key: one of a few values, so that both sides meet.
    Key,
    /// What tells rows apart that have nothing but an id: given at the row's birth, never changed, never twice.
    Tag,
    /// Any value.
    Plain,
    /// One of a few values that the schema keeps unique, or NULL.
    Unique,
    /// The text key of a row of that table.
    RefKey(usize),
    /// The id of a row of that table.
    RefId(usize),
    /// The time of a group.
    GroupTime,
    /// A column that moves with the group.
    Group,
    /// The time of the row.
    Updated,
}

#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    pub role: Role,
    /// NULL is refused.
    pub required: bool,
}

#[derive(Clone, Debug)]
pub struct Table {
    pub name: String,
    pub columns: Vec<Column>,
    /// Whether it has something that tells its rows apart.
    pub synced: bool,
    /// Whether it has nothing but ids, and SQLite gives the largest one out again when its row is gone. Then a new row
    /// in the place of an old one cannot be told from an edit of it, by nobody.
    pub reuses_ids: bool,
}

impl Table {
    pub fn find(&self, role: Role) -> Option<usize> {
        self.columns.iter().position(|column| column.role == role)
    }

    /// The columns that tell rows apart on all sides.
    pub fn identity(&self) -> Vec<usize> {
        let named = |role| {
            let columns = self.columns.iter().enumerate();
            columns
                .filter(move |(_, column)| column.role == role)
                .map(|(index, _)| index)
        };
        let key: Vec<usize> = named(Role::Key).collect();
        if key.is_empty() {
            named(Role::Tag).collect()
        } else {
            key
        }
    }
}

#[derive(Clone, Debug)]
pub struct Schema {
    pub ddl: String,
    pub tables: Vec<Table>,
    pub config: Vec<TableConfig>,
}

impl Schema {
    pub fn random(random: &mut Random) -> Self {
        if random.percent(25) {
            return products();
        }
        let mut schema = Self::empty();
        for _ in 0..random.between(1, 2) {
            match random.below(9) {
                0 | 1 => schema.add_numbered(random),
                2 => schema.add_family(random),
                3 => schema.add_named(random),
                4 => schema.add_composite(random),
                5 => schema.add_coded(random),
                6 => schema.add_decided(random),
                7 => schema.add_declared(random),
                _ => schema.add_loose(),
            }
        }
        if !schema.tables.iter().any(|table| table.synced) {
            schema.add_decided(random);
        }
        schema
    }

    pub fn empty() -> Self {
        Self {
            ddl: String::new(),
            tables: Vec::new(),
            config: Vec::new(),
        }
    }

    /// `columns` as "name role declaration"; `tail` stands behind the last one.
    fn add(&mut self, name: &str, columns: &[(&str, Role, &str)], tail: &str, options: &str) {
        let name = format!("{name}{}", self.tables.len());
        let lines: Vec<String> = columns
            .iter()
            .map(|(column, _, declared)| format!("{column} {declared}"))
            .collect();
        self.ddl += &format!("CREATE TABLE {name}({}{tail}){options};\n", lines.join(","));
        let made = columns.iter().map(|(column, role, declared)| Column {
            name: (*column).to_owned(),
            role: *role,
            required: declared.contains("NOT NULL"),
        });
        self.tables.push(Table {
            name,
            columns: made.collect(),
            synced: true,
            reuses_ids: false,
        });
        let table = self.tables.last_mut().unwrap();
        let kept = columns
            .iter()
            .any(|(_, _, declared)| declared.contains("AUTOINCREMENT"));
        table.reuses_ids = !kept && table.find(Role::Key).is_none();
    }

    /// Rows with nothing but an id.
    pub fn add_numbered(&mut self, random: &mut Random) {
        let id = random.pick(&["INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"]);
        let (a, b) = (declaration(random), declaration(random));
        let code = if random.percent(40) { "TEXT UNIQUE" } else { "TEXT" };
        let role = if code == "TEXT" { Role::Plain } else { Role::Unique };
        let columns = [
            ("id", Role::Id, id),
            ("tag", Role::Tag, "TEXT NOT NULL"),
            ("a", Role::Plain, a),
            ("b", Role::Plain, b),
            ("code", role, code),
        ];
        self.add("numbered", &columns, "", "");
    }

    /// Parents and children by id.
    fn add_family(&mut self, random: &mut Random) {
        let id = random.pick(&["INTEGER PRIMARY KEY", "INTEGER PRIMARY KEY AUTOINCREMENT"]);
        let parent = self.tables.len();
        let a = declaration(random);
        let columns = [
            ("id", Role::Id, id),
            ("tag", Role::Tag, "TEXT NOT NULL"),
            ("a", Role::Plain, a),
        ];
        self.add("parent", &columns, "", "");
        let action = random.pick(&["", " ON DELETE CASCADE", " ON DELETE SET NULL"]);
        let reference = format!("INTEGER REFERENCES parent{parent}(id){action}");
        let columns = [
            ("id", Role::Id, "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("tag", Role::Tag, "TEXT NOT NULL"),
            ("parent", Role::RefId(parent), reference.as_str()),
            ("word", Role::Plain, "TEXT"),
        ];
        self.add("child", &columns, "", "");
    }

    /// An id beside a natural key.
    fn add_named(&mut self, random: &mut Random) {
        let a = declaration(random);
        let columns = [
            ("id", Role::Id, "INTEGER PRIMARY KEY AUTOINCREMENT"),
            ("name", Role::Key, "TEXT NOT NULL UNIQUE"),
            ("a", Role::Plain, a),
            ("last_updated", Role::Updated, "TEXT"),
        ];
        self.add("named", &columns, "", "");
    }

    fn add_composite(&mut self, random: &mut Random) {
        let (a, b) = (declaration(random), declaration(random));
        let columns = [
            ("k", Role::Key, "TEXT NOT NULL"),
            ("n", Role::Key, "INTEGER NOT NULL"),
            ("a", Role::Plain, a),
            ("b", Role::Plain, b),
        ];
        let options = random.pick(&["", " WITHOUT ROWID"]);
        self.add("composite", &columns, ",PRIMARY KEY(k,n)", options);
    }

    /// A text key, and another column that is unique.
    fn add_coded(&mut self, random: &mut Random) {
        let a = declaration(random);
        let columns = [
            ("k", Role::Key, "TEXT NOT NULL PRIMARY KEY"),
            ("code", Role::Unique, "TEXT UNIQUE"),
            ("a", Role::Plain, a),
            ("last_updated", Role::Updated, "TEXT"),
        ];
        self.add("coded", &columns, "", "");
    }

    /// A group with its own time, beside other columns with theirs.
    pub fn add_decided(&mut self, random: &mut Random) {
        let a = declaration(random);
        let columns = [
            ("k", Role::Key, "TEXT NOT NULL PRIMARY KEY"),
            ("stage", Role::Group, "TEXT"),
            ("verdict", Role::Group, ""),
            ("decided_at", Role::GroupTime, "TEXT"),
            ("a", Role::Plain, a),
            ("b", Role::Plain, "REAL"),
            ("last_updated", Role::Updated, "TEXT"),
        ];
        self.add("decided", &columns, "", "");
        let columns = ["stage", "verdict", "decided_at"].map(str::to_owned).to_vec();
        self.config.push(TableConfig {
            name: self.tables.last().unwrap().name.clone(),
            groups: vec![GroupConfig {
                columns,
                newest_by: "decided_at".to_owned(),
            }],
            ..TableConfig::default()
        });
    }

    /// A key that only the configuration knows.
    fn add_declared(&mut self, random: &mut Random) {
        let a = declaration(random);
        let columns = [
            ("k", Role::Key, "TEXT NOT NULL"),
            ("a", Role::Plain, a),
            ("b", Role::Plain, ""),
        ];
        self.add("declared", &columns, "", "");
        self.config.push(TableConfig {
            name: self.tables.last().unwrap().name.clone(),
            key: vec!["k".to_owned()],
            ..TableConfig::default()
        });
    }

    /// No key but a hidden rowid: left out.
    fn add_loose(&mut self) {
        let columns = [
            ("tag", Role::Tag, "TEXT"),
            ("a", Role::Plain, ""),
            ("b", Role::Plain, "TEXT"),
        ];
        self.add("loose", &columns, "", "");
        self.tables.last_mut().unwrap().synced = false;
    }
}

/// A declared type of each affinity.
fn declaration(random: &mut Random) -> &'static str {
    random.pick(&["TEXT", "NUMERIC", "INTEGER", "REAL", "", "BLOB", "DATETIME"])
}

/// The product database as it is, by the preset's keys and groups.
fn products() -> Schema {
    let ddl = include_str!("../../src/demo/schema.sql").to_owned();
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch(&ddl).unwrap();
    let names = [
        "products",
        "assessment_queue",
        "catalog_products",
        "retailer_url_patterns",
        "product_update_queue",
    ];
    let tables = names.map(|name| {
        let mut info = connection
            .prepare(&format!("SELECT name, \"notnull\" FROM pragma_table_info('{name}')"))
            .unwrap();
        let columns = info.query_map([], |row| {
            let column: String = row.get(0)?;
            Ok(Column {
                role: product_role(name, &column),
                name: column,
                required: row.get(1)?,
            })
        });
        Table {
            name: name.to_owned(),
            columns: columns.unwrap().map(Result::unwrap).collect(),
            synced: true,
            reuses_ids: false,
        }
    });
    Schema {
        ddl,
        tables: tables.to_vec(),
        config: Vec::new(),
    }
}

fn product_role(table: &str, column: &str) -> Role {
    match (table, column) {
        (_, "id") => Role::Id,
        ("products", "url")
        | ("assessment_queue", "product_url" | "review_type")
        | ("catalog_products", "catalog_url" | "retailer")
        | ("retailer_url_patterns", "retailer") => Role::Key,
        ("product_update_queue", "product_url") => Role::RefKey(0),
        ("product_update_queue", "reason") => Role::Tag,
        ("products", "assessed_at") | ("assessment_queue", "reviewed_at") => Role::GroupTime,
        ("products", "lifecycle_stage" | "modesty_status" | "shopify_status" | "assessment_status")
        | ("assessment_queue", "status" | "review_decision" | "reviewer_notes" | "reviewed_by") => Role::Group,
        ("products" | "retailer_url_patterns", "last_updated") => Role::Updated,
        _ => Role::Plain,
    }
}
