//! One line of an ssh_config file: a keyword and its arguments, quoted as OpenSSH reads them.

/// Splits a line into its keyword, in lower case, and its arguments; `None` for an empty line or a comment.
///
/// # Errors
/// When a quote is not closed.
pub(super) fn parse(line: &str) -> Result<Option<(String, Vec<String>)>, String> {
    let line = line.trim();
    if line.is_empty() || line.starts_with('#') {
        return Ok(None);
    }
    let end = line.find(|c: char| c.is_whitespace() || c == '=').unwrap_or(line.len());
    let (keyword, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let rest = rest.strip_prefix('=').unwrap_or(rest);
    Ok(Some((keyword.trim_matches('"').to_lowercase(), arguments(rest)?)))
}

/// Splits at blanks outside quotes; a word that begins with # begins a comment. A backslash keeps the quote, the
/// backslash or (outside quotes) the blank after it.
fn arguments(text: &str) -> Result<Vec<String>, String> {
    let mut out = Vec::new();
    let mut word: Option<String> = None;
    let mut quote: Option<char> = None;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, quote) {
            ('\\', _) => {
                let escapes = |next: &char| matches!(next, '\'' | '"' | '\\') || (quote.is_none() && *next == ' ');
                word.get_or_insert_default().push(chars.next_if(escapes).unwrap_or(c));
            }
            (_, Some(open)) if c == open => quote = None,
            ('"' | '\'', None) => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (' ' | '\t', None) => out.extend(word.take()),
            ('#', None) if word.is_none() => break,
            _ => word.get_or_insert_default().push(c),
        }
    }
    if quote.is_some() {
        return Err("a quote is not closed".to_owned());
    }
    out.extend(word);
    Ok(out)
}

/// Whether a name matches a list of patterns: one of them does, and none of those that begin with `!`.
pub(super) fn matches_list<'a>(name: &str, patterns: impl IntoIterator<Item = &'a str>) -> bool {
    let mut found = false;
    for pattern in patterns {
        match pattern.strip_prefix('!') {
            Some(refused) if matches(name.as_bytes(), refused.as_bytes()) => return false,
            Some(_) => {}
            None => found |= matches(name.as_bytes(), pattern.as_bytes()),
        }
    }
    found
}

/// `*` stands for any characters, `?` for one. Linear in memory, at most quadratic in time.
fn matches(name: &[u8], pattern: &[u8]) -> bool {
    let (mut at, mut in_pattern) = (0, 0);
    let mut star: Option<(usize, usize)> = None;
    while let Some(byte) = name.get(at) {
        match pattern.get(in_pattern) {
            Some(b'*') => {
                star = Some((at, in_pattern));
                in_pattern += 1;
            }
            Some(expected) if *expected == b'?' || expected == byte => {
                at += 1;
                in_pattern += 1;
            }
            _ => {
                let Some((from, star_at)) = star else { return false };
                star = Some((from + 1, star_at));
                at = from + 1;
                in_pattern = star_at + 1;
            }
        }
    }
    pattern.iter().skip(in_pattern).all(|byte| *byte == b'*')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_split_as_openssh_does() {
        for (line, keyword, expected) in [
            ("  HostName example.org  ", "hostname", vec!["example.org"]),
            ("Port=2222", "port", vec!["2222"]),
            ("Port = 2222", "port", vec!["2222"]),
            ("IdentityFile \"~/my keys/id\"", "identityfile", vec!["~/my keys/id"]),
            ("IdentityFile ~/my\\ keys/id", "identityfile", vec!["~/my keys/id"]),
            ("Host a 'b c' # rest", "host", vec!["a", "b c"]),
            ("Host a#b", "host", vec!["a#b"]),
            ("User \"\"", "user", vec![""]),
            ("User", "user", vec![]),
            ("Host a\\b \\\"c", "host", vec!["a\\b", "\"c"]),
        ] {
            let expected = expected.into_iter().map(str::to_owned).collect();
            assert_eq!(parse(line), Ok(Some((keyword.to_owned(), expected))), "{line}");
        }
        assert_eq!(parse("  # a comment"), Ok(None));
        assert_eq!(parse(" \r"), Ok(None));
        assert_eq!(parse("User \"ann"), Err("a quote is not closed".to_owned()));
    }

    #[test]
    fn patterns() {
        for (name, patterns, expected) in [
            ("assess", "assess", true),
            ("assess2", "assess", false),
            ("assess", "*", true),
            ("a.example.org", "*.example.org", true),
            ("example.org", "*.example.org", false),
            ("web7", "web?", true),
            ("web", "web?", false),
            ("aXbXc", "a*b*c", true),
            ("aXbXcX", "a*b*c", false),
            ("bad.example.org", "*.example.org !bad.*", false),
            ("good.example.org", "!bad.* *.example.org", true),
            ("other", "!bad.*", false),
        ] {
            assert_eq!(matches_list(name, patterns.split(' ')), expected, "{name} {patterns}");
        }
    }

    /// The plain definition, exponential where the real one is not.
    fn naive(name: &[u8], pattern: &[u8]) -> bool {
        match (name, pattern) {
            (_, []) => name.is_empty(),
            (_, [b'*', rest @ ..]) => (0..=name.len()).any(|skipped| naive(&name[skipped..], rest)),
            ([first, name @ ..], [expected, rest @ ..]) => {
                (*expected == b'?' || expected == first) && naive(name, rest)
            }
            ([], _) => false,
        }
    }

    proptest::proptest! {
        #[test]
        fn patterns_match_as_they_are_defined(name in "[ab]{0,8}", pattern in "[ab*?]{0,8}") {
            proptest::prop_assert_eq!(matches(name.as_bytes(), pattern.as_bytes()), naive(name.as_bytes(), pattern.as_bytes()));
        }

        #[test]
        fn any_line_is_read_or_refused(line in "\\PC{0,40}") {
            let _ = parse(&line);
        }
    }
}
