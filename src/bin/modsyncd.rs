//! The daemon and its set-up verbs: see `modsync::setup`.

use std::process::ExitCode;

fn main() -> ExitCode {
    modsync::setup::main()
}
