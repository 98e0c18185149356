//! The daemon and its set-up verbs: see `modsync::setup`.

use std::alloc::System;
use std::process::ExitCode;

use zeroizing_alloc::ZeroAlloc;

/// Wipes memory as it is given back. Passwords and keys pass through libraries that copy them.
#[global_allocator]
static MEMORY: ZeroAlloc<System> = ZeroAlloc(System);

fn main() -> ExitCode {
    modsync::setup::main()
}
