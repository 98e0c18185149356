//! What the rows of a cycle come to by themselves, to tell them from what is sent beside them.

use std::io::Write as _;

use flate2::Compression;
use flate2::write::ZlibEncoder;
use rusqlite::Connection;

use super::world::rows;

/// The values that a cycle has to move: cells of what the phone reviewed, whole rows of what the laptop added. Each from a
/// database that has them.
pub fn reviewed_and_added(server: &Connection, reviewed: &[String], laptop: &Connection, added: &[String]) -> String {
    let list = |urls: &[String]| urls.iter().map(|url| format!("'{url}'")).collect::<Vec<_>>().join(",");
    let (reviewed, added) = (list(reviewed), list(added));
    let of_server = [
        format!(
            "SELECT url,lifecycle_stage,assessed_at,modesty_status,shopify_status,assessment_status FROM products \
             WHERE url IN ({reviewed})"
        ),
        format!(
            "SELECT product_url,review_type,status,review_decision,reviewed_at,reviewed_by,reviewer_notes \
             FROM assessment_queue WHERE product_url IN ({reviewed})"
        ),
    ];
    let of_laptop = [
        format!("SELECT * FROM products WHERE url IN ({added})"),
        format!("SELECT * FROM assessment_queue WHERE product_url IN ({added})"),
    ];
    let of_server = of_server.map(|query| rows(server, &query).join("\n"));
    let of_laptop = of_laptop.map(|query| rows(laptop, &query).join("\n"));
    [of_server, of_laptop].concat().join("\n")
}

/// How many bytes a text takes when it is compressed.
pub fn compressed(text: &str) -> u64 {
    let mut zlib = ZlibEncoder::new(Vec::new(), Compression::default());
    zlib.write_all(text.as_bytes()).unwrap();
    zlib.finish().unwrap().len() as u64
}
