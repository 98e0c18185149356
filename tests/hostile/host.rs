//! What answers at the server's address: another host, something that never speaks, something that never stops.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use modsync::ssh::{ConnectOptions, Connection};

use super::stage::{MEMORY, Stage, peak, refused};
use super::support::daemon::Daemon;
use super::support::sshd::Sshd;

/// What a door does with who comes in.
#[derive(Clone, Copy)]
enum Behind {
    /// Leads to an SSH server.
    Server(u16),
    /// Accepts and never speaks.
    Nobody,
    /// Says this again and again.
    Flood(&'static [u8]),
}

/// A port whose other side can be exchanged.
struct Door {
    port: u16,
    behind: Arc<Mutex<Behind>>,
    open: Arc<Mutex<Vec<TcpStream>>>,
}

impl Door {
    fn to(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let door = Self {
            port: listener.local_addr().unwrap().port(),
            behind: Arc::new(Mutex::new(Behind::Server(server))),
            open: Arc::default(),
        };
        let (behind, open) = (Arc::clone(&door.behind), Arc::clone(&door.open));
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                open.lock().unwrap().push(stream.try_clone().unwrap());
                let behind = *behind.lock().unwrap();
                std::thread::spawn(move || serve(stream, behind));
            }
        });
        door
    }

    /// From now on this is behind it; who is inside is thrown out.
    fn lead_to(&self, behind: Behind) {
        *self.behind.lock().unwrap() = behind;
        for stream in self.open.lock().unwrap().drain(..) {
            // Gone already: fine.
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
    }
}

fn serve(mut stream: TcpStream, behind: Behind) {
    match behind {
        Behind::Server(port) => {
            let Ok(mut server) = TcpStream::connect(SocketAddr::from(([127, 0, 0, 1], port))) else {
                return;
            };
            let (mut from, mut to) = (stream.try_clone().unwrap(), server.try_clone().unwrap());
            std::thread::spawn(move || {
                let _ = std::io::copy(&mut from, &mut to);
                let _ = to.shutdown(std::net::Shutdown::Both);
            });
            let _ = std::io::copy(&mut server, &mut stream);
            let _ = stream.shutdown(std::net::Shutdown::Both);
        }
        Behind::Nobody => drop(stream.read_to_end(&mut Vec::new())),
        Behind::Flood(text) => {
            let block = text.repeat(64 * 1024 / text.len());
            while stream.write_all(&block).is_ok() {}
        }
    }
}

/// In the life of one daemon: another host's key, then silence, then noise, then the right host again.
#[test]
fn whoever_answers_in_the_servers_place_gets_nothing() {
    let mut stage = Stage::new();
    let door = Door::to(stage.world.port);
    let server = stage.world.port;
    stage.world.port = door.port;
    let remote = "engine = \"sqlite3\"\nconnect_timeout = \"1s\"".to_owned();
    stage.world.settings.insert("remote", remote);
    let daemon = Daemon::start(&stage.world);
    daemon.sync(&[], 0);
    let honest = peak(&daemon);
    let impostor = Sshd::start();
    for (what, behind, code, words) in [
        ("another host", Behind::Server(impostor.port()), 4, "host key"),
        ("nobody", Behind::Nobody, 5, "no answer within 1 s"),
        (
            "a banner without end",
            Behind::Flood(b"Welcome to the server\r\n"),
            0,
            "exchange keys",
        ),
        ("a line without end", Behind::Flood(b"x"), 0, "exchange keys"),
        (
            "another protocol",
            Behind::Flood(b"HTTP/1.1 400 Bad Request\r\n\r\n"),
            0,
            "exchange keys",
        ),
        (
            "a packet without end",
            Behind::Flood(b"SSH-2.0-x\r\n\x7f\xff\xff\xff"),
            0,
            "exchange keys",
        ),
    ] {
        stage.change_both();
        let before = stage.files();
        door.lead_to(behind);
        // Noise is no SSH server, which a person must look at, or a line that broke: 0 stands for either.
        let code = if code == 0 {
            daemon.ctl(&["sync-now"]).code
        } else {
            code
        };
        assert!([4, 5].contains(&code), "{what}: {code}");
        let error = refused(&daemon, code, what);
        assert!(error.contains(words), "{what}: {error}");
        assert!(stage.files() == before, "{what}: a database was written");
        door.lead_to(Behind::Server(server));
        daemon.sync(&[], 0);
        stage.world.assert_equal();
    }
    assert!(!impostor.log().contains("Accepted"), "{}", impostor.log());
    let peak = peak(&daemon);
    assert!(peak < honest + MEMORY, "{peak} KiB, {honest} KiB in honest work");
}

/// A server that lets a client in and then says nothing more: each step of reaching it has a limit.
#[tokio::test]
async fn a_server_that_falls_silent_after_the_login_is_given_up() {
    let server = Sshd::start();
    let mut target = server.target();
    target.connect_timeout = Duration::from_secs(1);
    let connection = Connection::open(&target, &ConnectOptions::default()).await.unwrap();
    server.signal_sessions("STOP");
    let began = Instant::now();
    let error = connection.sftp().await.err().map(|error| error.to_string());
    server.signal_sessions("CONT");
    assert!(error.is_some_and(|error| error.contains("within 1 s")));
    assert!(began.elapsed() < Duration::from_secs(20));
}
