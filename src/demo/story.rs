//! The story itself: a day on the train, from top to bottom.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::contents::Contents;
use super::data;
use super::error::DemoError;
use super::page::Page;
use super::stage::Stage;
use super::table::{HEAD, Ledger};
use super::tally::{self, Check};
use super::witness::Witness;
use crate::control::types::{CycleSummary, State};
use crate::ctl::text;

/// Reviews on the phone while the laptop is on the train.
const REVIEWS: usize = 5;
/// Products that the laptop finds there.
const PRODUCTS: usize = 7;

/// What was written while the line was cut.
struct Train {
    reviews: Vec<Witness>,
    products: Vec<Witness>,
    /// Two queue entries under one id: the laptop's, the site's.
    twins: [Witness; 2],
    id: i64,
}

/// Tells the story on a stage that was just set.
///
/// # Errors
/// When something cannot be done or does not come about, and when a check at the end fails.
pub(super) async fn tell(stage: &mut Stage, page: &mut Page<'_>) -> Result<(), DemoError> {
    let before = at_home(stage, page).await?;
    let mark = stage.daemon.cycles();
    let train = on_the_train(stage, page).await?;
    the_line_comes_back(stage, page, &train).await?;
    let live = one_write_each_way(stage, page).await?;
    let cycles = stage.daemon.cycles_since(mark);
    let checks = what_became_of_it(stage, page, &before, cycles, &train, &live)?;
    let failed: Vec<String> = checks
        .into_iter()
        .filter(|check| !check.holds())
        .map(|check| check.claim)
        .collect();
    match failed.is_empty() {
        true => Ok(()),
        false => Err(DemoError::Failed(failed)),
    }
}

/// Both sides are alike after the first sync.
async fn at_home(stage: &mut Stage, page: &mut Page<'_>) -> Result<Contents, DemoError> {
    page.chapter("At home: the laptop meets the server")?;
    page.line("laptop", "laptop/products.db, to which a catalogue scraper writes")?;
    page.line(
        "server",
        &format!("server/products.db, behind a website and SSH on port {}", stage.port()),
    )?;
    let pid = stage.daemon.pid();
    page.line(
        "daemon",
        &format!("modsyncd run --config laptop/config.toml, process {pid}"),
    )?;
    let status = stage
        .daemon
        .until_status("the first sync ended", |status| status.in_sync == Some(true))
        .await?;
    let took = since(stage.daemon.started());
    let engine = status.engine.unwrap_or_default();
    page.line(
        "engine",
        &format!("{engine}; on a real server sqlite3, python3 or php will do"),
    )?;
    let equal = tally::equal(stage.sides()).map_err(reading)?;
    if !equal.holds() {
        return Err(DemoError::Failed(equal.problems));
    }
    let before = Contents::read(&stage.laptop.conn).map_err(reading)?;
    let (rows, tables) = (before.total(), before.tables().count());
    page.result(&format!(
        "after {took} both sides are alike: {rows} rows in {tables} tables"
    ))?;
    Ok(before)
}

/// The line is cut, and both sides go on by themselves.
async fn on_the_train(stage: &mut Stage, page: &mut Page<'_>) -> Result<Train, DemoError> {
    page.chapter("On the train: the line is cut, both sides go on")?;
    let cut = Instant::now();
    stage.cut_the_line();
    let status = stage
        .daemon
        .until_status("the daemon says offline", |status| status.state == State::Offline)
        .await?;
    let why = status.reason.unwrap_or_default();
    page.line("daemon", &format!("offline, noticed after {}: {why}", since(cut)))?;

    let (laptop, site) = (&mut stage.laptop.conn, &mut stage.site.conn);
    let reviewed = data::phone_reviews(site, REVIEWS).map_err(writing("server"))?;
    let reviews = Witness::reviews(site, &reviewed).map_err(reading)?;
    page.line(
        "phone",
        &format!("reviews {} waiting products on the website", reviews.len()),
    )?;
    let added = data::laptop_adds(laptop, PRODUCTS).map_err(writing("laptop"))?;
    let products = Witness::products(laptop, &added).map_err(reading)?;
    page.line(
        "laptop",
        &format!(
            "a workflow finds {} new products and queues them for review",
            products.len()
        ),
    )?;
    let id = data::same_id_on_both(laptop, site).map_err(writing("laptop or the server"))?;
    let twin = |conn| Witness::entry(conn, id).map_err(reading);
    let twins = [twin(laptop)?, twin(site)?];
    page.line(
        "both",
        &format!("each queues something else, and both counters give it id {id}"),
    )?;
    Ok(Train {
        reviews,
        products,
        twins,
        id,
    })
}

/// The server is there again; nobody asks the daemon for anything.
async fn the_line_comes_back(stage: &mut Stage, page: &mut Page<'_>, train: &Train) -> Result<(), DemoError> {
    page.chapter("The line comes back, and nobody asks for anything")?;
    let mark = stage.daemon.cycles();
    stage.restore_the_line()?;
    let (laptop, site) = (&stage.laptop.conn, &stage.site.conn);
    let took = stage
        .daemon
        .until("both sides hold the same again", || {
            tally::equal([("laptop", laptop), ("server", site)]).map(|equal| equal.holds())
        })
        .await?;
    stage.daemon.until_agreed(mark).await?;
    let cycles = stage.daemon.cycles_since(mark);
    page.line("daemon", &moved(&cycles))?;
    if let Some(backup) = cycles.iter().find_map(|cycle| cycle.backup.as_ref()) {
        page.line("backup", &format!("{backup} on the server, before writing"))?;
    }
    let [laptop_id, site_id] = train.twins.each_ref().map(|twin| twin.entry_id(&stage.laptop.conn));
    let (laptop_id, site_id) = (told(laptop_id)?, told(site_id)?);
    page.line(
        "ids",
        &format!("the server's entry keeps {site_id}; the laptop's, new to all, is now {laptop_id}"),
    )?;
    page.result(&format!(
        "{} after the server's return both sides are alike again",
        lasting(took)
    ))?;
    Ok(())
}

