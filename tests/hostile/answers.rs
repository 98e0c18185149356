//! Answers of the wrong shape, to whatever a cycle asks.

use modsync::control::types::{ErrorCode, Outcome, SyncRequest};
use modsync::cycle::{CycleError, Pair};
use modsync::demo::data;

use super::liar::{self, Lie, Lies};
use super::stage::assert_message;
use super::support::daemon::LIMIT;
use super::support::world::{World, sync, try_sync};

/// What the server is asked before anything is written: the head, and by table what changed, what is gone, and its end.
const HEAD: &str = "SELECT 'thead'";
const CHANGED: &str = "SELECT * FROM temp.modsync_report_";
const DELETED: &str = "SELECT 'tdeleted','i0'";
const TABLE: &str = "SELECT 'ttable','i0'";
/// What it is asked when a session opens.
const ENCODING: &str = "FROM pragma_encoding";
const OBJECTS: &str = "SELECT 'tobject'";
const COLUMNS: &str = "SELECT 'tcolumn'";
/// What it is asked in a push.
const REFUSED: &str = "SELECT 'trefused'";
const ROWS: &str = "SELECT 'trows'";
const RECENT: &str = "SELECT 'trecent'";

/// Two databases that agree, a change on each, and a server that can lie.
pub struct Trial {
    pub world: World,
    pub lies: Lies,
    pub pair: Pair,
}

impl Trial {
    pub async fn new() -> Self {
        let mut world = World::with_products(20);
        world.settings.insert("backup", "enabled = false".to_owned());
        let lies = Lies::default();
        let pair = liar::pair(world.config(), &world.remote(), &lies).await;
        let mut trial = Self { world, lies, pair };
        assert_eq!(sync(&mut trial.pair).await.outcome, Outcome::Synced);
        trial
    }

    pub fn files(&self) -> [Vec<u8>; 2] {
        [self.world.local(), self.world.remote()].map(|path| std::fs::read(path).unwrap())
    }

    pub fn change_both(&self) {
        data::laptop_adds(&mut self.world.open_local(), 2).unwrap();
        data::phone_reviews(&mut self.world.open_remote(), 2).unwrap();
    }

    /// Runs a cycle that has to fail.
    pub async fn fails(&mut self, what: &str) -> CycleError {
        let request = SyncRequest::default();
        let ended = tokio::time::timeout(LIMIT, try_sync(&mut self.pair, &request)).await;
        match ended.unwrap_or_else(|_| panic!("{what}: it hangs")) {
            Err(error) => error,
            Ok(summary) => panic!("{what}: {summary:?}"),
        }
    }

    /// The server is honest again: one cycle, and all is well. A lie about the base has cost the base, and that is said.
    pub async fn recovers(&mut self, what: &str) {
        self.lies.be_honest();
        let summary = sync(&mut self.pair).await;
        let well = matches!(summary.outcome, Outcome::Synced | Outcome::Attention);
        assert!(well && summary.held == 0, "{what}: {summary:?}");
        self.world.assert_equal();
    }
}

