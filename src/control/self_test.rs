//! What `self-test` tells: its seven steps, each with what was seen and how long it took.

use serde::{Deserialize, Serialize};

use super::types::CycleSummary;

/// `POST /v1/self-test`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct SelfTestReport {
    /// Whether all steps came through and nothing of the test is left.
    pub ok: bool,
    /// Whether nothing of the test is left on either side. If not, the next cycle removes it.
    pub clean: bool,
    /// The table in which the test row was made; null when none would do.
    pub table: Option<String>,
    /// The test row's key, as people read it.
    pub key: Option<String>,
    /// The steps in order, up to the one that failed, and the removal.
    pub steps: Vec<TestStep>,
    /// Why it failed; null when it did not.
    pub reason: Option<String>,
    /// What to do about it; null when there is nothing to do.
    pub hint: Option<String>,
    /// The last cycle that it ran.
    pub cycle: Option<CycleSummary>,
}

/// One step.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TestStep {
    /// Its number, from 1 to 7.
    pub step: u8,
    /// "create", "push", "assess", "pending", "pull", "merged", "remove".
    pub name: String,
    /// Whether what was to be seen was seen.
    pub ok: bool,
    /// What was seen.
    pub detail: String,
    /// How long it took.
    pub duration_ms: u64,
}
