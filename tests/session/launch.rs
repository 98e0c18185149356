//! Finding the database and an engine, whatever the path and the server look like.

use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, symlink};
use std::path::Path;

use modsync::config::EngineChoice::{self, Auto, Modsyncd, Php, Python3, Sftp, Sqlite3};
use modsync::replica::SqlErrorKind;
use modsync::ssh::{DatabaseState, Hello, Session, SessionError};
use rstest::rstest;

use super::support::local_transport::LocalTransport;
use super::{Server, create, look, options, run};

async fn works(server: &Server, database: &Path, engine: EngineChoice) -> Hello {
    let (mut session, hello) = Session::open(&server.transport, &options(database, engine))
        .await
        .unwrap();
    assert!(!look(&mut session).await.1, "{database:?}");
    run(&mut session, &["INSERT INTO t VALUES(NULL,1);"]).await.unwrap();
    assert_eq!(Path::new(&hello.database), database.canonicalize().unwrap());
    hello
}

#[rstest]
#[tokio::test]
async fn paths_are_never_read_as_anything_else(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let names = [
        "with space.db",
        "it's \"quoted\" `id` $(id) $HOME.db",
        "a?mode=memory&b.db",
        "100%20#1;x.db",
        "back\\slash\\0101!!.db",
        "two\nlines\n",
        "-init",
        "\u{fc}\u{1f600}.db",
        "*[a-z]~",
        ":memory:",
        "folder with 'all' of\n?%#/products.db",
    ];
    for name in names {
        let database = server.home.path().join(name);
        std::fs::create_dir_all(database.parent().unwrap()).unwrap();
        create(&database);
        works(&server, &database, engine).await;
    }
}

#[rstest]
#[tokio::test]
async fn links_lead_to_the_file(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let home = server.home.path();
    std::fs::create_dir(home.join("real folder")).unwrap();
    create(&home.join("real folder/db"));
    symlink("real folder", home.join("folder")).unwrap();
    symlink("folder/../folder/db", home.join("first")).unwrap();
    symlink(home.join("first"), home.join("second\n")).unwrap();
    for link in ["folder/db", "first", "second\n"] {
        works(&server, &home.join(link), engine).await;
    }
}

#[tokio::test]
async fn the_hello_describes_the_server() {
    let server = Server::new();
    std::fs::set_permissions(&server.database, std::fs::Permissions::from_mode(0o640)).unwrap();
    let hello = works(&server, &server.database, Auto).await;
    let metadata = server.database.metadata().unwrap();
    let file = hello.file.unwrap();
    assert_eq!((file.device, file.inode), (metadata.dev(), metadata.ino()));
    assert_eq!(
        (file.uid, file.gid, file.mode, file.writable),
        (metadata.uid(), metadata.gid(), 0o640, true)
    );
    assert_eq!(
        hello.folder.unwrap().inode,
        server.home.path().metadata().unwrap().ino()
    );
    assert_eq!((hello.state, hello.uid), (DatabaseState::Present, metadata.uid()));
    assert_eq!(Path::new(&hello.home), server.home.path());
    assert_eq!(hello.engine.unwrap().name, "sqlite3");

    let sidecar = server.home.path().join(".local/state/modsync/base-laptop.db");
    assert_eq!(Path::new(&hello.sidecar), sidecar);
    assert_eq!(sidecar.metadata().unwrap().mode() & 0o777, 0o600);
    assert_eq!(sidecar.parent().unwrap().metadata().unwrap().mode() & 0o777, 0o700);
}

#[rstest]
#[tokio::test]
async fn the_sidecar_can_be_attached(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let (mut session, hello) = server.open(engine).await.unwrap();
    let attach = format!("ATTACH '{}' AS base;", hello.sidecar);
    run(
        &mut session,
        &[&attach, "CREATE TABLE base.b(x); INSERT INTO base.b VALUES(1);"],
    )
    .await
    .unwrap();
    let attached = rusqlite::Connection::open(&hello.sidecar).unwrap();
    assert_eq!(
        attached
            .query_row("SELECT x FROM b", [], |row| row.get::<_, i64>(0))
            .unwrap(),
        1
    );
}