/// A lie before anything is written, and words of the message that it comes to.
fn lies() -> Vec<(&'static str, Lie, &'static str)> {
    let shape = "has another shape";
    let other = "each time a side was another one";
    let nulls = |count| format!("tchanged\ti0{}\n", "\tn".repeat(count));
    vec![
        (
            "garbage",
            Lie::say(HEAD, "PHP Warning: mbstring is loaded\n"),
            "wire form",
        ),
        ("a row of nothing", Lie::say(HEAD, "\n"), "wire form"),
        (
            "every byte",
            Lie::say(HEAD, "\u{0}\u{1}\u{7f}\u{ff}\u{2028}\n"),
            "wire form",
        ),
        (
            "an error page",
            Lie::say(HEAD, "<html>\n<body>502</body>\n"),
            "wire form",
        ),
        (
            "a marker",
            Lie::say(HEAD, "modsync-00000000000000000000000000000000 1\n"),
            "wire form",
        ),
        ("no head", Lie::skip(HEAD), "the head is missing"),
        ("two heads", Lie::also(HEAD, "thead\ti1\ti1\tn\tn\tn\ti0\n"), shape),
        ("a head of text", Lie::field(HEAD, 1, "t7"), shape),
        ("a head of NULL", Lie::field(HEAD, 2, "n"), shape),
        ("a head with more in it", Lie::field(HEAD, 6, "i0\ti1"), shape),
        ("a row that nobody asked for", Lie::also(HEAD, "tfree\ttmoney\n"), shape),
        (
            "rows where none was asked for",
            Lie::also("DELETE FROM temp.modsync_head", "i1\n"),
            shape,
        ),
        (
            "a table that nobody asked for",
            Lie::say(CHANGED, "tchanged\ti99\tt1\n"),
            shape,
        ),
        (
            "a table before the first",
            Lie::say(CHANGED, "tchanged\ti-1\tt1\n"),
            shape,
        ),
        ("too few columns", Lie::say(CHANGED, "tchanged\ti0\tt1\n"), shape),
        ("too many columns", Lie::say(CHANGED, nulls(500)), shape),
        ("every column NULL", Lie::say(CHANGED, nulls(columns())), shape),
        (
            "a key that is as before",
            Lie::say(CHANGED, nulls(columns()).replace("\tn", "\t=")),
            shape,
        ),
        ("a deletion without a key", Lie::say(DELETED, "tdeleted\ti0\n"), shape),
        ("a deletion of NULL", Lie::say(DELETED, "tdeleted\ti0\tt1\tn\n"), shape),
        (
            "a deletion by three keys",
            Lie::say(DELETED, "tdeleted\ti0\tt1\tt2\tt3\n"),
            shape,
        ),
        (
            "one row twice",
            Lie::say(DELETED, "tdeleted\ti0\tt1\tt2\ntdeleted\ti0\tt1\tt2\n"),
            "two rows of one key",
        ),
        ("fewer rows than none", Lie::field(TABLE, 3, "i-5"), shape),
        (
            "more rows than there can be",
            Lie::field(TABLE, 3, "i9223372036854775807"),
            shape,
        ),
        (
            "more rows than there are numbers",
            Lie::field(TABLE, 3, "i99999999999999999999"),
            "wire form",
        ),
        ("a count of text", Lie::field(TABLE, 4, "tmany"), shape),
        (
            "a table that ends twice",
            Lie::also(TABLE, "ttable\ti0\ti0\ti1\ti0\ti0\n"),
            shape,
        ),
        (
            "a table that never ends",
            Lie::skip(TABLE),
            "the end of a table is missing",
        ),
        ("another schema each time", Lie::field(HEAD, 1, "i424242"), other),
        ("another file each time", Lie::field(HEAD, 6, "i1"), other),
        ("another generation each time", Lie::field(HEAD, 4, "i777"), other),
        ("another lineage each time", Lie::field(HEAD, 3, "telse"), other),
        ("no generation at all", Lie::field(HEAD, 3, "n"), other),
    ]
}

