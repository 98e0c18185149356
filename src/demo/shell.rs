//! One connection of the demo server: who may come in, and the commands that run.

use std::collections::HashMap;
use std::ffi::OsString;
use std::os::unix::process::ExitStatusExt as _;
use std::path::PathBuf;
use std::process::{ExitStatus, Stdio};
use std::sync::Arc;

use bytes::Bytes;
use russh::keys::ssh_key::public::KeyData;
use russh::server::{Auth, ChannelOpenHandle, Handler, Msg, Session, VerifiedPublicKey};
use russh::{Channel, ChannelId, ChannelMsg, ChannelReadHalf, ChannelWriteHalf};
use tokio::io::AsyncWriteExt as _;
use tokio::process::{Child, ChildStdin, Command};
use tokio::sync::mpsc;

/// The stream of `CHANNEL_EXTENDED_DATA` that is standard error (RFC 4254 §5.2).
const STDERR: u32 = 1;

/// The one account.
pub(super) struct Account {
    /// The public key that may come in.
    pub key: KeyData,
    /// Its home.
    pub home: PathBuf,
    /// Its `XDG_STATE_HOME`.
    pub state: PathBuf,
    /// Its `PATH`.
    pub path: OsString,
}

/// The handler of one connection.
pub(super) struct Connection {
    account: Arc<Account>,
    /// Open channels that nothing runs on yet.
    waiting: HashMap<ChannelId, Channel<Msg>>,
}

impl Connection {
    pub(super) fn new(account: Arc<Account>) -> Self {
        Self {
            account,
            waiting: HashMap::new(),
        }
    }
}

impl Handler for Connection {
    type Error = russh::Error;

    async fn auth_publickey(&mut self, _user: &str, key: VerifiedPublicKey<'_>) -> Result<Auth, Self::Error> {
        let known = *key.public_key.key_data() == self.account.key;
        Ok(if known { Auth::Accept } else { Auth::reject() })
    }

    async fn channel_open_session(
        &mut self,
        channel: Channel<Msg>,
        reply: ChannelOpenHandle,
        _session: &mut Session,
    ) -> Result<(), Self::Error> {
        self.waiting.insert(channel.id(), channel);
        reply.accept().await;
        Ok(())
    }

    async fn exec_request(&mut self, id: ChannelId, command: &[u8], session: &mut Session) -> Result<(), Self::Error> {
        let Some(channel) = self.waiting.remove(&id) else {
            return session.channel_failure(id);
        };
        match start(&self.account, command) {
            Ok(child) => {
                session.channel_success(id)?;
                tokio::spawn(serve_command(channel, child));
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "demo server: run sh");
                session.channel_failure(id)
            }
        }
    }

    async fn subsystem_request(
        &mut self,
        id: ChannelId,
        _name: &str,
        session: &mut Session,
    ) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.waiting.remove(&id);
        Ok(())
    }
}

/// Starts `sh -c COMMAND` in a process group of its own, so that all of it can be killed.
fn start(account: &Account, command: &[u8]) -> std::io::Result<Child> {
    use std::os::unix::ffi::OsStrExt as _;
    Command::new("/bin/sh")
        .arg("-c")
        .arg(std::ffi::OsStr::from_bytes(command))
        .env_clear()
        .env("HOME", &account.home)
        .env("XDG_STATE_HOME", &account.state)
        .env("PATH", &account.path)
        .env("LANG", "C.UTF-8")
        .current_dir(&account.home)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .spawn()
}

/// Kills the whole process group when dropped: with the channel, the connection or the server.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Gone already is as good.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Carries a command's streams until it ended or the client closed the channel.
async fn serve_command(channel: Channel<Msg>, mut child: Child) {
    let group = Group(
        child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (from_client, to_client) = channel.split();

    let finish = async {
        let mut out = to_client.make_writer();
        let mut err = to_client.make_writer_ext(Some(STDERR));
        let copy_out = async { copy(stdout, &mut out).await };
        let copy_err = async { copy(stderr, &mut err).await };
        tokio::join!(copy_out, copy_err);
        let status = child.wait().await;
        report(&to_client, status.ok()).await;
    };
    tokio::select! {
        () = finish => {}
        () = feed(from_client, stdin) => {}
    }
    drop(group);
}

/// Copies a stream of the command to the client, no faster than the client's window allows. A client that is gone
/// ends it.
async fn copy<R: tokio::io::AsyncRead + Unpin>(from: Option<R>, to: &mut (impl tokio::io::AsyncWrite + Unpin)) {
    if let Some(mut from) = from {
        let _ = tokio::io::copy(&mut from, to).await;
    }
}

/// Tells the client that the command ended, in OpenSSH's order: end of output, status, close.
async fn report(to_client: &ChannelWriteHalf<Msg>, status: Option<ExitStatus>) {
    // 128 + the signal is what a shell makes of it.
    let code = status
        .and_then(|status| status.code().or_else(|| Some(128 + status.signal()?)))
        .unwrap_or(255);
    // A client that is gone needs no answer.
    let _ = to_client.eof().await;
    let _ = to_client.exit_status(u32::try_from(code).unwrap_or(255)).await;
    let _ = to_client.close().await;
}

/// Gives the client's input to the command; returns when the channel is closed.
///
/// The queue between has no limit: with one, a command that writes before it has read everything (`cat`) would block
/// this, this the connection, and the connection the command's output.
async fn feed(mut from_client: ChannelReadHalf, stdin: Option<ChildStdin>) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let mut sender = Some(sender);
    let read = async {
        while let Some(message) = from_client.wait().await {
            match message {
                // The command may have closed its input: what comes then is lost, as in a pipe.
                ChannelMsg::Data { data } => drop(sender.as_ref().map(|sender| sender.send(data))),
                ChannelMsg::Eof => drop(sender.take()),
                ChannelMsg::Close => break,
                _ => {}
            }
        }
    };
    let write = async {
        write_input(receiver, stdin).await;
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = read => {}
        () = write => {}
    }
}

async fn write_input(mut queue: mpsc::UnboundedReceiver<Bytes>, stdin: Option<ChildStdin>) {
    let Some(mut stdin) = stdin else { return };
    while let Some(data) = queue.recv().await {
        if stdin.write_all(&data).await.is_err() {
            return;
        }
    }
}