/// The site's own user has to go on writing them.
#[rstest]
#[tokio::test]
async fn files_beside_the_database_have_its_permissions(
    #[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice,
) {
    let server = Server::new();
    server
        .other()
        .query_row("PRAGMA journal_mode=WAL", [], |_| Ok(()))
        .unwrap();
    std::fs::set_permissions(&server.database, std::fs::Permissions::from_mode(0o664)).unwrap();
    let mut session = server.session(engine).await;
    run(&mut session, &["INSERT INTO t VALUES(1,1);"]).await.unwrap();
    for end in ["-wal", "-shm"] {
        let file = server.home.path().join(format!("products.db{end}"));
        assert_eq!(file.metadata().unwrap().mode() & 0o777, 0o664, "{end}");
    }
}

#[rstest]
#[tokio::test]
async fn a_look_shows_what_others_do(#[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice) {
    let server = Server::new();
    let mut session = server.session(engine).await;
    let (first, _) = look(&mut session).await;
    run(&mut session, &["INSERT INTO t VALUES(1,1);"]).await.unwrap();
    assert_eq!(look(&mut session).await, (first.clone(), false), "own write");
    server.other().execute_batch("INSERT INTO t VALUES(2,2);").unwrap();
    let (second, moved) = look(&mut session).await;
    assert!(second != first && !moved, "another program's write");
    let new = server.home.path().join("new.db");
    create(&new);
    std::fs::rename(&new, &server.database).unwrap();
    assert!(look(&mut session).await.1, "replaced");

    let mut session = server.session(engine).await;
    std::fs::remove_file(&server.database).unwrap();
    assert!(look(&mut session).await.1, "removed");
}

/// As a deployment does it: the new file is there, and then a link leads to it.
#[rstest]
#[tokio::test]
async fn a_look_shows_that_a_link_leads_elsewhere(
    #[values(Sqlite3, Python3, Php, Modsyncd)] engine: EngineChoice,
    #[values("it's one.db", "current/data.db", "again/../again/data.db")] named: &str,
) {
    let server = Server::new();
    let home = server.home.path();
    for release in ["1", "2"] {
        std::fs::create_dir(home.join(release)).unwrap();
        create(&home.join(release).join("data.db"));
    }
    let links = [("it's one.db", "/data.db"), ("current", ""), ("again", "")];
    for (link, file) in links {
        symlink(format!("1{file}"), home.join(link)).unwrap();
    }
    let options = options(&home.join(named), engine);
    let (mut session, hello) = Session::open(&server.transport, &options).await.unwrap();
    assert!(hello.database.ends_with("/1/data.db"), "{}", hello.database);
    assert!(!look(&mut session).await.1);
    for (link, file) in links {
        symlink(format!("2{file}"), home.join("new")).unwrap();
        std::fs::rename(home.join("new"), home.join(link)).unwrap();
    }
    assert!(look(&mut session).await.1, "{named} leads elsewhere");
}

