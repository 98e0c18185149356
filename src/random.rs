//! Names that nobody can foresee.

use std::io::Read as _;

use crate::model::to_hex;

/// 128 random bits in hexadecimal digits.
///
/// # Errors
/// When the system's random bytes cannot be read.
pub(crate) fn name() -> std::io::Result<String> {
    let mut bytes = [0; 16];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut bytes)?;
    Ok(to_hex(&bytes))
}
