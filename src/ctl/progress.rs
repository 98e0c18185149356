//! What a cycle does meanwhile, for whoever waits for it.

use std::io::{self, IsTerminal};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::control::types::Event;

/// A cycle that ends sooner shows no progress.
const QUICK: Duration = Duration::from_millis(500);

/// The phases on standard error, on a terminal only, and only once the cycle takes its time.
pub(super) struct Progress(Option<(ProgressBar, JoinHandle<()>)>);

impl Progress {
    /// Shown if it is wanted and there is a terminal.
    pub(super) fn new(wanted: bool) -> Self {
        if !wanted || !io::stderr().is_terminal() {
            return Self(None);
        }
        let bar = ProgressBar::with_draw_target(None, ProgressDrawTarget::hidden());
        let shown = bar.clone();
        let show = tokio::spawn(async move {
            sleep(QUICK).await;
            shown.set_draw_target(ProgressDrawTarget::stderr());
            shown.enable_steady_tick(Duration::from_millis(100));
        });
        Self(Some((bar, show)))
    }

    /// Shows the phase that an event tells of.
    pub(super) fn hear(&mut self, event: &Event) {
        let (Some((bar, _)), Event::Phase(phase)) = (&self.0, event) else {
            return;
        };
        let bounded = phase.done.zip(phase.total).filter(|(_, total)| *total > 0);
        bar.set_style(if bounded.is_some() {
            counted()
        } else {
            ProgressStyle::default_spinner()
        });
        if let Some((done, total)) = bounded {
            bar.set_length(total);
            bar.set_position(done);
        }
        bar.set_message(phase.phase.describe());
    }

    /// Takes it off the terminal.
    pub(super) fn clear(self) {
        if let Some((bar, show)) = self.0 {
            show.abort();
            bar.finish_and_clear();
        }
    }
}

/// A bar, for phases whose length is known.
fn counted() -> ProgressStyle {
    ProgressStyle::with_template("{spinner} {msg} {wide_bar} {pos}/{len}")
        .unwrap_or_else(|_| ProgressStyle::default_bar())
}
