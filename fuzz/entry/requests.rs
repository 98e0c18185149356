//! What a client writes to the control socket.
//!
//! Properties: it is answered with HTTP or the connection is closed; no answer is longer than what is in it.

use std::cell::OnceCell;
use std::path::PathBuf;
use std::sync::Arc;

use modsync::control::handler::{Handler, Request, Response};
use modsync::control::server;
use modsync::control::types::{
    BackupList, BackupsAnswer, CheckReport, CycleSummary, DiffReport, ErrorBody, ErrorCode, Event, Status, VerifyReport,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::UnixStream;
use tokio::sync::broadcast;

/// Answers everything at once.
struct Script;

impl Handler for Script {
    async fn handle(&self, request: Request) -> Result<Response, ErrorBody> {
        Ok(match request {
            Request::Status | Request::Resume | Request::Pause(_) => Response::Status(Box::<Status>::default()),
            Request::Sync(request) if request.no_wait => Response::Queued,
            Request::Sync(_) => Response::Cycle(Box::<CycleSummary>::default()),
            Request::Check => Response::Check(Box::<CheckReport>::default()),
            Request::Diff(wanted) if wanted.table.is_some() => {
                return Err(ErrorBody {
                    code: ErrorCode::NotFound,
                    error: format!("{wanted:?}"),
                    hint: None,
                });
            }
            Request::Diff(_) => Response::Diff(Box::<DiffReport>::default()),
            Request::Verify => Response::Verify(Box::<VerifyReport>::default()),
            Request::SelfTest => Response::SelfTest(Box::default()),
            Request::Doctor => Response::Doctor(Box::default()),
            Request::Backups(_) => Response::Backups(Box::new(BackupsAnswer::List(BackupList::default()))),
            Request::Metrics => Response::Metrics(Box::default(), Box::default()),
            // How these are asked is what is tried; their answers are as plain as the ones above.
            Request::History(_)
            | Request::Show(..)
            | Request::Undo(_)
            | Request::Conflicts(_)
            | Request::Conflict(_)
            | Request::Seen(_)
            | Request::Resolve(_) => Response::Queued,
            Request::Logs(_) => Response::Logs(Box::pin(futures_util::stream::iter(["a line".to_owned()]))),
        })
    }

    fn events(&self) -> broadcast::Receiver<Event> {
        // Its sender is gone: the stream ends after its first line.
        broadcast::channel(1).1
    }
}

pub fn run(data: &[u8]) {
    thread_local! {
        static SERVER: OnceCell<(tempfile::TempDir, PathBuf)> = const { OnceCell::new() };
    }
    SERVER.with(|cell| {
        let (_, socket) = cell.get_or_init(start);
        super::block_on(async {
            let mut stream = UnixStream::connect(socket).await.unwrap();
            // The server may have hung up before it was all said.
            let _ = stream.write_all(data).await;
            let _ = stream.shutdown().await;
            let mut answer = Vec::new();
            let _ = stream.read_to_end(&mut answer).await;
            assert!(answer.is_empty() || answer.starts_with(b"HTTP/1."), "{answer:?}");
            assert!(answer.len() < 64 * 1024 + 16 * data.len(), "{} bytes", answer.len());
        });
    });
}

fn start() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let socket = folder.path().join("modsyncd.sock");
    let path = socket.clone();
    super::block_on(async move {
        let listener = server::bind(&path).await.unwrap();
        let handler = Arc::new(Script);
        tokio::spawn(server::serve(listener, handler, std::future::pending()));
    });
    (folder, socket)
}
