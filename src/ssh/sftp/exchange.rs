//! A file exchanged under its name, on the condition that another name is free.

use futures_util::future::join4;
use russh_sftp::client::error::Error as ProtocolError;

use super::error::failed;
use super::{POSIX_RENAME, Sftp, SftpError, SftpErrorKind, strings};

/// What is exchanged, and through which folder.
pub(in crate::ssh) struct Exchange<'a> {
    /// A folder of ours. While the exchange lasts it stands under the name `gate`.
    pub den: &'a str,
    /// The name that must be free.
    pub gate: &'a str,
    /// The file that is put in place: its name in the folder.
    pub new: &'a str,
    /// The name in the folder that the replaced file gets.
    pub old: &'a str,
    /// The file that is replaced.
    pub target: &'a str,
}

/// What came of an exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::ssh) enum Exchanged {
    /// The name was taken; nothing was touched.
    Barred,
    /// The new file is in place, and the old one has its second name unless the error says otherwise.
    Done(Option<SftpError>),
}

impl Sftp {
    /// Moves the folder to the gate's name, gives the target a second name in it, renames the new file over the
    /// target, and moves the folder back: four requests that travel together, so that the server carries them out
    /// within a fraction of a millisecond, whatever the line does. SFTP knows no conditions, but each of the later
    /// three goes through the folder *under the gate's name*, so none of them can succeed where the first did not.
    ///
    /// # Errors
    /// When the connection is lost, and nobody knows which of them were carried out; or when the folder could not be
    /// moved back, or the file not be exchanged.
    pub(in crate::ssh) async fn exchange(&self, exchange: &Exchange<'_>) -> Result<Exchanged, SftpError> {
        let Exchange {
            den,
            gate,
            new,
            old,
            target,
        } = exchange;
        let (old, new) = (format!("{gate}/{old}"), format!("{gate}/{new}"));
        self.traffic.add_round_trip();
        // In this order: each sends its request when it is first polled, and they are polled one after the other.
        let (shut, kept, put, opened) = join4(
            self.renamed(den, gate),
            self.raw.hardlink(*target, old.as_str()),
            self.renamed(&new, target),
            self.renamed(gate, den),
        )
        .await;
        let told = |verb: &str, path: &str, error: &ProtocolError| failed(verb, path, error);
        if let Err(error) = shut {
            let error = told("set apart", den, &error);
            return match error.kind {
                SftpErrorKind::Lost | SftpErrorKind::Denied => Err(error),
                _ => Ok(Exchanged::Barred),
            };
        }
        put.map_err(|error| told("put the new file in place of", target, &error))?;
        if let Err(error) = opened {
            tracing::error!(gate, "{}", told("move back", gate, &error));
            self.posix_rename(gate, den).await?;
        }
        Ok(Exchanged::Done(
            kept.err().map(|error| told("keep the old", target, &error)),
        ))
    }

    async fn renamed(&self, from: &str, to: &str) -> Result<(), ProtocolError> {
        self.extended_status(POSIX_RENAME, strings(&[from, to])?).await
    }
}
