//! Skills whose code can do harm. One run sees one skill.

use std::collections::BTreeSet;

use chitin_policy_sdk::openclaw::scan::{self, Words};
use chitin_policy_sdk::{Answer, Context, Finding, Verdict};

const CHECKS: [&str; 2] = ["skills.code_safety", "skills.code_safety.scan_failed"];

/// What a scan needs.
const NEEDED: [&str; 3] = ["stat:skill/**", "list:skill/**", "read:skill/**"];

/// Scans the skill.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    if let Some(reason) = NEEDED.iter().find_map(|capability| cx.granted(capability).err()) {
        answer.checks(&CHECKS, Err::<Option<Finding>, _>(reason));
        return Ok(answer);
    }
    for view in cx.views().iter().filter(|view| view.name.starts_with("skill/")) {
        let scan = scan::folder(cx, &view.name, &BTreeSet::new());
        let name = view.display.rsplit('/').next().unwrap_or_default();
        let removal = format!("delete the folder {}", view.display);
        let words = Words { check: "skills.code_safety", what: "Skill", name, removal: &removal };
        scan::tell(cx, &scan, &words, &mut answer);
    }
    Ok(answer)
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
        let findings = skill.findings(audit);
        assert!(findings[0].title.contains("foo"), "{}", findings[0].title);
        assert!(findings[0].remediation.as_ref().unwrap().contains("/w/skills/foo"));
    }

    #[test]
    fn what_is_not_scanned_leaves_the_check_open() {
        let skill = MemoryHost::new("{}").view("skill/0", "/w/skills/foo").directory("skill/0", "", 0o755);
        let denied = skill.clone().file("skill/0", "b.js", 0o644, "eval(x)").deny("skill/0", "a.js");
        let expected = [
            "skills.code_safety.scan_failed:warn",
            "skills.code_safety:critical",
            "skills.code_safety:not assessed",
        ];
        assert_eq!(denied.ids(audit), expected);
        for capability in NEEDED {
            let open = CHECKS.map(|check| format!("{check}: withheld {capability}"));
            assert_eq!(skill.clone().ungranted(capability).unassessed(audit), open);
        }
    }
}
