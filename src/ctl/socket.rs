//! Where the daemon's socket is. The one thing that the client takes from the configuration: it has to find the daemon
//! wherever the daemon put itself.

use std::path::{Path, PathBuf};

use crate::config::{LoadOptions, find_socket};
use crate::control::types::{ErrorBody, ErrorCode};

/// What the flags say (`--socket`, else `--name`), else `MODSYNC_SOCKET`, else the pair's configuration, else the
/// default.
///
/// # Errors
/// When the name cannot be one.
pub(super) fn resolve(socket: Option<&Path>, name: Option<String>) -> Result<PathBuf, ErrorBody> {
    let options = LoadOptions {
        name,
        ..LoadOptions::default()
    };
    find_socket(socket, &options).map_err(|error| ErrorBody {
        code: ErrorCode::BadRequest,
        error: error.to_string(),
        hint: None,
    })
}
