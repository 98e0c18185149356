//! What the screen shows, and how it follows what the daemon tells.

use crate::control::types::{ErrorBody, Event, PhaseEvent, Recent, State, Status};

/// What came of the daemon.
#[derive(Debug)]
pub(super) enum News {
    /// It told something.
    Event(Event),
    /// It is not there, or it went away: why.
    Gone(ErrorBody),
}

/// What is known, and whether it still holds.
#[derive(Clone, Debug, Default, PartialEq)]
pub(super) struct Model {
    /// What the daemon said last; `None`: it never said anything.
    pub status: Option<Status>,
    /// What the cycle that runs does.
    pub phase: Option<PhaseEvent>,
    /// The last cycles and rows.
    pub recent: Recent,
    /// Why the daemon cannot be heard; `None` while it can.
    pub gone: Option<ErrorBody>,
}

impl Model {
    /// Takes in news.
    pub fn hear(&mut self, news: News) {
        match news {
            News::Gone(why) => {
                self.phase = None;
                self.gone = Some(why);
            }
            News::Event(event) => {
                self.gone = None;
                self.take(event);
            }
        }
    }

    fn take(&mut self, event: Event) {
        match event {
            Event::Status(status) => {
                if status.state != State::Syncing {
                    self.phase = None;
                }
                self.status = Some(*status);
            }
            Event::Phase(phase) => self.phase = Some(phase),
            Event::Cycle(_) => self.phase = None,
            Event::Recent(recent) => self.recent = *recent,
            Event::Heartbeat => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::types::{CycleSummary, ErrorCode, Phase};

    fn status(state: State) -> News {
        News::Event(Event::Status(Box::new(Status {
            state,
            ..Status::default()
        })))
    }

    fn phase() -> News {
        News::Event(Event::Phase(PhaseEvent {
            phase: Phase::Push,
            done: Some(3),
            total: Some(9),
        }))
    }

    #[test]
    fn a_phase_lasts_until_its_cycle_ends_or_the_daemon_goes() {
        let mut model = Model::default();
        model.hear(status(State::Syncing));
        model.hear(phase());
        model.hear(status(State::Syncing));
        assert!(model.phase.is_some(), "other news leave it");
        model.hear(News::Event(Event::Cycle(Box::<CycleSummary>::default())));
        assert_eq!(model.phase, None);
        model.hear(phase());
        model.hear(status(State::Offline));
        assert_eq!(model.phase, None, "the cycle is over even if its end was missed");
        model.hear(phase());
        model.hear(News::Gone(ErrorBody {
            code: ErrorCode::NotRunning,
            error: "no daemon".to_owned(),
            hint: None,
        }));
        assert_eq!(model.phase, None);
        assert!(model.gone.is_some());
        assert_eq!(model.status.as_ref().map(|status| status.state), Some(State::Offline));
        model.hear(News::Event(Event::Heartbeat));
        assert!(model.gone.is_none(), "it is back as soon as it says anything");
    }
}
