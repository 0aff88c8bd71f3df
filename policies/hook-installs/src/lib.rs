//! Hooks from npm that can change without anyone noticing.

use chitin_policy_sdk::openclaw::installs::{self, Installs, Stored};
use chitin_policy_sdk::{Context, Verdict};

const HOOKS: Installs = Installs {
    title: "Hook",
    command: "openclaw hooks",
    records: "hooks.internal.installs",
    view: "hook-package",
    folder: "hooks",
    // Reference: releases/changes, 2026.8.1.
    stored: Stored {
        since: (2026, 8, 1),
        key: installs::HOOK_RECORDS,
        path: &[],
        file: None,
        is_in_npm: false,
    },
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

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn what_is_not_shown_is_not_called_sound() {
        let records = r#"{a: {source: "npm", spec: "a@1.2.3", integrity: "x"}}"#;
        let host = MemoryHost::new(&"{hooks: {internal: {installs: RECORDS}}}".replace("RECORDS", records));
        assert_eq!(host.ids(audit), [""; 0]);
        let open = |check: &str| format!("hooks.installs_{check}:not assessed");
        let all = ["unpinned_npm_specs", "missing_integrity", "version_drift"].map(open);
        assert_eq!(host.clone().withhold("/hooks/internal/installs").ids(audit), all);
        let hidden = |key: &str| {
            host.clone().hide(&format!("/hooks/internal/installs/a/{key}"), Hidden::Variable).ids(audit)
        };
        assert_eq!(hidden("source"), all);
        assert_eq!(hidden("spec"), [open("unpinned_npm_specs")]);
        assert_eq!(hidden("integrity"), [open("missing_integrity")]);
    }
}
