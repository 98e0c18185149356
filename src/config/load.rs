//! Loads a configuration: defaults, over them the file, the environment and the command line.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::layers::{Layers, Source};
use super::mistake::{ConfigErrors, Mistake, Origin};
use super::reader::Reader;
use super::{Config, Environment, Places, build, tables};

/// Which configuration to load, and what overrides it.
#[derive(Clone, Debug)]
pub struct LoadOptions {
    /// The file (`--config`); else `MODSYNC_CONFIG`, else the default one of the pair.
    pub file: Option<PathBuf>,
    /// The pair's name (`--name`); else `MODSYNC_NAME`.
    pub name: Option<String>,
    /// Whether a system service is meant: /etc/modsync and /var/lib/modsync.
    pub system: bool,
    /// Dotted keys and values that override everything else, the last one of a key winning.
    pub overrides: Vec<(String, String)>,
    /// Variables and the home folder.
    pub environment: Environment,
}

impl Default for LoadOptions {
    /// The default file with this process's environment.
    fn default() -> Self {
        let environment = Environment::of_process();
        Self {
            file: None,
            name: None,
            system: false,
            overrides: Vec::new(),
            environment,
        }
    }
}

/// A configuration with what was noticed while it was loaded.
#[derive(Clone, Debug)]
pub struct Loaded {
    /// What is in effect.
    pub config: Config,
    /// The file, its place and name; it may be missing when the environment and the command line say enough.
    pub places: Places,
    /// Whether the file was there.
    pub from_file: bool,
    /// What is odd, but no reason not to start; one sentence each, for people.
    pub warnings: Vec<String>,
}

/// Loads and checks a configuration.
///
/// # Errors
/// Every mistake, not only the first one.
pub fn load(options: &LoadOptions) -> Result<Config, ConfigErrors> {
    load_noting(options).map(|loaded| loaded.config)
}

/// Loads and checks a configuration, and tells beside it what is odd. The daemon logs that once it has a log.
///
/// # Errors
/// Every mistake, not only the first one.
pub fn load_noting(options: &LoadOptions) -> Result<Loaded, ConfigErrors> {
    let places = options.places()?;
    let (text, file_warnings) = read_file(&places.file, options.is_explicit())?;
    let mut loaded = of_text(options, places, text.as_deref())?;
    loaded.warnings.splice(0..0, file_warnings);
    Ok(loaded)
}

/// Checks the text of a configuration that is to stand at these places, `None` for no file, with the environment and the
/// command line over it.
///
/// # Errors
/// Every mistake, not only the first one.
pub fn of_text(options: &LoadOptions, places: Places, text: Option<&str>) -> Result<Loaded, ConfigErrors> {
    let environment = &options.environment;
    let (mut reader, declared) = gather(options, &places.file, text);
    let local = build::local(&mut reader, environment);
    let remote = build::remote(&mut reader, environment);
    let sync = build::sync(&mut reader);
    let safety = build::safety(&mut reader);
    let backup = build::backup(&mut reader);
    let history = build::history(&mut reader);
    let daemon = build::daemon(&mut reader, environment, &places);
    let log = build::log(&mut reader);
    reader.refuse_the_rest();
    if text.is_none() && (local.is_none() || remote.is_none()) {
        reader.mistakes.insert(0, no_file(&places.file));
    }
    match (local, remote) {
        (Some(local), Some(remote)) if reader.mistakes.is_empty() => {
            let config = Config {
                local,
                remote,
                sync,
                safety,
                backup,
                history,
                tables: declared,
                daemon,
                log,
            };
            Ok(Loaded {
                config,
                places,
                from_file: text.is_some(),
                warnings: reader.warnings,
            })
        }
        _ => {
            reader.mistakes.sort_by_key(|mistake| rank(&mistake.origin));
            Err(ConfigErrors {
                mistakes: reader.mistakes,
            })
        }
    }
}

