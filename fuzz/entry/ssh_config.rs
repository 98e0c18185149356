//! An ssh_config file, followed for one host.
//!
//! Properties: what cannot be followed is said in words; what can names a host and a user.

use modsync::config::ssh_config::resolve_noting;
use modsync::config::{self, LoadOptions};

const CONFIG: &[u8] = b"[local]\ndatabase = \"/a.db\"\n[remote]\nhost = \"assess\"\ndatabase = \"/b.db\"\n";

pub fn run(data: &[u8]) {
    // Files of this machine are none of the input.
    if data.to_ascii_lowercase().windows(7).any(|word| word == b"include") {
        return;
    }
    let environment = super::config::environment();
    let options = LoadOptions {
        file: Some(super::config::file("config.toml", CONFIG)),
        name: None,
        system: false,
        overrides: Vec::new(),
        environment: environment.clone(),
    };
    let mut remote = config::load(&options).unwrap().remote;
    remote.ssh_config = Some(super::config::file("ssh_config", data));
    match resolve_noting(&remote, environment.home(), "ann", &environment) {
        Ok((target, notes)) => {
            for target in target.jumps.iter().chain([&target]) {
                assert!(!target.host.is_empty() && !target.user.is_empty(), "{target:?}");
            }
            notes.iter().for_each(|note| super::assert_message(note));
        }
        Err(error) => super::assert_message(&error.message),
    }
}
