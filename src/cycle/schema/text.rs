//! The text of `CREATE …` statements, read token by token as SQLite does (<https://sqlite.org/lang.html>).
//!
//! What is read here only prepares a change: whether its statement does what it is meant to do is proved by SQLite itself, in
//! [`proof`](super::proof).

use crate::model::{Value, from_hex};

/// How long a statement may be, in bytes.
const LONGEST: usize = 64 * 1024;

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A keyword or a plain name.
    Word,
    /// A name in quotes of any kind.
    Quoted,
    /// A text literal.
    Text,
    /// A blob literal.
    Blob,
    /// A number.
    Number,
    /// One character of anything else.
    Sign,
}

/// A token and where it stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Token<'a> {
    /// What it is.
    pub kind: Kind,
    /// As it is written.
    pub text: &'a str,
    /// Where it begins, in bytes.
    pub at: usize,
}

impl Token<'_> {
    fn is(&self, word: &str) -> bool {
        matches!(self.kind, Kind::Word | Kind::Sign) && self.text.eq_ignore_ascii_case(word)
    }

    fn end(&self) -> usize {
        self.at + self.text.len()
    }

    /// The name that it stands for.
    fn name(&self) -> String {
        match (self.kind, self.text.chars().next()) {
            (Kind::Quoted | Kind::Text, Some('[')) => inside(self.text).to_owned(),
            (Kind::Quoted | Kind::Text, Some(quote)) => {
                inside(self.text).replace(&format!("{quote}{quote}"), &quote.to_string())
            }
            _ => self.text.to_owned(),
        }
    }

    /// The same for all ways of writing the same.
    fn folded(&self) -> String {
        match self.kind {
            Kind::Word | Kind::Quoted => self.name().to_ascii_lowercase(),
            _ => self.text.to_owned(),
        }
    }
}

/// What stands between the first and the last character, which are ASCII.
fn inside(text: &str) -> &str {
    text.get(1..text.len().saturating_sub(1)).unwrap_or_default()
}

/// The tokens without blanks and comments; `None` if a quote is never closed or a character has no meaning.
pub fn tokens(sql: &str) -> Option<Vec<Token<'_>>> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(rest) = sql.get(at..).filter(|rest| !rest.is_empty()) {
        let (kind, length) = next(rest)?;
        if let Some(kind) = kind {
            tokens.push(Token {
                kind,
                text: rest.get(..length)?,
                at,
            });
        }
        at += length;
    }
    Some(tokens)
}

/// The first token of a text that is not empty, and its length; a blank or a comment is none.
fn next(rest: &str) -> Option<(Option<Kind>, usize)> {
    let first = rest.chars().next()?;
    let run = |part: fn(char) -> bool| rest.find(|c| !part(c)).unwrap_or(rest.len());
    Some(match first {
        ' ' | '\t' | '\n' | '\r' | '\u{c}' => (None, 1),
        '-' if rest.starts_with("--") => (None, rest.find('\n').unwrap_or(rest.len())),
        '/' if rest.starts_with("/*") => (None, rest.find("*/")? + 2),
        '\'' => (Some(Kind::Text), quoted(rest, '\'')?),
        '"' | '`' => (Some(Kind::Quoted), quoted(rest, first)?),
        '[' => (Some(Kind::Quoted), rest.find(']')? + 1),
        'x' | 'X' if rest.get(1..2) == Some("'") => (Some(Kind::Blob), 1 + quoted(rest.get(1..)?, '\'')?),
        '0'..='9' => (Some(Kind::Number), number(rest)),
        '.' if rest.get(1..2).is_some_and(|c| c.as_bytes()[0].is_ascii_digit()) => (Some(Kind::Number), number(rest)),
        c if is_word(c) => (Some(Kind::Word), run(is_word)),
        c if c.is_ascii_control() => return None,
        c => (Some(Kind::Sign), c.len_utf8()),
    })
}

