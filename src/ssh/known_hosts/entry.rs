//! One line of a known_hosts file.

use super::pattern::Hosts;
use super::{HostKey, Place};

/// What the first word of a line says of its key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Marker {
    /// Nothing: a host's own key.
    None,
    /// `@cert-authority`: signs certificates of hosts, and is no host's own key.
    Authority,
    /// `@revoked`: must never be accepted.
    Revoked,
}

/// A line with a key.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    pub(super) marker: Marker,
    pub(super) hosts: Hosts,
    pub(super) key: HostKey,
    pub(super) place: Place,
}

impl Entry {
    /// Reads a line: `[marker] hosts type base64 [comment]`. `None` for empty lines and comments.
    pub(super) fn parse(line: &str, place: &Place) -> Result<Option<Self>, String> {
        let mut words = line.split_ascii_whitespace();
        let Some(first) = words.next() else { return Ok(None) };
        if first.starts_with('#') {
            return Ok(None);
        }
        let (marker, hosts) = match first {
            "@cert-authority" => (Marker::Authority, words.next()),
            "@revoked" => (Marker::Revoked, words.next()),
            other if other.starts_with('@') => return Err(format!("unknown marker {other}")),
            hosts => (Marker::None, Some(hosts)),
        };
        let (Some(hosts), Some(algorithm), Some(base64)) = (hosts, words.next(), words.next()) else {
            return Err("the line lacks a host, a key type or a key".to_owned());
        };
        let hosts = Hosts::parse(hosts)?;
        let key = HostKey::from_parts(algorithm, base64)?;
        Ok(Some(Self {
            marker,
            hosts,
            key,
            place: place.clone(),
        }))
    }
}
