//! What an engine, or whatever speaks in its place, answers: the first byte says in how large pieces it comes, the rest is
//! its standard output, and after a byte 0x02 its standard error. A byte 0x01 stands for the session's token, which no
//! input could guess.
//!
//! Properties: whatever comes, opening and running end, with an answer or with words; no row is longer than allowed.

use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::{Buf as _, Bytes};
use modsync::config::EngineChoice;
use modsync::model::Side;
use modsync::replica::{OpenError, Opening, Replica, Script, Sql as _};
use modsync::ssh::{Process, Session, SessionOptions, Traffic, Transport, TransportError};
use tokio::io::{AsyncRead, ReadBuf};

const MAX_LINE: usize = 4096;

pub fn run(data: &[u8]) {
    let Some((&piece, data)) = data.split_first() else {
        return;
    };
    let mut streams = data.splitn(2, |&byte| byte == 2);
    let far_end = FarEnd {
        piece: usize::from(piece) + 1,
        output: streams.next().unwrap_or_default().to_vec(),
        errors: streams.next().unwrap_or_default().to_vec(),
    };
    super::block_on(async {
        let options = SessionOptions {
            patience: Duration::from_secs(5),
            max_line: MAX_LINE,
            ..SessionOptions::new("/srv/products.db", EngineChoice::Auto, "laptop.db")
        };
        let (mut session, hello) = match Session::open(&far_end, &options).await {
            Ok(opened) => opened,
            Err(error) => return super::assert_message(&error.to_string()),
        };
        let mut script = Script::new();
        script.step("SELECT 'i1';");
        let (mut rows, mut bytes) = (0_usize, 0_usize);
        let answered = session
            .run(&script, &mut |row| {
                rows += 1;
                bytes += row.len();
                assert!(row.len() <= MAX_LINE);
                Ok(())
            })
            .await;
        assert!(rows <= far_end.output.len() && bytes <= far_end.output.len());
        if let Err(error) = answered {
            super::assert_message(&error.message);
            assert!(
                session.run(&script, &mut |_| Ok(())).await.is_err(),
                "it went on after {error}"
            );
            return;
        }
        let opening = Opening {
            side: Side::Server,
            sidecar: &hello.sidecar,
            file: "1",
            look_through: true,
        };
        if let Err(OpenError::Sql(error)) = Replica::open(Box::new(session), &opening).await {
            super::assert_message(&error.message);
        }
    });
}

struct FarEnd {
    piece: usize,
    output: Vec<u8>,
    errors: Vec<u8>,
}

impl Transport for FarEnd {
    async fn exec(&self, command: &str) -> Result<Process, TransportError> {
        let token = command
            .split('\'')
            .find(|word| word.len() == 40 && word.starts_with("modsync-"))
            .unwrap();
        let output = self.output.iter().flat_map(|byte| match byte {
            1 => token.as_bytes(),
            byte => std::slice::from_ref(byte),
        });
        Ok(Process {
            stdin: Box::new(tokio::io::sink()),
            stdout: Box::new(Pieces {
                rest: output.copied().collect(),
                length: self.piece,
            }),
            stderr: Box::new(Pieces {
                rest: self.errors.clone().into(),
                length: self.piece,
            }),
        })
    }

    fn traffic(&self) -> Arc<Traffic> {
        Arc::default()
    }
}

/// Bytes that come so many at a time.
struct Pieces {
    rest: Bytes,
    length: usize,
}

impl AsyncRead for Pieces {
    fn poll_read(mut self: Pin<&mut Self>, _: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let length = self.length.min(self.rest.len()).min(buf.remaining());
        buf.put_slice(self.rest.get(..length).unwrap_or_default());
        self.rest.advance(length);
        Poll::Ready(Ok(()))
    }
}