fn is_word(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || !c.is_ascii()
}

/// The length of what begins with a quote, up to the same quote alone.
fn quoted(rest: &str, quote: char) -> Option<usize> {
    let mut at = 1;
    loop {
        at += rest.get(at..)?.find(quote)? + 1;
        if rest.get(at..)?.starts_with(quote) {
            at += 1;
        } else {
            return Some(at);
        }
    }
}

fn number(rest: &str) -> usize {
    let mut before = ' ';
    let end = rest.find(|c: char| {
        let sign = (c == '+' || c == '-') && matches!(before, 'e' | 'E') && !rest.starts_with("0x");
        let goes_on = c.is_ascii_alphanumeric() || c == '.' || c == '_' || sign;
        before = c;
        !goes_on
    });
    end.unwrap_or(rest.len())
}

/// Whether two statements are the same but for blanks, comments, quotes and the case of names.
pub fn same(a: &str, b: &str) -> bool {
    let folded = |sql| tokens(sql).map(|tokens| tokens.iter().map(Token::folded).collect::<Vec<_>>());
    a == b || folded(a).zip(folded(b)).is_some_and(|(a, b)| a == b)
}

/// Whether two `CREATE INDEX` statements are the same but for their names.
pub fn same_index(a: &str, b: &str) -> bool {
    let body = |sql| -> Option<Vec<String>> {
        let tokens = tokens(sql)?;
        let unique = tokens.get(1)?.is("UNIQUE");
        let on = tokens.iter().position(|token| token.is("ON"))?;
        let rest = tokens.get(on..)?.iter().map(Token::folded);
        Some(std::iter::once(unique.to_string()).chain(rest).collect())
    };
    body(a).zip(body(b)).is_some_and(|(a, b)| a == b)
}

/// Refuses a text that is more, or may be taken for more, than one statement.
///
/// # Errors
/// Why, in words.
pub fn must_be_one(sql: &str) -> Result<(), String> {
    if sql.len() > LONGEST {
        return Err(format!("its statement is longer than {LONGEST} bytes"));
    }
    let tokens = tokens(sql).ok_or("its statement cannot be read")?;
    if tokens.iter().any(|token| token.is(";")) {
        return Err("its text is more than one statement".to_owned());
    }
    // To the sqlite3 shell such a line can be a command of its own, or a statement's end.
    let command = |line: &str| {
        let line = line.trim();
        line.starts_with(['.', '#']) || line == "/" || line.eq_ignore_ascii_case("go")
    };
    if sql.lines().skip(1).any(command) {
        return Err("a line of its statement may be taken for a command of the sqlite3 shell".to_owned());
    }
    Ok(())
}

/// A collation that the statement names and SQLite does not have.
pub fn foreign_collation(sql: &str) -> Option<String> {
    let tokens = tokens(sql)?;
    let named = tokens.windows(2).filter(|pair| pair[0].is("COLLATE"));
    let foreign = |name: &String| {
        !["BINARY", "NOCASE", "RTRIM"]
            .iter()
            .any(|own| own.eq_ignore_ascii_case(name))
    };
    named.map(|pair| pair[1].name()).find(foreign)
}

/// What a `CREATE` statement for this kind of object begins with, and the same with the database's name in it.
const BEGINNINGS: [[&str; 2]; 4] = [
    ["CREATE TABLE ", "CREATE TABLE main."],
    ["CREATE INDEX ", "CREATE INDEX main."],
    ["CREATE UNIQUE INDEX ", "CREATE UNIQUE INDEX main."],
    ["CREATE VIEW ", "CREATE VIEW main."],
];

/// The statement with the database's name in it; `None` unless it begins as SQLite writes it.
pub fn in_main(sql: &str) -> Option<String> {
    let [plain, main] = BEGINNINGS.iter().find(|[plain, _]| sql.starts_with(plain))?;
    Some(sql.replacen(plain, main, 1))
}