fn no_database(result: Result<(Session, Hello), SessionError>) -> (Hello, String) {
    match result.err().unwrap() {
        SessionError::NoDatabase { hello, message } => (*hello, message),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_missing_database_is_not_made() {
    let server = Server::new();
    for missing in ["none.db", "no/such/folder.db", "products.db/below"] {
        let path = server.home.path().join(missing);
        let (hello, message) = no_database(Session::open(&server.transport, &options(&path, Auto)).await);
        assert_eq!(hello.state, DatabaseState::Missing, "{message}");
        assert!(message.contains(missing), "{message}");
        assert!(!path.exists(), "{missing}");
    }
    let (hello, message) = no_database(Session::open(&server.transport, &options(server.home.path(), Auto)).await);
    assert_eq!(hello.state, DatabaseState::NotAFile, "{message}");
}

/// It may vanish after the script has looked: the engine's own limit has to hold.
#[rstest]
#[tokio::test]
async fn a_database_that_vanishes_is_not_made(
    #[values((Sqlite3, "sqlite3"), (Python3, "python3"), (Php, "php"), (Modsyncd, "modsyncd"))] engine: (
        EngineChoice,
        &str,
    ),
) {
    let wrapper = format!(
        "if [ -e $HOME/tried ]; then rm -f $HOME/products.db; fi\n: >$HOME/tried\nPATH=${{PATH#*:}} exec {} \"$@\"",
        engine.1
    );
    let server = Server::new().fake(engine.1, &wrapper);
    let error = match server.open(engine.0).await {
        Err(SessionError::Sql(error)) => error,
        other => panic!("{:?}", other.map(|(_, hello)| hello)),
    };
    assert_eq!(error.kind, SqlErrorKind::CannotOpen, "{error}");
    assert!(!server.database.exists());
}

#[tokio::test]
async fn permissions_are_told_apart_from_absence() {
    let server = Server::with(LocalTransport::default().by_nobody());
    let mode = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    mode(server.home.path(), 0o755);
    mode(&server.database, 0o000);
    let (hello, message) = no_database(server.open(Auto).await);
    assert_eq!(hello.state, DatabaseState::Unreadable, "{message}");
    mode(&server.database, 0o644);
    let closed = server.home.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    create(&closed.join("x.db"));
    mode(&closed, 0o000);
    let (hello, message) = no_database(Session::open(&server.transport, &options(&closed.join("x.db"), Auto)).await);
    assert_eq!(hello.state, DatabaseState::Denied, "{message}");
    mode(&closed, 0o755);
}

fn setup_error(result: Result<(Session, Hello), SessionError>) -> String {
    match result.err().unwrap() {
        SessionError::Setup { message, .. } => message,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn the_first_engine_that_works_is_taken() {
    let server = Server::new().fake("sqlite3", "echo Error: no such function: ieee754_to_blob >&2; exit 1");
    let hello = works(&server, &server.database, Auto).await;
    assert_eq!(hello.engine.unwrap().name, "python3");
    assert_eq!(hello.unusable.first().unwrap().0, "sqlite3");
    let server = server.fake("python3", "exit 1");
    assert_eq!(works(&server, &server.database, Auto).await.engine.unwrap().name, "php");
    let server = server.fake("php", "exit 1");
    assert_eq!(
        works(&server, &server.database, Auto).await.engine.unwrap().name,
        "modsyncd"
    );
    let server = server.fake("modsyncd", "exit 1");
    let message = setup_error(server.open(Auto).await);
    for engine in ["sqlite3", "python3", "php", "modsyncd"] {
        assert!(message.contains(engine), "{message}");
    }
}

#[tokio::test]
async fn a_chosen_engine_that_does_not_work_is_named() {
    let server = Server::new().fake("php", "exit 1");
    let message = setup_error(server.open(Php).await);
    assert!(
        message.contains("php") && message.contains("pdo_sqlite") && !message.contains("python3"),
        "{message}"
    );
    setup_error(server.open(Sftp).await);
}

#[tokio::test]
async fn a_server_without_a_shell_is_quoted() {
    let refusal = "echo 'This service allows sftp connections only.'; exit 1";
    let server = Server::with(LocalTransport::default().before(refusal));
    let message = setup_error(server.open(Auto).await);
    assert!(
        message.contains("This service allows sftp connections only.") && message.contains("engine"),
        "{message}"
    );
}

#[tokio::test]
async fn a_state_folder_that_cannot_be_made_is_named() {
    let server = Server::new();
    let transport = LocalTransport::default()
        .env("HOME", "/dev/null")
        .env("XDG_STATE_HOME", "");
    let message = setup_error(Session::open(&transport, &options(&server.database, Auto)).await);
    assert!(message.contains("/dev/null/.local/state/modsync"), "{message}");
}