/// Finds the socket of a pair's daemon as its user expects: the one that is named, else, unless the pair is named,
/// `MODSYNC_SOCKET`, else what
/// the configuration says if it can be read (its mistakes do not matter here), else the default.
///
/// # Errors
/// When the pair's name cannot be one.
pub fn find_socket(flag: Option<&Path>, options: &LoadOptions) -> Result<PathBuf, ConfigErrors> {
    let environment = &options.environment;
    let variable = environment.get("MODSYNC_SOCKET").filter(|_| options.name.is_none());
    if let Some(socket) = flag.map(Path::to_owned).or_else(|| variable.map(PathBuf::from)) {
        return Ok(socket);
    }
    let places = options.places()?;
    let text = std::fs::read_to_string(&places.file).ok();
    let (mut reader, _) = gather(options, &places.file, text.as_deref());
    Ok(build::daemon(&mut reader, environment, &places).socket)
}

impl LoadOptions {
    /// The pair's places, by the options and the `MODSYNC_CONFIG` and `MODSYNC_NAME` variables.
    ///
    /// # Errors
    /// When the name cannot be one.
    pub fn places(&self) -> Result<Places, ConfigErrors> {
        let file = self
            .file
            .as_deref()
            .or_else(|| self.environment.get("MODSYNC_CONFIG").map(Path::new));
        let name = self.name.as_deref().or_else(|| self.environment.get("MODSYNC_NAME"));
        Places::find(&self.environment, file, name, self.system).map_err(|message| {
            let origin = match self.name {
                Some(_) => Origin::Override,
                None => Origin::Variable("MODSYNC_NAME".to_owned()),
            };
            ConfigErrors {
                mistakes: vec![Mistake {
                    origin,
                    key: None,
                    message,
                    suggestion: None,
                }],
            }
        })
    }

    /// Whether the file was named: then it has to be there.
    fn is_explicit(&self) -> bool {
        self.file.is_some() || self.environment.get("MODSYNC_CONFIG").is_some()
    }
}

/// Puts the layers together, and reads the part that only the file has.
fn gather(options: &LoadOptions, file: &Path, text: Option<&str>) -> (Reader, Vec<super::TableConfig>) {
    let mut layers = Layers::default();
    let mut declared = Vec::new();
    if let Some(text) = text {
        let source = Source { file, text };
        layers.add_file(&source);
        if let Some((item, origin)) = layers.tables.take() {
            declared = tables::read(&item, origin, &source, &mut layers.mistakes);
        }
    }
    let broken = layers.mistakes.iter().any(|mistake| mistake.key.is_none());
    layers.add_environment(&options.environment);
    layers.add_overrides(&options.overrides);
    // Of a file that is broken, or that nobody wrote yet, it is of no use to say what is missing in it.
    let unreadable = broken || (text.is_none() && layers.entries.is_empty());
    let whole = Origin::File(file.to_owned());
    (
        Reader::new(layers.entries, whole, layers.mistakes, unreadable),
        declared,
    )
}

/// The file's text, `None` if it is not there and need not be.
fn read_file(file: &Path, explicit: bool) -> Result<(Option<String>, Vec<String>), ConfigErrors> {
    let text = match std::fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == std::io::ErrorKind::NotFound && !explicit => return Ok((None, Vec::new())),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(ConfigErrors {
                mistakes: vec![no_file(file)],
            });
        }
        Err(error) => {
            let message = format!("cannot be read: {error}");
            let origin = Origin::File(file.to_owned());
            return Err(ConfigErrors {
                mistakes: vec![Mistake {
                    origin,
                    key: None,
                    message,
                    suggestion: None,
                }],
            });
        }
    };
    let mut warnings = Vec::new();
    if std::fs::metadata(file).is_ok_and(|metadata| metadata.mode() & 0o002 != 0) {
        warnings.push(format!(
            "{} may be written by anybody, and it names commands that modsync runs: chmod go-w it",
            file.display()
        ));
    }
    Ok((Some(text), warnings))
}

fn no_file(file: &Path) -> Mistake {
    let message = "there is no such file: `modsyncd init` writes one".to_owned();
    Mistake {
        origin: Origin::File(file.to_owned()),
        key: None,
        message,
        suggestion: None,
    }
}

/// The order of the mistakes: the file as a whole, its lines, the environment, the command line.
fn rank(origin: &Origin) -> (u8, usize, usize) {
    match origin {
        Origin::File(_) => (0, 0, 0),
        Origin::Place { line, column, .. } => (1, *line, *column),
        Origin::Variable(_) => (2, 0, 0),
        Origin::Override => (3, 0, 0),
    }
}
