//! Plugins from npm that can change without anyone noticing.

use chitin_policy_sdk::openclaw::installs::{self, Installs, Stored};
use chitin_policy_sdk::{Context, Verdict};

const PLUGINS: Installs = Installs {
    title: "Plugin",
    command: "openclaw plugins",
    records: "plugins.installs",
    view: "plugin-package",
    folder: "extensions",
    // Reference: releases/changes, 2026.4.29.
    stored: Stored {
        since: (2026, 4, 29),
        key: installs::PLUGIN_RECORDS,
        path: &["index", "installRecords"],
        file: Some(installs::PLUGIN_FILE),
        is_in_npm: true,
    },
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

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn what_is_not_shown_is_not_called_sound() {
        let records = r#"{a: {source: "npm", spec: "a@1.2.3", integrity: "x"}}"#;
        let host = MemoryHost::new(&"{plugins: {installs: RECORDS}}".replace("RECORDS", records));
        assert_eq!(host.ids(audit), [""; 0]);
        let open = |check: &str| format!("plugins.installs_{check}:not assessed");
        let all = ["unpinned_npm_specs", "missing_integrity", "version_drift"].map(open);
        assert_eq!(host.clone().withhold("/plugins/installs").ids(audit), all);
        let hidden =
            |key: &str| host.clone().hide(&format!("/plugins/installs/a/{key}"), Hidden::Variable).ids(audit);
        assert_eq!(hidden("source"), all);
        assert_eq!(hidden("spec"), [open("unpinned_npm_specs")]);
        assert_eq!(hidden("integrity"), [open("missing_integrity")]);
    }
}
