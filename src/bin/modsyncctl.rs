//! The client of the daemon: see `modsync::ctl`.

use std::process::ExitCode;

fn main() -> ExitCode {
    modsync::ctl::run(std::env::args_os())
}
