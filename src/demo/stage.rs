//! What the story is played on: a folder, two databases, an SSH server, the daemon.

use std::path::{Path, PathBuf};

use toml_edit::{DocumentMut, value};

use super::data;
use super::error::DemoError;
use super::hand::Hand;
use super::resident::Resident;
use super::server::{DemoServer, Options};

/// Products in each database at the beginning: enough to look real, few enough to be quick.
const PRODUCTS: usize = 200;

/// The stage. Dropping it ends the daemon, then the server, and removes the folder unless it is kept.
pub(super) struct Stage {
    /// The daemon, on the laptop.
    pub daemon: Resident,
    server: Option<DemoServer>,
    port: u16,
    /// The laptop's own programs.
    pub laptop: Hand,
    /// The website, to which the phone speaks.
    pub site: Hand,
    /// Where everything is.
    pub places: Places,
    folder: tempfile::TempDir,
}

/// The paths of the stage.
#[derive(Clone, Debug)]
pub(super) struct Places {
    root: PathBuf,
    /// This program: the daemon, and on the server the engine.
    program: PathBuf,
}

impl Stage {
    /// Sets everything up and starts it. The databases are alike.
    pub async fn set(keep: bool) -> Result<Self, DemoError> {
        let program = std::env::current_exe().map_err(DemoError::file("find", "this program"))?;
        let folder = tempfile::Builder::new()
            .prefix("modsync-demo-")
            .tempdir()
            .map_err(DemoError::file("make a folder in", std::env::temp_dir()))?;
        // The server sees the path without links, and what it says should read like what the story says.
        let root = folder
            .path()
            .canonicalize()
            .map_err(DemoError::file("find", folder.path()))?;
        let places = Places { root, program };

        for folder in [places.laptop(), places.site(), places.bin()] {
            std::fs::create_dir_all(&folder).map_err(DemoError::file("make the folder", folder))?;
        }
        let link = places.bin().join("modsyncd");
        std::os::unix::fs::symlink(&places.program, &link).map_err(DemoError::file("link", link))?;
        for (path, side) in [(places.laptop_database(), "laptop"), (places.site_database(), "server")] {
            let action = format!("make the {side}'s database");
            data::create(&path, PRODUCTS).map_err(DemoError::database(action))?;
        }
        let server = places.server(0)?;
        places.write_config(&server)?;
        let (config, socket) = (places.config(), places.socket());
        let complaints = places.laptop().join("modsyncd.stderr");
        let mut stage = Self {
            daemon: Resident::start(&places.program, &config, &socket, &complaints).await?,
            port: server.port(),
            server: Some(server),
            laptop: Hand::open(&places.laptop_database(), "laptop")?,
            site: Hand::open(&places.site_database(), "server")?,
            places,
            folder,
        };
        // Only now: a stage that could not be set has nothing to show.
        stage.folder.disable_cleanup(keep);
        Ok(stage)
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Cuts the line: the server is gone, with every connection and every engine.
    pub fn cut_the_line(&mut self) {
        self.server = None;
    }

    /// The server comes back, as the same host on the same port.
    pub fn restore_the_line(&mut self) -> Result<(), DemoError> {
        self.server = Some(self.places.server(self.port)?);
        Ok(())
    }

    /// Both sides by name.
    pub fn sides(&self) -> super::tally::Sides<'_> {
        [("laptop", &self.laptop.conn), ("server", &self.site.conn)]
    }

    /// Ends the daemon as a service manager does, and then everything else.
    ///
    /// # Errors
    /// When the daemon does not end, or does not end well.
    pub fn close(self) -> Result<(), DemoError> {
        self.daemon.end()
    }
}

impl Places {
    /// The laptop's database.
    pub fn laptop_database(&self) -> PathBuf {
        self.laptop().join("products.db")
    }

    /// The server's database.
    pub fn site_database(&self) -> PathBuf {
        self.site().join("products.db")
    }

    /// The daemon's control socket.
    pub fn socket(&self) -> PathBuf {
        self.laptop().join("modsyncd.sock")
    }

    /// The folder of the daemon's logs.
    pub fn logs(&self) -> PathBuf {
        self.laptop().join("state/logs")
    }

    /// How to call the client: with its path where it lies beside this program, as after `cargo build`.
    pub fn client(&self) -> String {
        let path = self.program.with_file_name("modsyncctl");
        match path.is_file() {
            true => path.display().to_string(),
            false => "modsyncctl".to_owned(),
        }
    }

    fn laptop(&self) -> PathBuf {
        self.root.join("laptop")
    }

    fn site(&self) -> PathBuf {
        self.root.join("server")
    }

    fn bin(&self) -> PathBuf {
        self.site().join("bin")
    }

    fn config(&self) -> PathBuf {
        self.laptop().join("config.toml")
    }

    /// Starts the server on that port, 0 for any. Commands there find this program as `modsyncd`, so the demo needs
    /// neither sqlite3 nor Python nor PHP.
    fn server(&self, port: u16) -> Result<DemoServer, DemoError> {
        let usual = std::env::var_os("PATH").unwrap_or_else(|| "/usr/local/bin:/usr/bin:/bin".into());
        let folders = std::iter::once(self.bin()).chain(std::env::split_paths(&usual));
        let path = std::env::join_paths(folders).map_err(|cause| DemoError::File {
            action: "put into PATH the folder",
            path: self.bin(),
            cause: std::io::Error::other(cause),
        })?;
        let options = Options {
            keys: self.root.join("keys"),
            home: self.site().join("home"),
            path,
            port,
        };
        DemoServer::start(options).map_err(DemoError::Server)
    }

    /// The config of the daemon: quicker than usual, and nothing of this machine's own ssh settings.
    fn write_config(&self, server: &DemoServer) -> Result<(), DemoError> {
        let ssh_config = self.laptop().join("ssh_config");
        std::fs::write(&ssh_config, "").map_err(DemoError::file("write", &ssh_config))?;
        // In local paths a dollar sign begins a variable's name, and two of them are one.
        let local = |path: &Path| value(path.display().to_string().replace('$', "$$"));
        let mut text = DocumentMut::new();
        for (section, key, item) in [
            ("local", "database", local(&self.laptop_database())),
            ("remote", "host", value("127.0.0.1")),
            ("remote", "port", value(i64::from(server.port()))),
            ("remote", "user", value("site")),
            ("remote", "identity_file", local(&server.client_key())),
            ("remote", "known_hosts", local(&server.known_hosts())),
            ("remote", "ssh_config", local(&ssh_config)),
            ("remote", "database", value(self.site_database().display().to_string())),
            ("remote", "engine", value("modsyncd")),
            ("sync", "debounce", value("200ms")),
            ("sync", "poll", value("500ms")),
            ("sync", "schedule", value("off")),
            ("daemon", "state_dir", local(&self.laptop().join("state"))),
            ("daemon", "socket", local(&self.socket())),
        ] {
            let table = text.entry(section).or_insert_with(toml_edit::table);
            if let Some(table) = table.as_table_mut() {
                table.insert(key, item);
            }
        }
        let path = self.config();
        std::fs::write(&path, text.to_string()).map_err(DemoError::file("write", &path))
    }
}
