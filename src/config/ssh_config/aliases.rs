//! The names that ssh_config gives to hosts: what a person may pick from.

use std::path::Path;

use super::lines::parse;

/// How deep `Include` may nest; OpenSSH's own limit.
const INCLUDE_DEPTH: usize = 16;
/// More names than this are no list to pick from.
const MOST: usize = 200;

/// The names on the `Host` lines of the user's ssh_config, in the file's order, each once. Patterns are no names. A file or
/// a line that cannot be read gives none: whoever connects is told what is wrong with it.
#[must_use]
pub fn aliases(home: &Path) -> Vec<String> {
    let folder = home.join(".ssh");
    let mut names = Vec::new();
    gather(&folder.join("config"), home, &folder, 0, &mut names);
    names
}

fn gather(file: &Path, home: &Path, folder: &Path, depth: usize, names: &mut Vec<String>) {
    let Ok(bytes) = std::fs::read(file) else { return };
    for line in String::from_utf8_lossy(&bytes).lines() {
        let Ok(Some((keyword, arguments))) = parse(line) else {
            continue;
        };
        match keyword.as_str() {
            "host" => {
                for name in arguments.into_iter().filter(|name| !name.contains(['*', '?', '!'])) {
                    if !names.contains(&name) && names.len() < MOST {
                        names.push(name);
                    }
                }
            }
            "include" if depth < INCLUDE_DEPTH => {
                for argument in &arguments {
                    let path = match argument.strip_prefix("~/") {
                        Some(rest) => home.join(rest),
                        None => folder.join(argument),
                    };
                    for found in glob::glob(&path.to_string_lossy()).into_iter().flatten().flatten() {
                        gather(&found, home, folder, depth + 1, names);
                    }
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_come_from_included_files_too_and_patterns_are_none() {
        let home = tempfile::tempdir().unwrap();
        let folder = home.path().join(".ssh");
        std::fs::create_dir_all(folder.join("conf.d")).unwrap();
        let config = "Include conf.d/*\nHost assess web-? *.example.org !bad\n  HostName 192.0.2.10\nHost \"two words\" assess\nHost *\n";
        std::fs::write(folder.join("config"), config).unwrap();
        std::fs::write(folder.join("conf.d/work"), "Host bastion\n").unwrap();
        assert_eq!(aliases(home.path()), ["bastion", "assess", "two words"]);
    }

    #[test]
    fn a_file_that_includes_itself_ends() {
        let home = tempfile::tempdir().unwrap();
        std::fs::create_dir(home.path().join(".ssh")).unwrap();
        std::fs::write(home.path().join(".ssh/config"), "Host a\nInclude config\n").unwrap();
        assert_eq!(aliases(home.path()), ["a"]);
    }
}
