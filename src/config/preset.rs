//! The product database: what modsync knows of its tables without being told.
//!
//! Data only. [`super::rules_for`] uses a part of it for what the configuration does not declare, and only on a table
//! that has the preset's shape.

/// What is known of one table.
pub(super) struct Preset {
    /// The table's name.
    pub table: &'static str,
    /// The columns that name a row on both sides. A table without a unique constraint on exactly these has another
    /// shape, and the preset is not for it.
    pub key: &'static [&'static str],
    /// The column that says when a row was last updated.
    pub last_updated: Option<&'static str>,
    /// Columns that move together, and the one of them with the time of the decision.
    pub group: Option<(&'static [&'static str], &'static str)>,
}

/// The tables of the product database that need more than the schema says.
pub(super) const PRESETS: [Preset; 4] = [
    Preset {
        table: "products",
        key: &["url"],
        last_updated: Some("last_updated"),
        group: Some((
            &[
                "lifecycle_stage",
                "assessed_at",
                "modesty_status",
                "shopify_status",
                "assessment_status",
            ],
            "assessed_at",
        )),
    },
    Preset {
        table: "assessment_queue",
        key: &["product_url", "review_type"],
        last_updated: None,
        group: Some((
            &[
                "status",
                "review_decision",
                "reviewer_notes",
                "reviewed_at",
                "reviewed_by",
            ],
            "reviewed_at",
        )),
    },
    Preset {
        table: "catalog_products",
        key: &["catalog_url", "retailer"],
        last_updated: None,
        group: None,
    },
    Preset {
        table: "retailer_url_patterns",
        key: &["retailer"],
        last_updated: None,
        group: None,
    },
];
