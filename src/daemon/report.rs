//! What the status says in words.

use crate::config::Config;
use crate::control::types::{State, Status};

/// What to do next, in one line. `hint`: what the error that stopped the daemon advises, if one did.
pub(super) fn recommendation(status: &Status, hint: Option<&str>) -> String {
    if let Some(hint) = hint {
        return hint.to_owned();
    }
    match status.state {
        State::Starting => "wait for the first cycle".to_owned(),
        State::Idle if status.conflicts > 0 => {
            "run `modsyncctl conflicts` to see what both sides changed at once, and which version won".to_owned()
        }
        State::Idle => match status.in_sync {
            Some(true) => "nothing to do: both sides hold the same".to_owned(),
            _ => "nothing to do: the server is asked again by itself".to_owned(),
        },
        State::Waiting => {
            "nothing to do: the change is synced by itself; `modsyncctl sync-now` does it at once".to_owned()
        }
        State::Syncing => "wait for the cycle that runs; `modsyncctl status --watch` shows it".to_owned(),
        State::Offline => {
            "check the network if this lasts; it is tried again by itself, and at once by `modsyncctl sync-now`"
                .to_owned()
        }
        State::Paused => {
            "run `modsyncctl resume` to sync by itself again, or `modsyncctl sync-now` for one cycle".to_owned()
        }
        State::Attention => attention(status),
    }
}

fn attention(status: &Status) -> String {
    let last = status.last_cycle.as_ref();
    if last.is_some_and(|cycle| cycle.held > 0) {
        "run `modsyncctl diff` to see what is held back; `modsyncctl sync-now --allow-deletes` if it is meant"
            .to_owned()
    } else {
        "run `modsyncctl doctor` to find the cause, then `modsyncctl sync-now`".to_owned()
    }
}

/// `user@host:path`, as far as the config says it.
pub(super) fn remote(config: &Config) -> String {
    let remote = &config.remote;
    let user = remote.user.as_ref().map_or(String::new(), |user| format!("{user}@"));
    format!("{user}{}:{}", remote.host, remote.database)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::types::CycleSummary;

    #[test]
    fn every_state_says_what_to_do() {
        let lines: Vec<String> = State::ALL
            .into_iter()
            .map(|state| {
                let status = Status {
                    state,
                    ..Status::default()
                };
                recommendation(&status, None)
            })
            .collect();
        for (index, line) in lines.iter().enumerate() {
            assert!(!line.is_empty() && !line.contains('\n'));
            assert!(!lines[..index].contains(line), "{line}");
        }
    }

    #[test]
    fn an_error_knows_best_and_held_rows_go_before_conflicts() {
        let status = |state, held, conflicts| Status {
            state,
            conflicts,
            last_cycle: Some(CycleSummary {
                held,
                ..CycleSummary::default()
            }),
            ..Status::default()
        };
        assert_eq!(
            recommendation(&status(State::Attention, 1, 1), Some("do this")),
            "do this"
        );
        assert!(recommendation(&status(State::Attention, 1, 1), None).contains("diff"));
        assert!(recommendation(&status(State::Attention, 0, 1), None).contains("doctor"));
        assert!(recommendation(&status(State::Idle, 0, 1), None).contains("conflicts"));
    }
}
