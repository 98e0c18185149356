//! Tests of the rules: preset against schema against configuration.

use super::*;
use crate::model::{Affinity, Column};

fn table(name: &str, columns: &[&str], unique: &[&[&str]]) -> Table {
    let columns: Vec<Column> = columns
        .iter()
        .map(|name| Column {
            name: (*name).to_owned(),
            declared: "TEXT".to_owned(),
            affinity: Affinity::Text,
            not_null: false,
            collation: crate::model::Collation::Binary,
        })
        .collect();
    let index = |name: &&str| columns.iter().position(|column| column.name == *name).unwrap();
    let unique: Vec<Vec<usize>> = unique.iter().map(|set| set.iter().map(index).collect()).collect();
    Table {
        name: name.to_owned(),
        key: unique.first().cloned().unwrap_or_else(|| vec![0]),
        columns,
        rowid: None,
        autoincrement: false,
        strict: false,
        unique,
        foreign_keys: Vec::new(),
        triggers: Vec::new(),
    }
}

fn products() -> Table {
    let columns = [
        "url",
        "title",
        "lifecycle_stage",
        "assessed_at",
        "modesty_status",
        "shopify_status",
        "assessment_status",
        "last_updated",
    ];
    table("products", &columns, &[&["url"]])
}

fn declare(name: &str) -> TableConfig {
    TableConfig {
        name: name.to_owned(),
        sync: true,
        ..TableConfig::default()
    }
}

fn group(columns: &[&str], newest_by: &str) -> GroupConfig {
    GroupConfig {
        columns: columns.iter().map(|&c| c.to_owned()).collect(),
        newest_by: newest_by.to_owned(),
    }
}

#[test]
fn the_product_table_needs_no_configuration() {
    let setup = rules_for(&products(), &[]).unwrap();
    assert!(setup.sync);
    assert_eq!(setup.key, Some(vec!["url".to_owned()]));
    assert_eq!(
        setup.rules.groups,
        [Group {
            columns: vec![2, 3, 4, 5, 6],
            newest_by: 3
        }]
    );
    assert_eq!(setup.rules.last_updated, Some(7));
}

#[test]
fn the_queue_is_keyed_by_product_and_kind_of_review() {
    let columns = [
        "id",
        "product_url",
        "review_type",
        "status",
        "review_decision",
        "reviewer_notes",
        "reviewed_at",
        "reviewed_by",
    ];
    let queue = table(
        "assessment_queue",
        &columns,
        &[&["id"], &["review_type", "product_url"]],
    );
    let setup = rules_for(&queue, &[]).unwrap();
    assert_eq!(
        setup.key,
        Some(vec!["product_url".to_owned(), "review_type".to_owned()])
    );
    assert_eq!(
        setup.rules.groups,
        [Group {
            columns: vec![3, 4, 5, 6, 7],
            newest_by: 6
        }]
    );
}

#[test]
fn the_other_preset_tables_get_their_keys() {
    let catalog = table(
        "catalog_products",
        &["id", "catalog_url", "retailer"],
        &[&["id"], &["catalog_url", "retailer"]],
    );
    let setup = rules_for(&catalog, &[]).unwrap();
    assert_eq!(setup.key, Some(vec!["catalog_url".to_owned(), "retailer".to_owned()]));
    let patterns = table("retailer_url_patterns", &["retailer", "pattern"], &[&["retailer"]]);
    assert_eq!(
        rules_for(&patterns, &[]).unwrap().key,
        Some(vec!["retailer".to_owned()])
    );
}

#[test]
fn a_table_that_only_shares_the_name_is_left_to_its_schema() {
    // Without the constraint, keying by url would take two rows for one.
    let foreign = table("products", &["id", "url", "assessed_at", "last_updated"], &[&["id"]]);
    let setup = rules_for(&foreign, &[]).unwrap();
    assert_eq!(setup.key, None);
    assert_eq!(
        setup.rules,
        TableRules {
            groups: vec![],
            last_updated: Some(3)
        }
    );
}

#[test]
fn a_preset_group_shrinks_to_the_columns_that_exist() {
    let old = table("products", &["url", "assessed_at", "modesty_status"], &[&["url"]]);
    assert_eq!(
        rules_for(&old, &[]).unwrap().rules.groups,
        [Group {
            columns: vec![1, 2],
            newest_by: 1
        }]
    );
    let older = table("products", &["url", "modesty_status"], &[&["url"]]);
    assert_eq!(rules_for(&older, &[]).unwrap().rules, TableRules::default());
}

#[test]
fn what_is_declared_wins_and_what_is_left_open_stays() {
    let config = TableConfig {
        last_updated: Some("Assessed_At".to_owned()),
        ..declare("PRODUCTS")
    };
    let setup = rules_for(&products(), &[config]).unwrap();
    assert_eq!(setup.rules.last_updated, Some(3));
    assert_eq!(setup.rules.groups.len(), 1, "the preset's group stays");

    let config = TableConfig {
        key: vec!["TITLE".to_owned()],
        groups: vec![group(&["modesty_status"], "assessed_at")],
        ..declare("products")
    };
    let setup = rules_for(&products(), &[config]).unwrap();
    assert_eq!(setup.key, Some(vec!["title".to_owned()]));
    assert_eq!(
        setup.rules.groups,
        [Group {
            columns: vec![4, 3],
            newest_by: 3
        }],
        "newest_by joins its group"
    );
}

#[test]
fn a_table_can_be_left_out() {
    let config = TableConfig {
        sync: false,
        ..declare("products")
    };
    assert!(!rules_for(&products(), &[config]).unwrap().sync);
}

#[test]
fn missing_columns_are_named_with_the_nearest() {
    let one = |config| rules_for(&products(), &[config]).unwrap_err();
    assert_eq!(
        one(TableConfig {
            key: vec!["urll".to_owned()],
            ..declare("products")
        }),
        "[[table]] products: key names the column \"urll\", which the table does not have; did you mean \"url\"?"
    );
    assert_eq!(
        one(TableConfig {
            groups: vec![group(&["title"], "assesed_at")],
            ..declare("products")
        }),
        "[[table]] products: group.newest_by names the column \"assesed_at\", which the table does not have; \
         did you mean \"assessed_at\"?"
    );
    assert_eq!(
        one(TableConfig {
            groups: vec![group(&["colour"], "assessed_at")],
            ..declare("products")
        }),
        "[[table]] products: group.columns names the column \"colour\", which the table does not have"
    );
    assert_eq!(
        one(TableConfig {
            last_updated: Some("lastupdated".to_owned()),
            ..declare("products")
        }),
        "[[table]] products: last_updated names the column \"lastupdated\", which the table does not have; \
         did you mean \"last_updated\"?"
    );
}

#[test]
fn a_declared_table_that_is_not_there_is_named() {
    let schema = Schema {
        tables: vec![products()],
        ..Schema::default()
    };
    assert_eq!(
        unmatched_tables(&schema, &[declare("Products"), declare("prodcts")]),
        ["[[table]] prodcts: the database has no such table; did you mean \"products\"?"]
    );
}
