//! How a cycle reaches the two databases: the one place where it meets a file or a network.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::CycleError;
use super::pair::BUSY;
use crate::config::{self, Config};
use crate::replica::sqlite::OpenMode;
use crate::replica::{LocalSql, Sql, SqlError};
use crate::ssh::{ConnectOptions, Connection, Link};

/// Opens the laptop's database and the way to the server. [`OverSsh`] is the real one; a trial puts faults between.
pub trait Reach: Send + Sync {
    /// Opens the laptop's database, which is there.
    ///
    /// # Errors
    /// What SQLite says.
    fn open_local<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Box<dyn Sql>, SqlError>>;

    /// Connects to the server.
    ///
    /// # Errors
    /// When the server cannot be reached, or a person has to look at a key or a setting.
    fn dial<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Result<Arc<dyn Link>, CycleError>>;
}

/// The laptop's file by SQLite in this process, the server by SSH.
#[derive(Clone, Copy, Debug)]
pub struct OverSsh;

impl Reach for OverSsh {
    fn open_local<'a>(&'a self, path: &'a Path) -> BoxFuture<'a, Result<Box<dyn Sql>, SqlError>> {
        Box::pin(async move {
            let sql = LocalSql::open(path, OpenMode::ReadWrite, BUSY).await?;
            Ok(Box::new(sql) as Box<dyn Sql>)
        })
    }

    fn dial<'a>(&'a self, config: &'a Config) -> BoxFuture<'a, Result<Arc<dyn Link>, CycleError>> {
        Box::pin(async move {
            let environment = config::Environment::of_process();
            let user = environment.get("USER").unwrap_or("root").to_owned();
            let target = config::ssh_config::resolve(&config.remote, environment.home(), &user)
                .map_err(|error| CycleError::attention(error.to_string(), "run `modsyncd check-config`"))?;
            let connection = Connection::open(&target, &ConnectOptions::default()).await?;
            Ok(Arc::new(connection) as Arc<dyn Link>)
        })
    }
}
