//! Skills whose code can do harm. One run sees one skill.

use std::collections::BTreeSet;

use chitin_policy_sdk::scan::{self, Words};
use chitin_policy_sdk::{Context, Verdict};

/// Scans the skill.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut findings = Vec::new();
    for view in cx.views().iter().filter(|view| view.name.starts_with("skill/")) {
        let scan = scan::folder(cx, &view.name, &BTreeSet::new());
        let name = view.display.rsplit('/').next().unwrap_or_default();
        let removal = format!("delete the folder {}", view.display);
        let words = Words { check: "skills.code_safety", what: "Skill", name, removal: &removal };
        findings.extend(scan::findings(cx, &scan, &words));
    }
    Ok(findings)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn a_skill_is_judged_by_its_scripts() {
        let skill = MemoryHost::new("{}").view("skill/0", "/w/skills/foo").directory("skill/0", "", 0o755);
        let skill = skill.file("skill/0", "SKILL.md", 0o644, "eval(x)");
        assert_eq!(skill.ids(audit), [""; 0]);
        let skill = skill.file("skill/0", "scripts/run.js", 0o644, "eval(x)");
        assert_eq!(skill.ids(audit), ["skills.code_safety:critical"]);
        let findings = skill.run(audit).unwrap();
        assert!(findings[0].title.contains("foo"), "{}", findings[0].title);
        assert!(findings[0].remediation.as_ref().unwrap().contains("/w/skills/foo"));
    }
}