/// Online: how long a write takes to reach the other side.
async fn one_write_each_way(stage: &mut Stage, page: &mut Page<'_>) -> Result<Vec<Witness>, DemoError> {
    page.chapter("Online: one write each way")?;
    let mut live = Vec::new();

    let mark = stage.daemon.cycles();
    let urls = data::phone_reviews(&mut stage.site.conn, 1).map_err(writing("server"))?;
    let review = Witness::reviews(&stage.site.conn, &urls).map_err(reading)?;
    let took = stage
        .daemon
        .until("a review is on the laptop", || all_hold(&review, &stage.laptop.conn))
        .await?;
    page.line("phone", &format!("a review is on the laptop after {}", lasting(took)))?;
    stage.daemon.until_agreed(mark).await?;
    live.extend(review);

    let mark = stage.daemon.cycles();
    let urls = data::laptop_adds(&mut stage.laptop.conn, 1).map_err(writing("laptop"))?;
    let product = Witness::products(&stage.laptop.conn, &urls).map_err(reading)?;
    let took = stage
        .daemon
        .until("a new product is on the server", || {
            all_hold(&product, &stage.site.conn)
        })
        .await?;
    page.line(
        "laptop",
        &format!("a new product is on the server after {}", lasting(took)),
    )?;
    stage.daemon.until_agreed(mark).await?;
    live.extend(product);
    Ok(live)
}

/// The table, and the proof that nothing was lost.
fn what_became_of_it(
    stage: &Stage,
    page: &mut Page<'_>,
    before: &Contents,
    cycles: Vec<CycleSummary>,
    train: &Train,
    live: &[Witness],
) -> Result<Vec<Check>, DemoError> {
    page.chapter("What became of every row")?;
    let sides = stage.sides();
    let ledger = Ledger {
        before,
        laptop_wrote: stage.laptop.written(),
        site_wrote: stage.site.written(),
        cycles,
        laptop: &Contents::read(&stage.laptop.conn).map_err(reading)?,
        site: &Contents::read(&stage.site.conn).map_err(reading)?,
    };
    page.table(HEAD, &ledger.lines())?;
    page.note("+ new rows, ~ changed rows. The entry with the new id counts as moved, too.")?;
    let checks = || {
        Ok([
            tally::on_both(
                &format!("the phone's {REVIEWS} reviews are on both sides, as the phone wrote them"),
                &train.reviews,
                sides,
            )?,
            tally::on_both(
                &format!("the laptop's {PRODUCTS} new products and queue entries are on both sides"),
                &train.products,
                sides,
            )?,
            tally::told_apart(
                &format!("both queue entries that were written as {} are on both sides", train.id),
                &train.twins,
                sides,
            )?,
            tally::on_both("the two writes while online are on both sides", live, sides)?,
            tally::none_gone(before, sides)?,
            tally::equal(sides)?,
            tally::sound(sides)?,
        ])
    };
    let checks: [Check; 7] = checks().map_err(reading)?;
    for check in &checks {
        page.check(&check.claim, &check.problems)?;
    }
    Ok(checks.into())
}

/// What cycles moved and what that cost.
fn moved(cycles: &[CycleSummary]) -> String {
    let sum = |of: fn(&CycleSummary) -> u64| cycles.iter().map(of).sum::<u64>();
    let bytes = sum(|cycle| cycle.bytes_sent) + sum(|cycle| cycle.bytes_received);
    format!(
        "back by itself: {} pulled, {} pushed, {} held back; {}, {}, {}, {} over the line",
        text::count(sum(|cycle| cycle.pulled), "row"),
        sum(|cycle| cycle.pushed),
        sum(|cycle| cycle.held),
        text::count(cycles.len() as u64, "cycle"),
        text::duration(sum(|cycle| cycle.duration_ms)),
        text::count(sum(|cycle| cycle.round_trips), "round trip"),
        text::bytes(bytes),
    )
}

fn all_hold(witnesses: &[Witness], conn: &Connection) -> rusqlite::Result<bool> {
    for witness in witnesses {
        if !witness.holds(conn)? {
            return Ok(false);
        }
    }
    Ok(true)
}

/// An id for people; one that is not there becomes a failed check later.
fn told(id: rusqlite::Result<Option<i64>>) -> Result<String, DemoError> {
    id.map(|id| id.map_or("gone".to_owned(), |id| id.to_string()))
        .map_err(reading)
}

fn since(moment: Instant) -> String {
    lasting(moment.elapsed())
}

fn lasting(time: Duration) -> String {
    text::duration(u64::try_from(time.as_millis()).unwrap_or(u64::MAX))
}

fn reading(cause: rusqlite::Error) -> DemoError {
    DemoError::database("read both databases")(cause)
}

fn writing(side: &str) -> impl FnOnce(rusqlite::Error) -> DemoError {
    DemoError::database(format!("write to the database of the {side}"))
}
