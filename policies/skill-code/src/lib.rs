//! Skills whose code can do harm. One run sees one skill.

use chitin_policy_sdk::scan::{self, Words};
use chitin_policy_sdk::{Context, Verdict};

/// Scans the skill.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut findings = Vec::new();
    for view in cx.views().iter().filter(|view| view.name.starts_with("skill/")) {
        let scan = scan::folder(cx, &view.name, &[]);
        let name = view.display.rsplit('/').next().unwrap_or_default();
        let removal = format!("delete the folder {}", view.display);
        let words = Words { check: "skills.code_safety", what: "Skill", name, removal: &removal };
        findings.extend(scan::findings(cx, &scan, &words));
    }
    Ok(findings)
}

chitin_policy_sdk::policy!(audit);
