//! Findings that the audited config itself asks to leave out.

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, info, listing};

const ID: &str = "security.audit.suppressions.active";

/// Most entries that are named.
const NAMED: usize = 20;

/// Finds a list of suppressions.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.check(ID, active(&cx.config().at("security.audit.suppressions")));
    Ok(answer)
}

fn active(list: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let entries: Vec<Node<'_>> = list.items()?.collect();
    if entries.is_empty() {
        return Ok(None);
    }
    let lines = entries.iter().take(NAMED).map(line).collect::<Result<Vec<_>, _>>()?;
    let finding = info(ID, "Config asks to leave out findings of audits")
        .detail(format!(
            "security.audit.suppressions has {} {}. Whoever can write the config can hide findings that way; this audit leaves \
             nothing out unless its operator said to honour the list.",
            entries.len(),
            if entries.len() == 1 { "entry" } else { "entries" },
        ))
        .list(&lines, entries.len().saturating_sub(NAMED))
        .remediation("Read the list, and take out what nobody can explain any more")
        .at(list);
    Ok(Some(finding))
}

/// What an entry suppresses, and why.
fn line(entry: &Node<'_>) -> Result<String, NotAssessed> {
    let text = |key: &str| -> Result<Option<String>, NotAssessed> {
        Ok(entry.get(key).trimmed()?.map(listing::one_line))
    };
    let id = text("checkId")?.unwrap_or_else(|| "(no checkId)".to_owned());
    Ok(match text("reason")? {
        Some(reason) => format!("{id}: {reason}"),
        None => format!("{id}: no reason given"),
    })
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn host(list: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{security: {{audit: {{suppressions: {list}}}}}}}")).release(2026, 9, 6)
    }

    #[test]
    fn a_list_that_is_not_empty_is_told_with_its_reasons() {
        let finding =
            host(r#"[{checkId: "a.b", reason: " known "}, {checkId: "c"}, 5]"#).findings(audit).remove(0);
        assert!(finding.detail.contains("has 3 entries"));
        for line in ["a.b: known", "c: no reason given", "(no checkId)"] {
            assert!(finding.detail.contains(line), "{}", finding.detail);
        }
    }

    #[test]
    fn nothing_and_what_is_no_list_suppress_nothing() {
        for list in ["[]", "{}", "null", "true"] {
            assert!(host(list).ids(audit).is_empty(), "{list}");
        }
    }

    #[test]
    fn endless_entries_make_one_finding() {
        let list = vec![r#"{checkId: "a"}"#; 500].join(",");
        assert_eq!(host(&format!("[{list}]")).ids(audit), ["security.audit.suppressions.active:info"]);
    }

    #[test]
    fn a_list_that_was_not_granted_is_not_judged() {
        let withheld = host("[]").withhold("/security/audit/suppressions");
        assert_eq!(withheld.ids(audit), ["security.audit.suppressions.active:not assessed"]);
    }
}
