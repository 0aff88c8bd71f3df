//! Plugins from npm that can change without anyone noticing.

use chitin_policy_sdk::openclaw::installs::{self, Installs};
use chitin_policy_sdk::{Context, Verdict};

const PLUGINS: Installs = Installs {
    title: "Plugin",
    command: "openclaw plugins",
    records: "plugins.installs",
    view: "plugin-package",
    checks: [
        "plugins.installs_unpinned_npm_specs",
        "plugins.installs_missing_integrity",
        "plugins.installs_version_drift",
    ],
};

/// Judges the records of installed plugins.
pub fn audit(cx: &Context<'_>) -> Verdict {
    installs::audit(cx, &PLUGINS)
}

chitin_policy_sdk::policy!(audit);
