//! The command line that starts an engine at the far end.

use super::super::shell;
use super::SessionOptions;
use crate::config::EngineChoice;

const LAUNCH: &str = include_str!("../engine/launch.sh");
const PYTHON: &str = include_str!("../engine/engine.py");
const PHP: &str = include_str!("../engine/engine.php");

/// The sqlite3 shell cannot have a function of ours, but it can see which files it has open: the target of a file
/// descriptor no longer has the name of a file that was replaced or removed. The launch script adds the links that led
/// to the file, and the end.
const SHELL_LOOK: &str = "CREATE TEMP VIEW modsync_look(data_version,moved) AS \
     SELECT (SELECT data_version FROM pragma_data_version), NOT EXISTS(SELECT 1 FROM fsdir('/proc/self/fd') \
     WHERE data=(SELECT file FROM pragma_database_list WHERE name='main'))";

/// The command line: see [`shell`].
pub(super) fn command(options: &SessionOptions, token: &str) -> String {
    let engines = match options.engine {
        EngineChoice::Auto => "sqlite3 python3 php modsyncd",
        EngineChoice::Sqlite3 => "sqlite3",
        EngineChoice::Python3 => "python3",
        EngineChoice::Php => "php",
        EngineChoice::Modsyncd => "modsyncd",
        EngineChoice::Sftp => "",
    };
    let busy = options.busy_timeout.as_millis().to_string();
    let (python, php) = (shell::compact(PYTHON), shell::compact(PHP));
    let words = [
        token,
        &options.database,
        engines,
        &options.sidecar,
        &busy,
        &python,
        &php,
        SHELL_LOOK,
    ];
    shell::command(LAUNCH, &words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_is_one_line_that_every_login_shell_reads_alike() {
        let options = SessionOptions::new("/srv/it's a\n\"db\" \\ ! \u{e9}.db", EngineChoice::Auto, "base.db");
        let command = command(&options, "token");
        let body = command.strip_prefix("exec sh -c '").unwrap();
        assert!(
            body.bytes().all(|byte| (b' '..=b'~').contains(&byte) && byte != b'!'),
            "{command}"
        );
        // fish reads two escapes inside single quotes: a backslash before a quote or before another backslash.
        assert!(!body.contains("\\'") && !body.contains("\\\\"), "{command}");
        // The wrapper and its nine words.
        assert_eq!(command.matches('\'').count(), 20, "{command}");
        // Linux takes no more in one word.
        assert!(command.len() < 100_000, "{}", command.len());
    }
}
