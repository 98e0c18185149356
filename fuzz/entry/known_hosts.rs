//! A known_hosts file.
//!
//! Properties: each line is an entry, a comment or a warning that names it; a key whose line is
//! appended for a host is known from then on, unless a line revokes it.

use std::path::PathBuf;

use modsync::ssh::known_hosts::{HostKey, KnownHosts, LookupName, Verdict};

const KEY: &str = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIEiCZcTetHlJ682Z4f8g52DDYhEeDUWw+GXg0HxROd6H";

pub fn run(data: &[u8]) {
    let text = String::from_utf8_lossy(data).into_owned();
    let key = HostKey {
        algorithm: "ssh-ed25519".to_owned(),
        fingerprint_sha256: "SHA256:dWWvnPo9ekKJ2kTEoTsJdShsCRCzufawjCrTwKFweOc".to_owned(),
        openssh_line: KEY.to_owned(),
    };
    let hosts = [
        LookupName::new("example.com", 22, None),
        LookupName::new("Example.com", 2222, None),
        LookupName::new("192.0.2.7", 2222, Some("shop")),
    ];
    let known = KnownHosts::parse(&[(PathBuf::from("known_hosts"), text.clone())]);
    assert!(known.warnings().len() <= text.lines().count());
    for warning in known.warnings() {
        assert_eq!(warning.place.file, PathBuf::from("known_hosts"));
        assert!((1..=text.lines().count()).contains(&warning.place.line));
    }
    for host in &hosts {
        let _ = (known.authorities(host), known.algorithms(host));
        let revoked = known.revocation(host, &key).is_some();
        assert_eq!(matches!(known.verify(host, &key), Verdict::Revoked(_)), revoked);
        let appended = KnownHosts::parse(&[(PathBuf::from("known_hosts"), format!("{text}\n{host} {KEY}\n"))]);
        match appended.verify(host, &key) {
            Verdict::Known => assert!(!revoked),
            Verdict::Revoked(_) => assert!(revoked),
            other => panic!("{host}: {other:?}"),
        }
    }
}
