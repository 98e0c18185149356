use super::*;

/// A history with the name of a client, of which every page but the first is zeros.
fn damaged_file(folder: &Path) -> PathBuf {
    let path = folder.join("history.db");
    let connection = connect(&path).unwrap();
    let connection = keep_client(connection, Some("0123456789abcdef0123456789abcdef".to_owned())).unwrap();
    connection.execute_batch("PRAGMA journal_mode=DELETE").unwrap();
    drop(connection);
    let mut bytes = std::fs::read(&path).unwrap();
    bytes[4096..].fill(0);
    std::fs::write(&path, bytes).unwrap();
    path
}

#[tokio::test]
async fn a_damaged_history_is_kept_and_made_anew() {
    let folder = tempfile::tempdir().unwrap();
    let path = damaged_file(folder.path());
    let (history, told) = History::open(&path).unwrap();
    assert!(told.unwrap().contains("history.db.damaged-"));
    assert_eq!(history.unseen_conflicts().await.unwrap(), 0);
    assert_eq!(history.renew_if_damaged().unwrap(), None);
}

#[tokio::test]
async fn so_is_one_that_was_damaged_while_it_was_open() {
    let folder = tempfile::tempdir().unwrap();
    let (history, told) = History::open(&folder.path().join("history.db")).unwrap();
    assert_eq!(told, None);
    let client = "0123456789abcdef0123456789abcdef".to_owned();
    history.keep_fact("client", client.clone()).await.unwrap();
    history.damaged.store(true, Ordering::Relaxed);

    let told = history.clone().renew_if_damaged().unwrap().unwrap();

    assert!(told.contains("history.db.damaged-"), "{told}");
    assert_eq!(
        history.fact("client").await.unwrap(),
        Some(client),
        "the base is found again"
    );
    assert_eq!(history.last().await.unwrap(), None);
    let names = std::fs::read_dir(folder.path()).unwrap();
    assert!(names.count() >= 2, "the old one is kept");
}