/// How many columns the first table has: `assessment_queue`.
pub fn columns() -> usize {
    let connection = rusqlite::Connection::open_in_memory().unwrap();
    connection.execute_batch(data::SCHEMA).unwrap();
    let count = "SELECT count(*) FROM pragma_table_info('assessment_queue')";
    let count: i64 = connection.query_row(count, [], |row| row.get(0)).unwrap();
    count.try_into().unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn answers_of_the_wrong_shape_change_nothing_and_are_named() {
    let mut trial = Trial::new().await;
    for (what, lie, words) in lies() {
        trial.change_both();
        let before = trial.files();
        trial.lies.tell(vec![lie]);
        let error = trial.fails(what).await;
        assert!(error.message.contains(words), "{what}: {error:?}");
        assert_eq!(error.code, ErrorCode::Failed, "{what}: {error:?}");
        assert_message(&error.message);
        assert_message(error.hint.as_deref().unwrap_or_default());
        assert!(trial.files() == before, "{what}: a database was written");
        trial.recovers(what).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn schemas_that_cannot_be_are_refused() {
    let mut trial = Trial::new().await;
    let unasked = "was not asked for";
    let long = "n".repeat(2000);
    let many = |row: &str| {
        (0..200_000)
            .map(|n| row.replace("{}", &n.to_string()))
            .collect::<String>()
    };
    for (what, lie, code, words) in [
        ("no encoding", Lie::skip(ENCODING), ErrorCode::Attention, "UTF-8"),
        (
            "another encoding",
            Lie::say(ENCODING, "tEBCDIC\n"),
            ErrorCode::Attention,
            "EBCDIC",
        ),
        (
            "garbage",
            Lie::say(OBJECTS, "Segmentation fault\n"),
            ErrorCode::Failed,
            "wire form",
        ),
        (
            "an object of numbers",
            Lie::also(OBJECTS, "tobject\ti1\ti2\ti3\ti4\n"),
            ErrorCode::Failed,
            unasked,
        ),
        (
            "half an object",
            Lie::also(OBJECTS, "tobject\ttproducts\n"),
            ErrorCode::Failed,
            unasked,
        ),
        (
            "a table twice",
            Lie::also(OBJECTS, "tobject\ttPRODUCTS\tttable\ttproducts\ttx\n"),
            ErrorCode::Failed,
            unasked,
        ),
        (
            "a column twice",
            Lie::also(COLUMNS, "tcolumn\ttproducts\ttURL\ttTEXT\ti1\ti1\ti0\n"),
            ErrorCode::Failed,
            unasked,
        ),
        (
            "a name without end",
            Lie::also(OBJECTS, format!("tobject\tt{long}\tttable\tt{long}\ttx\n")),
            ErrorCode::Attention,
            "more than 1024 bytes",
        ),
        (
            "tables without end",
            Lie::also(OBJECTS, many("tobject\ttn{}\tttable\ttn{}\ttx\n")),
            ErrorCode::Attention,
            "more than 16 MiB",
        ),
        (
            "columns without end",
            Lie::also(COLUMNS, many("tcolumn\ttn\ttc{}\tt\ti0\ti0\ti0\n")),
            ErrorCode::Attention,
            "more than 2000 columns",
        ),
        (
            "no table at all",
            Lie::skip(OBJECTS),
            ErrorCode::Attention,
            "has no tables",
        ),
        (
            "no column at all",
            Lie::skip(COLUMNS),
            ErrorCode::Attention,
            "no table in common",
        ),
    ] {
        trial.change_both();
        let before = trial.files();
        // Another file, so that the session is opened anew and the schema read.
        trial.lies.tell(vec![Lie::field(HEAD, 6, "i1"), lie]);
        let error = trial.fails(what).await;
        assert!(error.message.contains(words), "{what}: {error:?}");
        assert_eq!(error.code, code, "{what}: {error:?}");
        assert_message(&error.message);
        assert!(trial.files() == before, "{what}: a database was written");
        trial.recovers(what).await;
    }
}

/// In a push the laptop has taken the server's rows already; what counts is that nothing is agreed on, and that the next
/// cycle converges.
#[tokio::test(flavor = "multi_thread")]
async fn answers_to_a_push_are_refused_and_the_next_cycle_goes_on() {
    let mut trial = Trial::new().await;
    let shape = "has another shape";
    for (what, lie, words) in [
        ("garbage", Lie::say(REFUSED, "Warning: disk at 99%\n"), "wire form"),
        (
            "a write that was not sent",
            Lie::say(REFUSED, "trefused\ti0\ti999\ti0\n"),
            shape,
        ),
        (
            "a table that was not sent",
            Lie::say(REFUSED, "trefused\ti77\ti0\ti0\n"),
            shape,
        ),
        (
            "a refusal twice",
            Lie::say(REFUSED, "trefused\ti0\ti0\ti0\ntrefused\ti0\ti0\ti0\n"),
            shape,
        ),
        (
            "a refusal of a third kind",
            Lie::say(REFUSED, "trefused\ti0\ti0\ti2\n"),
            shape,
        ),
        ("a refusal without a number", Lie::say(REFUSED, "trefused\ti0\n"), shape),
        ("an answer to the writes", Lie::also("SET ok=(op=", "i1\n"), shape),
        (
            "counts of a table that was not asked for",
            Lie::also(ROWS, "trows\ttsecrets\ti5\n"),
            shape,
        ),
        ("counts twice", Lie::twist(ROWS, |told| told.repeat(2)), shape),
        ("fewer rows than none", Lie::field(ROWS, 2, "i-1"), shape),
        ("news without end", Lie::twist(RECENT, |told| told.repeat(100)), shape),
    ] {
        trial.change_both();
        trial.lies.tell(vec![lie]);
        let error = trial.fails(what).await;
        assert!(error.message.contains(words), "{what}: {error:?}");
        assert_message(&error.message);
        trial.lies.be_honest();
        sync(&mut trial.pair).await;
        trial.world.assert_equal();
    }
}
