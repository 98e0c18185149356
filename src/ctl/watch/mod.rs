//! The screen of `status --watch`: a model that follows the daemon's events, a view that draws it, and the loop that
//! waits for news, keys, signals and the next second.

mod counts;
mod feed;
mod model;
mod moves;
mod paint;
mod strip;
mod view;

use std::io;

use crossterm::event::{Event as Input, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures_util::StreamExt as _;
use ratatui::DefaultTerminal;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Duration, MissedTickBehavior, interval};

use super::Context;
use super::exit::Exit;
use super::out::Failure;
use model::Model;

/// How often the screen is drawn when nothing happens: it tells times as "3 s ago".
const TICK: Duration = Duration::from_secs(1);
/// How much news is taken in before it is drawn.
const NEWS: usize = 64;

/// Shows the daemon until a key or a signal ends it.
///
/// # Errors
/// When the terminal cannot be written or read.
pub(super) async fn run(context: &Context) -> Result<Exit, Failure> {
    let mut endings = [SignalKind::terminate(), SignalKind::hangup(), SignalKind::interrupt()]
        .into_iter()
        .map(signal)
        .collect::<io::Result<Vec<Signal>>>()?;
    let mut screen = Screen::open()?;
    let mut keys = EventStream::new();
    let mut news = feed::listen(context.client.clone());
    let mut tick = interval(TICK);
    tick.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut model = Model::default();
    let mut heard = Vec::with_capacity(NEWS);
    loop {
        let style = context.out.style();
        screen
            .0
            .draw(|frame| view::draw(&model, &style, frame.area(), frame.buffer_mut()))?;
        tokio::select! {
            _ = news.recv_many(&mut heard, NEWS) => heard.drain(..).for_each(|news| model.hear(news)),
            key = keys.next() => match key {
                Some(Ok(Input::Key(key))) if quits(key) => return Ok(Exit::Done),
                Some(Ok(_)) => {} // drawn again, at the size that the window has now
                Some(Err(error)) => return Err(error.into()),
                None => return Ok(Exit::Done),
            },
            () = any(&mut endings) => return Ok(Exit::Failed),
            _ = tick.tick() => {}
        }
    }
}

/// q, Esc and Ctrl-C, which is a key like any other while the terminal is raw.
fn quits(key: KeyEvent) -> bool {
    let control = key.modifiers.contains(KeyModifiers::CONTROL);
    let quits = match key.code {
        KeyCode::Esc => true,
        KeyCode::Char('q' | 'Q') => !control,
        KeyCode::Char('c' | 'd') => control,
        _ => false,
    };
    quits && key.kind != KeyEventKind::Release
}

/// Returns when one of the signals comes.
async fn any(signals: &mut [Signal]) {
    let all = signals.iter_mut().map(|signal| Box::pin(signal.recv()));
    futures_util::future::select_all(all).await;
}

/// The terminal in our hands: the other screen, raw. Given back when dropped, and before a panic's message.
struct Screen(DefaultTerminal);

impl Screen {
    fn open() -> io::Result<Self> {
        ratatui::try_init().map(Self)
    }
}

impl Drop for Screen {
    fn drop(&mut self) {
        let _ = self.0.show_cursor();
        // A terminal that is gone takes no more orders.
        let _ = ratatui::try_restore();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_named_keys_quit() {
        let key = |code, modifiers| quits(KeyEvent::new(code, modifiers));
        let none = KeyModifiers::NONE;
        assert!(key(KeyCode::Char('q'), none) && key(KeyCode::Esc, none));
        assert!(key(KeyCode::Char('c'), KeyModifiers::CONTROL));
        assert!(!key(KeyCode::Char('c'), none) && !key(KeyCode::Char('x'), none) && !key(KeyCode::Enter, none));
    }
}
