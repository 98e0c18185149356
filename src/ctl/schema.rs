//! Additions to a schema, a line each.

use super::text;
use crate::control::types::{SchemaMove, Side};

/// "column products.note, on the server": what was carried over, or would be.
pub(super) fn lines(schema: &[SchemaMove]) -> impl Iterator<Item = String> + '_ {
    schema.iter().map(|moved| {
        let side = match moved.side {
            Side::Local => "laptop",
            Side::Server => "server",
        };
        format!("  {} {}, on the {side}", moved.kind, text::safe(&moved.name))
    })
}
