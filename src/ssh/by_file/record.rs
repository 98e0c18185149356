//! What outlives a session, beside the copies themselves.

use serde::{Deserialize, Serialize};

use super::stamp::Stamp;

/// What is known of the server's files, from one session to the next.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(super) struct Record {
    /// The server and the path of the database.
    pub place: String,
    /// Stands for the file's inode, which SFTP does not tell: another number when another file was put in its place.
    pub identity: u64,
    /// The server's file that `seen.db` is a copy of.
    pub seen: Option<Stamp>,
    /// Whether that file was read in the very second in which it was written, so that a write which left no mark in the
    /// header could have gone unseen: it has to be read once more.
    pub unsure: bool,
    /// Whether this laptop has the lock among laptops, or is about to take it.
    pub locked: bool,
    /// Files that were replaced, and are looked at for a while.
    pub watched: Vec<Watch>,
    /// Numbers exchanges.
    pub exchanges: u64,
}

/// A file on the server that was replaced. A program that has it open may still write to it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Watch {
    /// The exchange's number.
    pub number: u64,
    /// Its path on the server.
    pub path: String,
    /// As it was when `before-N.db` was its copy.
    pub stamp: Stamp,
    /// When it was replaced, in seconds since 1970.
    pub since: u64,
    /// Whether it is a backup by now, which stays.
    pub backup: bool,
}
