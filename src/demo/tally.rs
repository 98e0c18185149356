//! Whether anything was lost: asked of SQLite directly, with nothing of modsync between.

use rusqlite::Connection;

use super::contents::Contents;
use super::witness::Witness;

/// Both sides by name.
pub(super) type Sides<'a> = [(&'static str, &'a Connection); 2];

/// At most so many problems of one kind are told.
const TOLD: usize = 3;

/// A claim, and what speaks against it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Check {
    /// What should be true.
    pub claim: String,
    /// Why it is not; empty when it is.
    pub problems: Vec<String>,
}

impl Check {
    /// Whether nothing speaks against it.
    pub fn holds(&self) -> bool {
        self.problems.is_empty()
    }
}

/// Everything that was witnessed is on both sides.
pub(super) fn on_both(claim: &str, witnesses: &[Witness], sides: Sides<'_>) -> rusqlite::Result<Check> {
    let mut problems = Vec::new();
    for (side, conn) in sides {
        for witness in witnesses {
            if !witness.holds(conn)? {
                problems.push(format!("not so on the {side}: {}", witness.url()));
            }
        }
    }
    Ok(check(claim, problems))
}

/// Two queue entries that were written under one id are both on both sides, each under an id of its own, the same there
/// and here.
pub(super) fn told_apart(claim: &str, twins: &[Witness; 2], sides: Sides<'_>) -> rusqlite::Result<Check> {
    let mut problems = on_both(claim, twins, sides)?.problems;
    let mut ids = Vec::new();
    for (side, conn) in sides {
        let [one, other] = [twins[0].entry_id(conn)?, twins[1].entry_id(conn)?];
        if one.is_some() && one == other {
            problems.push(format!("on the {side} both have one id"));
        }
        ids.push([one, other]);
    }
    if ids.windows(2).any(|pair| pair[0] != pair[1]) {
        problems.push("the sides disagree about the ids".to_owned());
    }
    Ok(check(claim, problems))
}

/// Every row of `before` is still there on both sides, whatever became of its values.
pub(super) fn none_gone(before: &Contents, sides: Sides<'_>) -> rusqlite::Result<Check> {
    let claim = format!(
        "all {} rows from before the train are still on both sides",
        before.total()
    );
    let mut problems = Vec::new();
    for (side, conn) in sides {
        let gone = before.wanting(&Contents::read(conn)?, |_, now| now.is_none());
        problems.extend(gone.iter().map(|row| format!("gone from the {side}: {row}")));
    }
    Ok(check(&claim, problems))
}

/// Both sides hold the same rows, value by value.
pub(super) fn equal(sides: Sides<'_>) -> rusqlite::Result<Check> {
    let [(one, here), (other, there)] = sides;
    let (here, there) = (Contents::read(here)?, Contents::read(there)?);
    let claim = format!(
        "all {} rows of {} tables are equal on both sides, value by value",
        here.total(),
        here.tables().count()
    );
    let differs = here.wanting(&there, |row, twin| twin.is_some_and(|twin| twin != row));
    let only_here = here.wanting(&there, |_, twin| twin.is_none());
    let only_there = there.wanting(&here, |_, twin| twin.is_none());
    let mut problems: Vec<String> = differs.iter().map(|row| format!("differs: {row}")).collect();
    problems.extend(only_here.iter().map(|row| format!("only on the {one}: {row}")));
    problems.extend(only_there.iter().map(|row| format!("only on the {other}: {row}")));
    if here.tables().ne(there.tables()) {
        problems.push("the sides have other tables".to_owned());
    }
    Ok(check(&claim, problems))
}

/// SQLite itself finds nothing wrong with either file.
pub(super) fn sound(sides: Sides<'_>) -> rusqlite::Result<Check> {
    let mut problems = Vec::new();
    for (side, conn) in sides {
        let words: Vec<String> = conn
            .prepare("PRAGMA integrity_check")?
            .query_map([], |row| row.get(0))?
            .collect::<Result<_, _>>()?;
        if words != ["ok"] {
            problems.extend(words.iter().map(|word| format!("{side}: {word}")));
        }
        let dangling: i64 = conn.query_row("SELECT count(*) FROM pragma_foreign_key_check", [], |row| row.get(0))?;
        if dangling > 0 {
            problems.push(format!("{side}: {dangling} rows refer to a row that is not there"));
        }
    }
    Ok(check(
        "integrity_check and foreign_key_check are content with both files",
        problems,
    ))
}

fn check(claim: &str, mut problems: Vec<String>) -> Check {
    let more = problems.len().saturating_sub(TOLD);
    if more > 0 {
        problems.truncate(TOLD);
        problems.push(format!("and {more} more"));
    }
    Check {
        claim: claim.to_owned(),
        problems,
    }
}

#[cfg(test)]
mod tests {
    use rstest::rstest;

    use super::*;
    use crate::demo::data;

    /// Two sides at the end of a good day, and what was written on it.
    struct Day {
        laptop: Connection,
        site: Connection,
        before: Contents,
        review: Vec<Witness>,
        product: Vec<Witness>,
        twins: [Witness; 2],
        _folder: tempfile::TempDir,
    }

