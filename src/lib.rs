//! modsync keeps a SQLite database on a laptop and its sibling on a server in two-way, row-level sync over plain SSH.
//!
//! `README.md` says what it does, `docs/architecture.md` why it is built this way. This page is the map.
//!
//! # The rooms
//!
//! | room | what is in it | imports of ours |
//! |---|---|---|
//! | [`model`] | plain data: values, rows, schemas, changes, instants | nothing |
//! | [`merge`] | the three-way merge and the brakes: pure functions | `model` |
//! | [`config`] | the file, its layers and mistakes, `ssh_config` | `model`, `merge` (the rules of a table) |
//! | [`control`] | the socket: its types, server and client | `model` |
//! | [`replica`] | what a database can do, and all SQL; the seam [`replica::Sql`] | `model`, `merge`, `control::types` (counts) |
//! | [`ssh`] | connection, host keys, the SQL session, SFTP | `model`, `config`, `replica` (the seam) |
//! | [`cycle`] | one cycle, its journal, backups, recovery; the seam [`cycle::Syncer`] | all of the above |
//! | [`daemon`] | when a cycle runs: watch, poll, schedule, wake, the loop | `cycle`, `config`, `control` |
//! | [`ctl`] | `modsyncctl`: one file a verb | `control` |
//! | [`doctor`] | what can go wrong, tested: probes, and a pure judgement of what they saw | all but `daemon`, `demo`, `setup` |
//! | [`service`] | systemd and launchd | nothing |
//! | [`demo`] | the story on one machine | what it shows |
//! | [`setup`] | `modsyncd`: its verbs, and what each one calls | what it calls |
//!
//! # The way of the data
//!
//! 1. [`daemon::run`] asks its [`cycle::Syncer`], the [`cycle::Pair`], whether a side changed, and for a cycle when one did.
//! 2. The pair holds two [`replica::Replica`]s. They differ in what carries their SQL alone: [`replica::LocalSql`], a
//!    connection on a thread of its own, and [`ssh::Session`], an engine at the far end of an SSH channel.
//! 3. Pull: [`replica::Replica::changes`] on both sides at once; each compares its tables with its base and answers with a
//!    [`model::Delta`].
//! 4. Merge: [`merge::merge`] makes a [`merge::Plan`] of base, local and server; [`merge::brakes`] look at it. The journal
//!    ([`cycle::History`]) is written.
//! 5. Push: [`replica::Replica::push`] takes guarded writes, first on the laptop, then on the server, where backup, writes and the
//!    base's move go out in one request.
//! 6. Agree: [`replica::Replica::settle`] moves the laptop's base; the journal becomes the record of the cycle.
//!
//! `src/cycle/run.rs` has steps 3 to 6 from top to bottom.
#![cfg_attr(test, allow(clippy::unwrap_used, clippy::expect_used, clippy::panic))]

pub mod config;
pub mod control;
pub mod ctl;
pub mod cycle;
pub mod daemon;
pub mod demo;
pub mod doctor;
pub mod merge;
pub mod model;
mod random;
pub mod replica;
pub mod service;
pub mod setup;
pub mod ssh;