/// A column as a `CREATE TABLE` defines it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Definition<'a> {
    /// Its name.
    pub name: String,
    /// What stands behind the name: type, constraints, default.
    pub text: &'a str,
}

/// The columns that a `CREATE TABLE` defines, in order; `None` if it cannot be read.
pub fn definitions(sql: &str) -> Option<Vec<Definition<'_>>> {
    let tokens = tokens(sql)?;
    if !tokens.get(3)?.is("(") {
        return None;
    }
    let mut definitions = Vec::new();
    let mut piece: Vec<Token<'_>> = Vec::new();
    let mut depth = 1;
    for token in tokens.get(4..)? {
        depth += i32::from(token.is("(")) - i32::from(token.is(")"));
        if depth > 1 || depth == 1 && !token.is(",") {
            piece.push(*token);
            continue;
        }
        definitions.extend(definition(sql, &piece));
        piece.clear();
        if depth == 0 {
            return Some(definitions);
        }
    }
    None
}

/// One piece between commas; a constraint of the whole table is no column.
fn definition<'a>(sql: &'a str, piece: &[Token<'_>]) -> Option<Definition<'a>> {
    let name = piece.first()?;
    if ["CONSTRAINT", "PRIMARY", "UNIQUE", "CHECK", "FOREIGN"]
        .iter()
        .any(|word| name.is(word))
    {
        return None;
    }
    let text = sql.get(name.end()..piece.last()?.end())?;
    Some(Definition {
        name: name.name(),
        text: text.trim_start(),
    })
}

impl Definition<'_> {
    /// The value that a row gets that was there before the column: its constant default, or NULL.
    pub fn default(&self) -> Value {
        let tokens = tokens(self.text).unwrap_or_default();
        let mut depth = 0;
        let found = tokens.iter().position(|token| {
            depth += i32::from(token.is("(")) - i32::from(token.is(")"));
            depth == 0 && token.is("DEFAULT")
        });
        let value = found.and_then(|at| literal(tokens.get(at + 1..)?));
        value.unwrap_or(Value::Null)
    }
}

