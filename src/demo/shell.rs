//! One connection of the demo server: who may come in, and the commands that run.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
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

/// Where systems have OpenSSH's SFTP server: Debian, Fedora, Arch, macOS.
const SFTP_SERVERS: [&str; 4] = [
    "/usr/lib/openssh/sftp-server",
    "/usr/libexec/openssh/sftp-server",
    "/usr/lib/ssh/sftp-server",
    "/usr/libexec/sftp-server",
];

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

impl Account {
    /// Starts a program in a process group of its own, so that it can be killed with all that it starts.
    fn start(&self, program: &mut Command) -> io::Result<Child> {
        program
            .env_clear()
            .env("HOME", &self.home)
            .env("XDG_STATE_HOME", &self.state)
            .env("PATH", &self.path)
            .env("LANG", "C.UTF-8")
            .current_dir(&self.home)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .spawn()
    }
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

    /// Runs a program on a channel, as the account.
    fn run(&mut self, id: ChannelId, mut program: Command, session: &mut Session) -> Result<(), russh::Error> {
        let Some(channel) = self.waiting.remove(&id) else {
            return session.channel_failure(id);
        };
        match self.account.start(&mut program) {
            Ok(child) => {
                session.channel_success(id)?;
                tokio::spawn(serve_program(channel, child));
                Ok(())
            }
            Err(error) => {
                tracing::debug!(%error, "demo server: start a program");
                session.channel_failure(id)
            }
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
        let mut shell = Command::new("/bin/sh");
        shell.arg("-c").arg(OsStr::from_bytes(command));
        self.run(id, shell, session)
    }

    /// `sftp` alone, by OpenSSH's server for it. A process of its own, and not code in this one: reading a database file
    /// by hand in a process that has it open through SQLite drops SQLite's locks (POSIX), and the demo has it open.
    async fn subsystem_request(&mut self, id: ChannelId, name: &str, session: &mut Session) -> Result<(), Self::Error> {
        match SFTP_SERVERS
            .iter()
            .find(|path| name == "sftp" && Path::new(path).exists())
        {
            Some(program) => self.run(id, Command::new(program), session),
            None => session.channel_failure(id),
        }
    }

    async fn shell_request(&mut self, id: ChannelId, session: &mut Session) -> Result<(), Self::Error> {
        session.channel_failure(id)
    }

    async fn channel_close(&mut self, id: ChannelId, _session: &mut Session) -> Result<(), Self::Error> {
        self.waiting.remove(&id);
        Ok(())
    }
}

/// Kills the whole process group when dropped: with the channel, the connection or the server. Emptied when the program
/// ended by itself: what it left running is left alone, as sshd does, and its number may be another's by then.
struct Group(Option<rustix::process::Pid>);

impl Drop for Group {
    fn drop(&mut self) {
        if let Some(pid) = self.0 {
            // Gone already is as good.
            let _ = rustix::process::kill_process_group(pid, rustix::process::Signal::KILL);
        }
    }
}

/// Carries a program's streams until it ended or the client closed the channel.
async fn serve_program(channel: Channel<Msg>, mut child: Child) {
    let mut group = Group(
        child
            .id()
            .and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).ok()?)),
    );
    let (stdin, stdout, stderr) = (child.stdin.take(), child.stdout.take(), child.stderr.take());
    let (from_client, to_client) = channel.split();

    let finish = async {
        let mut out = to_client.make_writer();
        let mut err = to_client.make_writer_ext(Some(STDERR));
        tokio::join!(copy(stdout, &mut out), copy(stderr, &mut err));
        let status = child.wait().await;
        report(&to_client, status.ok()).await;
    };
    tokio::select! {
        () = finish => group.0 = None,
        () = feed(from_client, stdin) => {}
    }
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
