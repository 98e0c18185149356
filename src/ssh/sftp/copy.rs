//! Whole files in either direction.
//!
//! One request at a time would cost a round trip for each chunk, so [`IN_FLIGHT`] of them are kept under way.

use std::ops::Range;

use futures_util::stream::FuturesUnordered;
use futures_util::{StreamExt, TryStreamExt, stream};
use russh_sftp::client::error::Error as ProtocolError;
use russh_sftp::protocol::{FileAttributes, OpenFlags};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use super::error::{failed, local};
use super::{Sftp, SftpError, SftpErrorKind};

/// Bytes of one read or write; every server takes that much.
const CHUNK: u32 = 32 * 1024;
/// Requests under way at once: half a megabyte, which fills 80 Mbit/s at 50 ms.
const IN_FLIGHT: usize = 16;
/// What a server did that answered a read with no byte or with too many.
const WRONG_NUMBER: &str = "it was given a wrong number of bytes";

impl Sftp {
    /// Copies a file of the server to `to`, from the range's start to the length that it has now, which must not be
    /// beyond the range's end. `progress` is told the bytes of the file that are there so far, those before the range
    /// included. Returns the file's length.
    ///
    /// # Errors
    /// When either side fails, or the file becomes shorter meanwhile or was longer than that. What was written by then is a good beginning:
    /// go on from its length.
    pub async fn download<W>(
        &self,
        path: &str,
        range: Range<u64>,
        to: &mut W,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, SftpError>
    where
        W: AsyncWrite + Unpin,
    {
        let open = self.ask().open(path, OpenFlags::READ, FileAttributes::empty()).await;
        let handle = open.map_err(|error| failed("open", path, &error))?.handle;
        let copied = self.copy_down(path, &handle, range, to, &mut progress).await;
        let closed = self
            .ask()
            .close(handle)
            .await
            .map_err(|error| failed("close", path, &error));
        let length = copied?;
        closed?;
        Ok(length)
    }

    async fn copy_down<W>(
        &self,
        path: &str,
        handle: &str,
        range: Range<u64>,
        to: &mut W,
        progress: &mut impl FnMut(u64),
    ) -> Result<u64, SftpError>
    where
        W: AsyncWrite + Unpin,
    {
        let attributes = self
            .ask()
            .fstat(handle)
            .await
            .map_err(|error| failed("look at", path, &error))?;
        let length = attributes.attrs.size.unwrap_or_default();
        let Range { start: offset, end } = range;
        if length > end {
            return Err(SftpError {
                kind: SftpErrorKind::Resized,
                message: format!("cannot read {path} on the server: it has {length} bytes, {end} were expected"),
            });
        }
        let starts = (offset..length).step_by(CHUNK as usize);
        let reads = starts.map(|at| self.read_fully(handle, at, length.saturating_sub(at).min(CHUNK.into())));
        let mut chunks = stream::iter(reads).buffered(IN_FLIGHT);
        let mut done = offset;
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| {
                let mut failure = failed("read", path, &error);
                // A session that ended is told by the same kind of error.
                if matches!(&error, ProtocolError::UnexpectedBehavior(words) if words == WRONG_NUMBER) {
                    failure.kind = SftpErrorKind::Resized;
                }
                failure
            })?;
            to.write_all(&chunk)
                .await
                .map_err(|error| local("keep what was read of", path, &error))?;
            self.count_chunk(done, offset);
            done += chunk.len() as u64;
            progress(done);
        }
        to.flush()
            .await
            .map_err(|error| local("keep what was read of", path, &error))?;
        Ok(length)
    }

    /// Reads exactly `length` bytes: a server may answer with fewer than it was asked for.
    async fn read_fully(&self, handle: &str, at: u64, length: u64) -> Result<Vec<u8>, ProtocolError> {
        let mut read = Vec::new();
        while (read.len() as u64) < length {
            let missing = u32::try_from(length - read.len() as u64).unwrap_or(CHUNK);
            let data = self.raw.read(handle, at + read.len() as u64, missing).await?.data;
            if data.is_empty() || data.len() > missing as usize {
                return Err(ProtocolError::UnexpectedBehavior(WRONG_NUMBER.to_owned()));
            }
            read.extend_from_slice(&data);
        }
        Ok(read)
    }

    /// Copies `from`, to its end, into a new file on the server with exactly the permission bits of `mode`, and has the
    /// server put it on its disk. `progress` is told the bytes that the server confirmed. Returns the length.
    ///
    /// # Errors
    /// `Exists` if there is a file of that name. A file that was begun is removed again.
    pub async fn upload<R>(
        &self,
        from: R,
        path: &str,
        mode: u32,
        mut progress: impl FnMut(u64),
    ) -> Result<u64, SftpError>
    where
        R: AsyncRead + Unpin,
    {
        let attributes = FileAttributes {
            permissions: Some(mode & 0o7777),
            ..FileAttributes::empty()
        };
        let flags = OpenFlags::WRITE | OpenFlags::CREATE | OpenFlags::EXCLUDE;
        let handle = match self.ask().open(path, flags, attributes.clone()).await {
            Ok(opened) => opened.handle,
            Err(error) => return Err(self.or_exists(path, failed("create", path, &error)).await),
        };
        let copied = self.copy_up(from, path, &handle, &attributes, &mut progress).await;
        // Errors of the last writes may only come with the close.
        let closed = self
            .ask()
            .close(handle)
            .await
            .map_err(|error| failed("close", path, &error));
        match copied.and_then(|length| closed.map(|_| length)) {
            Ok(length) => Ok(length),
            Err(error) => {
                // The first error is the one to tell.
                let _ = self.remove(path).await;
                Err(error)
            }
        }
    }

    async fn write_chunk(&self, path: &str, handle: &str, at: u64, chunk: Vec<u8>) -> Result<u64, SftpError> {
        let length = chunk.len() as u64;
        let written = self.raw.write(handle, at, chunk).await;
        written.map_err(|error| failed("write", path, &error))?;
        Ok(length)
    }

    async fn copy_up<R>(
        &self,
        mut from: R,
        path: &str,
        handle: &str,
        attributes: &FileAttributes,
        progress: &mut impl FnMut(u64),
    ) -> Result<u64, SftpError>
    where
        R: AsyncRead + Unpin,
    {
        let mut writes = FuturesUnordered::new();
        let (mut at, mut ended, mut done) = (0, false, 0);
        loop {
            while !ended && writes.len() < IN_FLIGHT {
                let mut chunk = Vec::with_capacity(CHUNK as usize);
                let read = (&mut from).take(CHUNK.into()).read_to_end(&mut chunk).await;
                let length = read.map_err(|error| local("read what was to go to", path, &error))? as u64;
                ended = length == 0;
                if !ended {
                    self.count_chunk(at, 0);
                    writes.push(self.write_chunk(path, handle, at, chunk));
                    at += length;
                }
            }
            let Some(length) = writes.try_next().await? else { break };
            done += length;
            progress(done);
        }
        // The server's umask may have taken bits away.
        let set = self.ask().fsetstat(handle, attributes.clone()).await;
        set.map_err(|error| failed("set the permissions of", path, &error))?;
        if self.can_fsync {
            self.ask()
                .fsync(handle)
                .await
                .map_err(|error| failed("write to the disk", path, &error))?;
        }
        Ok(done)
    }

    /// Counts a round trip for as many chunks as are under way at once.
    fn count_chunk(&self, done: u64, start: u64) {
        if (done - start).is_multiple_of(u64::from(CHUNK) * IN_FLIGHT as u64) {
            self.traffic.add_round_trip();
        }
    }
}
