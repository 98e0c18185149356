use std::path::Path;
use std::process::Command;

use super::*;

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAICq8gIXRvqzg+dNvSvXgzEy+C9vwn0nIeUHmOUtNPzZx";

/// Key pairs are slow to make: three for all tests.
fn key(index: usize) -> HostKey {
    static KEYS: std::sync::OnceLock<Vec<HostKey>> = std::sync::OnceLock::new();
    let keys = KEYS.get_or_init(|| {
        use russh::keys::{Algorithm, EcdsaCurve, PrivateKey, key::safe_rng};
        let ecdsa = Algorithm::Ecdsa {
            curve: EcdsaCurve::NistP256,
        };
        [Algorithm::Ed25519, Algorithm::Ed25519, ecdsa]
            .into_iter()
            .map(|kind| {
                HostKey::from(
                    PrivateKey::random(&mut safe_rng(), kind)
                        .unwrap()
                        .public_key()
                        .key_data(),
                )
            })
            .collect()
    });
    keys[index].clone()
}

fn known(text: &str) -> KnownHosts {
    KnownHosts::parse(&[(PathBuf::from("a"), text.to_owned())])
}

fn at(line: usize) -> Place {
    Place {
        file: PathBuf::from("a"),
        line,
    }
}

fn name(host: &str, port: u16) -> LookupName {
    LookupName::new(host, port, None)
}

/// Hosts fields, names to look up and whether they match; the same table goes through `ssh-keygen -F`.
const MATCHING: &[(&str, &str, u16, bool)] = &[
    ("web.example.org", "web.example.org", 22, true),
    ("web.example.org", "WEB.example.org", 22, true),
    ("web.example.org", "example.org", 22, false),
    ("web.example.org", "xweb.example.org", 22, false),
    ("web,db,10.0.0.7", "10.0.0.7", 22, true),
    ("web,db,10.0.0.7", "db", 22, true),
    ("*.example.org", "web.example.org", 22, true),
    ("*.example.org", "example.org", 22, false),
    ("*.example.org", "a.b.example.org", 22, true),
    ("w?b", "web", 22, true),
    ("w?b", "wb", 22, false),
    ("*", "anything", 22, true),
    ("**b*", "web", 22, true),
    ("*.example.org,!secret.example.org", "web.example.org", 22, true),
    ("*.example.org,!secret.example.org", "secret.example.org", 22, false),
    ("!secret.example.org,*.example.org", "secret.example.org", 22, false),
    ("!secret.example.org", "web.example.org", 22, false),
    ("[web]:2222", "web", 2222, true),
    ("[web]:2222", "web", 22, false),
    ("[web]:2222", "web", 2223, false),
    ("[*.example.org]:2222", "web.example.org", 2222, true),
    ("[::1]:2222", "::1", 2222, true),
    ("fe80::1", "fe80::1", 22, true),
];

#[test]
fn matches_hosts_as_the_manual_says() {
    for &(hosts, host, port, expected) in MATCHING {
        let found = known(&format!("{hosts} {KEY}")).look_up(&name(host, port).name, &key(0)) != Verdict::Unknown;
        assert_eq!(found, expected, "{hosts} for {host}:{port}");
    }
}

#[test]
fn matches_hosts_as_ssh_keygen_does() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    for &(hosts, host, port, expected) in MATCHING {
        std::fs::write(&file, format!("{hosts} {KEY}\n")).unwrap();
        // ssh puts the name into lower case before it looks; ssh-keygen -F expects that done.
        let found = keygen(&["-F", &name(host, port).to_string()], &file);
        assert_eq!(found.status.success(), expected, "{hosts} for {host}:{port}");
    }
}

#[test]
fn finds_what_ssh_keygen_hashed() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("known_hosts");
    for (host, port) in [("web.example.org", 22), ("10.0.0.7", 22), ("web", 2222)] {
        std::fs::write(&file, format!("{} {}\n", name(host, port), key(0).openssh_line)).unwrap();
        assert!(keygen(&["-H"], &file).status.success());
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("|1|") && !text.contains(host), "{text}");
        assert_eq!(known(&text).verify(&name(host, port), &key(0)), Verdict::Known);
        assert_eq!(known(&text).verify(&name(host, port), &key(1)), Verdict::Changed(at(1)));
        assert_eq!(known(&text).verify(&name("other", port), &key(0)), Verdict::Unknown);
    }
}

fn keygen(arguments: &[&str], file: &Path) -> std::process::Output {
    Command::new("ssh-keygen")
        .args(arguments)
        .arg("-f")
        .arg(file)
        .output()
        .unwrap()
}

#[test]
fn takes_any_of_several_keys() {
    let text = format!("web {}\nweb {}\n", key(0).openssh_line, key(1).openssh_line);
    for index in 0..2 {
        assert_eq!(known(&text).verify(&name("web", 22), &key(index)), Verdict::Known);
    }
    assert_eq!(known(&text).algorithms(&name("web", 22)), ["ssh-ed25519"]);
}

#[test]
fn another_key_is_a_changed_one_and_the_same_type_is_blamed_first() {
    let text = format!(
        "# who is who\n\nweb {}\nweb {} comment here\n",
        key(2).openssh_line,
        key(1).openssh_line
    );
    assert_eq!(known(&text).verify(&name("web", 22), &key(0)), Verdict::Changed(at(4)));
    let other_type = format!("web {}\n", key(2).openssh_line);
    assert_eq!(
        known(&other_type).verify(&name("web", 22), &key(0)),
        Verdict::Changed(at(1))
    );
}

