//! Names in SQL text.

/// A name as SQL reads it, whatever is in it.
#[must_use]
pub fn ident(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// `prefix."name"`.
#[must_use]
pub fn column(prefix: &str, name: &str) -> String {
    format!("{prefix}.{}", ident(name))
}

/// The user's table, wherever a temporary one might have its name.
#[must_use]
pub fn live(table: &str) -> String {
    format!("main.{}", ident(table))
}

/// The base's copy of a table, in the sidecar file.
#[must_use]
pub fn base(table: &str) -> String {
    format!("base.{}", ident(&format!("t_{table}")))
}

#[cfg(test)]
mod tests {
    #[test]
    fn quotes_are_doubled() {
        assert_eq!(super::ident("a\"b; DROP"), "\"a\"\"b; DROP\"");
        assert_eq!(super::base("x\"y"), "base.\"t_x\"\"y\"");
    }
}
