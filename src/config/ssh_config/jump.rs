//! `ProxyJump`: `[user@]host[:port][,…]`, each also as `ssh://[user@]host[:port]`, or `none`.

/// A host as it stands in a list of jump hosts, or as modsync's configuration names the server.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Hop {
    pub host: String,
    pub user: Option<String>,
    pub port: Option<u16>,
}

/// Reads a list of jump hosts, the first to dial first; empty for `none`.
///
/// # Errors
/// Names the part that cannot be read.
pub(super) fn parse(list: &str) -> Result<Vec<Hop>, String> {
    if list.trim().eq_ignore_ascii_case("none") {
        return Ok(Vec::new());
    }
    list.split(',').map(|hop| parse_hop(hop.trim())).collect()
}

/// The text without what stands between a user's colon and the `@`: a password that belongs nowhere.
fn without_password(text: &str) -> String {
    let Some((before, place)) = text.rsplit_once('@') else {
        return text.to_owned();
    };
    let start = before.find("//").map_or(0, |at| at + 2);
    match before.get(start..).and_then(|user| user.split_once(':')) {
        Some((user, _)) => format!("{}{user}:…@{place}", before.get(..start).unwrap_or_default()),
        None => text.to_owned(),
    }
}

fn parse_hop(text: &str) -> Result<Hop, String> {
    let shown = without_password(text);
    let wrong = || format!("\"{shown}\" is not a jump host: [user@]host[:port], several with commas between, or none");
    let bare = text
        .strip_prefix("ssh://")
        .map_or(text, |uri| uri.strip_suffix('/').unwrap_or(uri));
    let (user, place) = match bare.rsplit_once('@') {
        Some((user, place)) => (Some(user.to_owned()), place),
        None => (None, bare),
    };
    let (host, port) = match place.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']').ok_or_else(wrong)?;
            let port = if rest.is_empty() {
                None
            } else {
                Some(rest.strip_prefix(':').ok_or_else(wrong)?)
            };
            (host, port)
        }
        // More than one colon: an IPv6 address without a port.
        None => match place.split_once(':') {
            Some((host, port)) if !port.contains(':') => (host, Some(port)),
            _ => (place, None),
        },
    };
    let port = match port {
        Some(port) => Some(port.parse::<u16>().ok().filter(|port| *port != 0).ok_or_else(wrong)?),
        None => None,
    };
    let odd = |c: char| c.is_whitespace() || c.is_control() || matches!(c, '/' | '@' | '%' | '\'' | '"' | '`' | '$');
    let empty_user = user.as_deref() == Some("");
    if host.is_empty() || host.starts_with('-') || host.contains(odd) || empty_user {
        return Err(wrong());
    }
    Ok(Hop {
        host: host.to_owned(),
        user,
        port,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hop(user: Option<&str>, host: &str, port: Option<u16>) -> Hop {
        Hop {
            host: host.to_owned(),
            user: user.map(str::to_owned),
            port,
        }
    }

    #[test]
    fn lists_of_jump_hosts() {
        for (text, expected) in [
            ("bastion", vec![hop(None, "bastion", None)]),
            ("ann@bastion:2222", vec![hop(Some("ann"), "bastion", Some(2222))]),
            ("a, b@c:1", vec![hop(None, "a", None), hop(Some("b"), "c", Some(1))]),
            ("[::1]:22", vec![hop(None, "::1", Some(22))]),
            ("fe80::1", vec![hop(None, "fe80::1", None)]),
            ("ssh://ann@bastion:22/", vec![hop(Some("ann"), "bastion", Some(22))]),
            ("none", vec![]),
        ] {
            assert_eq!(parse(text), Ok(expected), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_a_jump_host_is_named() {
        for (text, part) in [
            ("a,,b", ""),
            ("a:x", "a:x"),
            ("a:0", "a:0"),
            ("-oX", "-oX"),
            ("@a", "@a"),
            ("[::1", "[::1"),
            ("a b", "a b"),
        ] {
            let expected =
                format!("\"{part}\" is not a jump host: [user@]host[:port], several with commas between, or none");
            assert_eq!(parse(text), Err(expected));
        }
    }
}