#[test]
fn a_revoked_key_is_revoked_wherever_the_line_stands() {
    let (good, revoked) = (
        format!("web {}\n", key(0).openssh_line),
        format!("@revoked * {}\n", key(0).openssh_line),
    );
    assert_eq!(
        known(&(good.clone() + &revoked)).verify(&name("web", 22), &key(0)),
        Verdict::Revoked(at(2))
    );
    assert_eq!(
        known(&(revoked.clone() + &good)).verify(&name("web", 22), &key(0)),
        Verdict::Revoked(at(1))
    );
    assert_eq!(known(&revoked).verify(&name("web", 22), &key(1)), Verdict::Unknown);
    let two_files = [(PathBuf::from("a"), good), (PathBuf::from("b"), revoked)];
    let place = Place {
        file: PathBuf::from("b"),
        line: 1,
    };
    assert_eq!(
        KnownHosts::parse(&two_files).verify(&name("web", 22), &key(0)),
        Verdict::Revoked(place)
    );
}

#[test]
fn an_authority_is_no_host_key() {
    let text = format!("@cert-authority *.example.org {}\n", key(0).openssh_line);
    let known = known(&text);
    assert_eq!(known.verify(&name("web.example.org", 22), &key(0)), Verdict::Unknown);
    assert_eq!(known.authorities(&name("web.example.org", 22)), [key(0)]);
    assert!(known.authorities(&name("web.example.com", 22)).is_empty());
}

#[test]
fn a_key_known_without_a_port_will_do_for_another_port() {
    let text = format!("web {}\n", key(0).openssh_line);
    assert_eq!(known(&text).verify(&name("web", 2222), &key(0)), Verdict::Known);
    // A different key there is no alarm: another port may be another machine.
    assert_eq!(known(&text).verify(&name("web", 2222), &key(1)), Verdict::Unknown);
    let revoked = format!(
        "@revoked web {}\n[web]:2222 {}\n",
        key(0).openssh_line,
        key(1).openssh_line
    );
    assert_eq!(
        known(&revoked).verify(&name("web", 2222), &key(0)),
        Verdict::Revoked(at(1))
    );
}

#[test]
fn an_alias_is_looked_up_without_a_port() {
    let text = format!("production {}\n", key(0).openssh_line);
    let alias = LookupName::new("10.0.0.7", 2222, Some("Production"));
    assert_eq!(known(&text).verify(&alias, &key(0)), Verdict::Known);
}

#[test]
fn lines_that_make_no_sense_are_skipped_and_told() {
    let ed25519 = key(0).openssh_line;
    let text = format!(
        "web\nweb ssh-ed25519\nweb ssh-ed25519 !!!\nweb ssh-rsa {}\n@surprise web {ed25519}\n|1|x|y {ed25519}\n\
         |2|x|y {ed25519}\nweb ssh-ed25519 AAAA\n  # indented comment\nweb {ed25519}\n",
        ed25519.split(' ').nth(1).unwrap()
    );
    let known = known(&text);
    assert_eq!(known.verify(&name("web", 22), &key(0)), Verdict::Known);
    let lines: Vec<usize> = known.warnings().iter().map(|warning| warning.place.line).collect();
    assert_eq!(lines, [1, 2, 3, 4, 5, 6, 7, 8], "{:?}", known.warnings());
}

#[test]
fn the_fingerprint_is_that_of_ssh_keygen() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("key.pub");
    std::fs::write(&file, format!("{}\n", key(2).openssh_line)).unwrap();
    let shown = String::from_utf8(keygen(&["-l"], &file).stdout).unwrap();
    assert!(shown.contains(&format!(" {} ", key(2).fingerprint_sha256)), "{shown}");
}

#[test]
fn adds_a_line_to_a_file_of_ones_own() {
    use std::os::unix::fs::PermissionsExt;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("new/known_hosts");
    add(&file, &name("web", 22), &key(0)).unwrap();
    std::fs::write(&file, std::fs::read_to_string(&file).unwrap().trim_end()).unwrap();
    add(&file, &name("db", 2222), &key(1)).unwrap();
    let text = std::fs::read_to_string(&file).unwrap();
    assert_eq!(
        text,
        format!("web {}\n[db]:2222 {}\n", key(0).openssh_line, key(1).openssh_line)
    );
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&file), mode(file.parent().unwrap())), (0o600, 0o700));
    assert!(keygen(&["-F", "[db]:2222"], &file).status.success());
}

#[test]
fn a_file_that_is_missing_knows_nobody_and_one_that_is_no_file_stops() {
    let folder = tempfile::tempdir().unwrap();
    assert!(read(&[folder.path().join("none")]).unwrap().is_empty());
    assert!(
        read(&[folder.path().to_owned()])
            .unwrap_err()
            .message
            .contains("cannot read")
    );
}

proptest::proptest! {
    #[test]
    fn patterns_agree_with_a_slow_and_simple_matcher(pattern in "[ab*?]{0,8}", text in "[ab]{0,8}") {
        fn slow(pattern: &[u8], text: &[u8]) -> bool {
            match (pattern.split_first(), text.split_first()) {
                (None, None) => true,
                (Some((b'*', rest)), _) if slow(rest, text) => true,
                (Some((b'*', _)), Some((_, tail))) => slow(pattern, tail),
                (Some((p, rest)), Some((t, tail))) => (*p == b'?' || p == t) && slow(rest, tail),
                _ => false,
            }
        }
        proptest::prop_assert_eq!(matches_pattern(&pattern, &text), slow(pattern.as_bytes(), text.as_bytes()));
    }

    #[test]
    fn any_text_is_survived(text in "\\PC*") {
        let _ = known(&text).verify(&name("web", 22), &key(0));
    }
}