    impl Day {
        fn over() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let path = |name: &str| folder.path().join(name);
            let open = |name: &str| Connection::open(path(name)).unwrap();
            for name in ["site.db", "train.db"] {
                data::create(&path(name), 24).unwrap();
            }
            let (mut site, mut train) = (open("site.db"), open("train.db"));
            let before = Contents::read(&site).unwrap();
            let review = data::phone_reviews(&mut site, 1).unwrap();
            let product = data::laptop_adds(&mut train, 1).unwrap();
            let id = data::same_id_on_both(&mut train, &mut site).unwrap();
            let review = Witness::reviews(&site, &review).unwrap();
            let product = Witness::products(&train, &product).unwrap();
            let twins = [&train, &site].map(|conn| Witness::entry(conn, id).unwrap());
            // What a sync has to come to: the site's entry keeps the id.
            site.execute("ATTACH ?1 AS train", [path("train.db").to_str().unwrap()])
                .unwrap();
            site.execute_batch(
                "INSERT INTO products SELECT * FROM train.products WHERE url NOT IN (SELECT url FROM main.products);
                 CREATE TEMP TABLE came AS SELECT * FROM train.assessment_queue AS q WHERE NOT EXISTS (SELECT 1 FROM
                     main.assessment_queue AS m WHERE (m.product_url, m.review_type) = (q.product_url, q.review_type));
                 UPDATE came SET id = id + 100;
                 INSERT INTO assessment_queue SELECT * FROM came;
                 DETACH train;",
            )
            .unwrap();
            std::fs::copy(path("site.db"), path("laptop.db")).unwrap();
            Self {
                laptop: open("laptop.db"),
                site,
                before,
                review,
                product,
                twins,
                _folder: folder,
            }
        }

        /// The claims that do not hold, by a word for each.
        fn failures(&self) -> Vec<&'static str> {
            let sides: Sides<'_> = [("laptop", &self.laptop), ("server", &self.site)];
            let checks = [
                ("review", on_both("", &self.review, sides)),
                ("product", on_both("", &self.product, sides)),
                ("twins", told_apart("", &self.twins, sides)),
                ("gone", none_gone(&self.before, sides)),
                ("equal", equal(sides)),
                ("sound", sound(sides)),
            ];
            let failed = checks.into_iter().filter(|(_, check)| !check.as_ref().unwrap().holds());
            failed.map(|(name, _)| name).collect()
        }
    }

    #[test]
    fn a_good_day_holds() {
        assert_eq!(Day::over().failures(), [""; 0]);
    }

    #[rstest]
    #[case::a_review_that_was_overwritten(
        "UPDATE products SET assessed_at = NULL WHERE assessed_at >= '2025-09-02'",
        &["review", "equal"]
    )]
    #[case::a_decision_that_is_gone_from_the_queue(
        "UPDATE assessment_queue SET review_decision = NULL WHERE reviewer_notes = 'seen on the phone'",
        &["review", "equal"]
    )]
    #[case::a_new_product_that_did_not_arrive(
        "DELETE FROM assessment_queue WHERE source_workflow = 'catalog_monitor' AND added_at >= '2025-09-02';
         DELETE FROM products WHERE url NOT IN (SELECT product_url FROM assessment_queue) AND first_seen >= '2025-09-02'",
        &["product", "equal"]
    )]
    #[case::an_entry_that_took_the_place_of_another(
        "DELETE FROM assessment_queue WHERE source_workflow = 'web_assessment'",
        &["twins", "equal"]
    )]
    #[case::an_entry_with_another_id(
        "UPDATE assessment_queue SET id = id + 500 WHERE source_workflow = 'web_assessment'",
        &["twins", "equal"]
    )]
    #[case::an_old_row_that_is_gone("DELETE FROM retailer_url_patterns WHERE retailer = 'nordlys'", &["gone", "equal"])]
    #[case::a_value_of_another_type(
        "UPDATE catalog_products SET review_status = CAST(review_status AS BLOB) WHERE id = 1",
        &["equal"]
    )]
    #[case::an_empty_table("DELETE FROM product_update_queue", &["gone", "equal"])]
    #[case::a_dangling_reference(
        "PRAGMA foreign_keys = OFF; UPDATE product_update_queue SET product_url = 'nowhere' WHERE id = 1",
        &["equal", "sound"]
    )]
    #[case::another_table("CREATE TABLE more (id INTEGER PRIMARY KEY)", &["equal"])]
    fn damage_to_one_side_is_seen(#[case] damage: &str, #[case] expected: &[&str]) {
        for side in ["laptop", "server"] {
            let day = Day::over();
            let conn = if side == "laptop" { &day.laptop } else { &day.site };
            conn.execute_batch(damage).unwrap();
            assert_eq!(day.failures(), expected, "on the {side}");
        }
    }

    #[test]
    fn a_witness_that_saw_nothing_never_holds() {
        let day = Day::over();
        let nobody = Witness::reviews(&day.site, &["https://nowhere.example/".to_owned()]).unwrap();
        assert!(!nobody[0].holds(&day.site).unwrap());
    }

    #[test]
    fn two_entries_under_one_id_are_not_told_apart() {
        let day = Day::over();
        let twins = [day.twins[0].clone(), day.twins[0].clone()];
        let sides: Sides<'_> = [("laptop", &day.laptop), ("server", &day.site)];
        assert!(!told_apart("", &twins, sides).unwrap().holds());
    }

    #[test]
    fn many_problems_are_cut_short() {
        let problems = (0..10).map(|number| number.to_string()).collect();
        assert_eq!(check("", problems).problems, ["0", "1", "2", "and 7 more"]);
    }
}
