//! Lines of bounded length from a stream.

use std::io;

use bytes::{Buf as _, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// How much is asked of the stream at a time, in bytes.
const CHUNK: usize = 64 * 1024;

/// Cuts a stream into lines. A line is held until it is taken, never more than `max_line` bytes of it.
pub(super) struct Lines {
    stream: Box<dyn AsyncRead + Send + Unpin>,
    buffer: BytesMut,
    /// So many bytes at the front are known to hold no line end.
    searched: usize,
    max_line: usize,
}

/// A line is longer than allowed.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct TooLong;

impl Lines {
    pub(super) fn new(stream: Box<dyn AsyncRead + Send + Unpin>, max_line: usize) -> Self {
        Self {
            stream,
            buffer: BytesMut::new(),
            searched: 0,
            max_line,
        }
    }

    /// Sets how long a line may be.
    pub(super) fn allow(&mut self, max_line: usize) {
        self.max_line = max_line;
    }

    /// Waits for more bytes; 0 is the end. Nothing is lost when the wait is given up.
    pub(super) async fn fill(&mut self) -> io::Result<usize> {
        self.buffer.reserve(CHUNK);
        self.stream.read_buf(&mut self.buffer).await
    }

    /// The next whole line that is here, without its end.
    pub(super) fn next(&mut self) -> Result<Option<BytesMut>, TooLong> {
        let unseen = self.buffer.get(self.searched..).unwrap_or_default();
        let end = unseen
            .iter()
            .position(|&byte| byte == b'\n')
            .map(|at| self.searched + at);
        if end.unwrap_or(self.buffer.len()) > self.max_line {
            return Err(TooLong);
        }
        self.searched = self.buffer.len();
        Ok(end.map(|end| {
            let line = self.buffer.split_to(end);
            self.buffer.advance(1);
            self.searched = 0;
            line
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn lines_come_whole_however_they_arrive() {
        let stream = stream_of(&[b"a", b"b\n\nc", b"\nrest"]);
        let mut lines = Lines::new(stream, 4);
        let mut seen = Vec::new();
        loop {
            while let Some(line) = lines.next().unwrap() {
                seen.push(line.to_vec());
            }
            if lines.fill().await.unwrap() == 0 {
                break;
            }
        }
        assert_eq!(seen, [b"ab".to_vec(), b"".to_vec(), b"c".to_vec()]);
    }

    #[tokio::test]
    async fn a_line_without_an_end_is_given_up_in_time() {
        let mut lines = Lines::new(Box::new(tokio::io::repeat(b'x')), 100_000);
        while lines.next() == Ok(None) {
            lines.fill().await.unwrap();
        }
        assert!(lines.buffer.capacity() < 1_000_000, "{}", lines.buffer.capacity());
    }

    fn stream_of(parts: &[&'static [u8]]) -> Box<dyn AsyncRead + Send + Unpin> {
        parts.iter().fold(Box::new(tokio::io::empty()), |stream, part| {
            Box::new(stream.chain(*part))
        })
    }
}
