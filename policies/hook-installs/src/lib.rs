//! Hooks from npm that can change without anyone noticing.

use chitin_policy_sdk::openclaw::installs::{self, Installs};
use chitin_policy_sdk::{Context, Verdict};

const HOOKS: Installs = Installs {
    title: "Hook",
    command: "openclaw hooks",
    records: "hooks.internal.installs",
    view: "hook-package",
    checks: [
        "hooks.installs_unpinned_npm_specs",
        "hooks.installs_missing_integrity",
        "hooks.installs_version_drift",
    ],
};

/// Judges the records of installed hooks.
pub fn audit(cx: &Context<'_>) -> Verdict {
    installs::audit(cx, &HOOKS)
}

chitin_policy_sdk::policy!(audit);
