//! What the process keeps from the outside, from its first moment.
//!
//! A password lives in its memory for the moment of a log-in, and rows of the databases all the time. So it leaves no core
//! file, on Linux no other process of its user may look into it (a debugger needs root), and what it makes is for its
//! owner alone, whatever the umask was. Programs that it starts inherit the umask and the limit.

use rustix::fs::Mode;
use rustix::process::{Resource, Rlimit, setrlimit, umask};

/// Closes the process to the outside. What the system refuses is told, and does not keep the daemon from its work.
pub(super) fn harden() -> Vec<String> {
    umask(Mode::RWXG | Mode::RWXO);
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let mut refused = Vec::new();
    if let Err(cause) = setrlimit(Resource::Core, none) {
        refused.push(format!("cannot forbid core files: {cause}"));
    }
    #[cfg(target_os = "linux")]
    if let Err(cause) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        refused.push(format!("cannot close the memory to other processes: {cause}"));
    }
    refused
}
