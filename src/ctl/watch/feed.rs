//! What the daemon tells, also over its restarts: a task that listens, and asks again when there is nobody to hear.

use std::time::Duration;

use tokio::sync::mpsc;
use tokio::time::sleep;

use super::model::News;
use crate::control::client::{Client, ended};

/// How long after the daemon went away it is asked again.
const AGAIN: Duration = Duration::from_secs(1);
/// How much news may wait for the screen. A daemon that tells more waits itself.
const WAITING: usize = 64;

/// Begins to listen. The task ends when the receiver is dropped.
pub(super) fn listen(client: Client) -> mpsc::Receiver<News> {
    let (tell, hear) = mpsc::channel(WAITING);
    tokio::spawn(async move {
        loop {
            let why = follow(&client, &tell).await;
            if tell.send(News::Gone(why)).await.is_err() {
                return;
            }
            sleep(AGAIN).await;
        }
    });
    hear
}

/// Passes events on until there are no more; why there are none.
async fn follow(client: &Client, tell: &mpsc::Sender<News>) -> crate::control::types::ErrorBody {
    let mut events = match client.events().await {
        Ok(events) => events,
        Err(error) => return error,
    };
    loop {
        match events.next().await {
            Ok(Some(event)) => {
                if tell.send(News::Event(event)).await.is_err() {
                    return ended();
                }
            }
            Ok(None) => return ended(),
            Err(error) => return error,
        }
    }
}