/// The constant that a text begins with; `None` for an expression.
fn literal(tokens: &[Token<'_>]) -> Option<Value> {
    let first = tokens.first()?;
    match first.kind {
        Kind::Sign if first.is("-") => match numeric(tokens.get(1)?)? {
            Value::Integer(integer) => Some(Value::Integer(integer.checked_neg()?)),
            Value::Real(real) => Some(Value::real(-real.get())),
            _ => None,
        },
        Kind::Sign if first.is("+") => numeric(tokens.get(1)?),
        Kind::Number => numeric(first),
        Kind::Text | Kind::Quoted => Some(Value::text(first.name())),
        Kind::Blob => from_hex(inside(first.text.get(1..)?).as_bytes()).map(|bytes| Value::Blob(bytes.into())),
        Kind::Word if first.is("TRUE") => Some(Value::Integer(1)),
        Kind::Word if first.is("FALSE") => Some(Value::Integer(0)),
        Kind::Word if first.is("NULL") || first.text.to_ascii_uppercase().starts_with("CURRENT_") => None,
        // A bare word is a text.
        Kind::Word => Some(Value::text(first.text)),
        Kind::Sign => None,
    }
}

fn numeric(token: &Token<'_>) -> Option<Value> {
    let text = token.text.replace('_', "").to_ascii_lowercase();
    if let Some(hex) = text.strip_prefix("0x") {
        return u64::from_str_radix(hex, 16)
            .ok()
            .map(|bits| Value::Integer(bits.cast_signed()));
    }
    let integer = text.parse().map(Value::Integer);
    integer.or_else(|_| text.parse().map(Value::real)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_found_whatever_stands_around_them() {
        let sql = "CREATE TABLE \"odd, (name\"(\n  a TEXT NOT NULL DEFAULT 'x, )', -- the first; not (the last\n  [b c] DECIMAL(10, 2) /* , */ CHECK(b > (1)),\n  \
                   \"d\"\"e\",`f` AS (a||',') STORED, CONSTRAINT u UNIQUE(a), PRIMARY KEY(a,[b c])) WITHOUT ROWID";
        let found = definitions(sql).unwrap();
        let found: Vec<(&str, &str)> = found.iter().map(|d| (d.name.as_str(), d.text)).collect();
        assert_eq!(
            found,
            [
                ("a", "TEXT NOT NULL DEFAULT 'x, )'"),
                ("b c", "DECIMAL(10, 2) /* , */ CHECK(b > (1))"),
                ("d\"e", ""),
                ("f", "AS (a||',') STORED"),
            ]
        );
        assert_eq!(definitions("CREATE TABLE t AS SELECT 1"), None);
        assert_eq!(definitions("CREATE TABLE t(a TEXT DEFAULT 'x)"), None, "an open quote");
    }

    #[test]
    fn defaults_are_read_as_sqlite_stores_them() {
        let cases = [
            ("INT DEFAULT 5", Value::Integer(5)),
            ("DEFAULT -0x10", Value::Integer(-16)),
            ("DEFAULT +1.5e-3", Value::real(0.0015)),
            ("DEFAULT 'it''s'", Value::text("it's")),
            ("DEFAULT \"quoted\"", Value::text("quoted")),
            ("DEFAULT x'00ff'", Value::Blob([0, 255].into())),
            ("NOT NULL DEFAULT TRUE", Value::Integer(1)),
            ("CHECK(a<>'DEFAULT 7') DEFAULT word", Value::text("word")),
            ("DEFAULT NULL", Value::Null),
            ("DEFAULT CURRENT_TIMESTAMP", Value::Null),
            ("DEFAULT (1+1)", Value::Null),
            ("TEXT", Value::Null),
            ("DEFAULT 9223372036854775808", Value::real(9_223_372_036_854_775_808.0)),
        ];
        for (text, expected) in cases {
            let name = String::from("a");
            assert_eq!(Definition { name, text }.default(), expected, "{text}");
        }
    }

    #[test]
    fn statements_are_compared_by_what_they_say() {
        assert!(same(
            "CREATE VIEW v AS SELECT a FROM t -- all",
            "CREATE VIEW \"V\"\n AS select A from [t]"
        ));
        assert!(!same("CREATE VIEW v AS SELECT 'A'", "CREATE VIEW v AS SELECT 'a'"));
        assert!(same_index(
            "CREATE INDEX one ON t(a DESC)",
            "CREATE INDEX two on T ( a desc )"
        ));
        assert!(!same_index(
            "CREATE INDEX one ON t(a)",
            "CREATE UNIQUE INDEX one ON t(a)"
        ));
    }

    #[test]
    fn what_may_be_more_than_one_statement_is_refused() {
        for sql in [
            "CREATE TABLE t(a);DROP TABLE u",
            "CREATE TABLE t(a",
            "CREATE TABLE t(a DEFAULT 'x",
            "CREATE VIEW v AS SELECT a\n/\n.5 FROM t",
            "CREATE VIEW v AS SELECT 1\n GO \n",
            "CREATE TABLE t(a,\n.shell true\n)",
            "CREATE TABLE t(a\0)",
        ] {
            let readable = must_be_one(sql);
            assert!(readable.is_err() || definitions(sql).is_none(), "{sql}");
        }
        must_be_one("CREATE TABLE t(a DEFAULT ';', -- no; end\n b /* ; */)").unwrap();
    }

    #[test]
    fn collations_that_only_a_program_has_are_found() {
        assert_eq!(
            foreign_collation("CREATE TABLE t(a COLLATE NoCase, b COLLATE german)").as_deref(),
            Some("german")
        );
        assert_eq!(
            foreign_collation("CREATE TABLE t(a COLLATE \"rtrim\", b DEFAULT 'COLLATE german')"),
            None
        );
    }
}
