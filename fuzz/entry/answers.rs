//! What the client reads from the control socket: the first byte says what it asked, the rest is the answer.
//!
//! Properties: whatever comes, the call ends; an error has words.

use std::cell::OnceCell;
use std::path::PathBuf;

use modsync::control::client::Client;
use modsync::control::handler::{DiffRequest, LogsRequest};
use modsync::control::types::{ErrorBody, SyncRequest};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixListener;

pub fn run(data: &[u8]) {
    thread_local! {
        static FOLDER: OnceCell<tempfile::TempDir> = const { OnceCell::new() };
    }
    let Some((call, answer)) = super::choice(data, 6) else {
        return;
    };
    let socket = FOLDER.with(|cell| cell.get_or_init(|| tempfile::tempdir().unwrap()).path().join("s"));
    super::block_on(async {
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = tokio::spawn(serve(listener, answer.to_vec()));
        let ended = ask(call, socket.clone()).await;
        daemon.abort();
        std::fs::remove_file(&socket).unwrap();
        if let Err(error) = ended {
            super::assert_message(&error.error);
        }
    });
}

async fn serve(listener: UnixListener, answer: Vec<u8>) {
    while let Ok((mut stream, _)) = listener.accept().await {
        let _ = stream.read(&mut [0; 4096]).await;
        let _ = stream.write_all(&answer).await;
        let _ = stream.shutdown().await;
    }
}

async fn ask(call: u8, socket: PathBuf) -> Result<(), ErrorBody> {
    let client = Client::new(socket, None);
    match call {
        0 => client.status().await.map(drop),
        1 => client.sync(&SyncRequest::default(), |_| {}).await.map(drop),
        2 => client.check().await.map(drop),
        3 => client.diff(&DiffRequest::default()).await.map(drop),
        4 => {
            let mut events = client.events().await?;
            while events.next().await?.is_some() {}
            Ok(())
        }
        _ => {
            let mut logs = client.logs(&LogsRequest::default()).await?;
            while logs.next().await?.is_some() {}
            Ok(())
        }
    }
}
