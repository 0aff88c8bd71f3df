//! The suppressions of the config that is audited. They are the target's word on itself, so they count only where the
//! operator says so; what they take out stays in the report, apart.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::audit::finding::Finding;
use crate::config::release::Release;
use crate::target::js_trim;

/// Where the list stands.
const LIST: &str = "/security/audit/suppressions";
/// The first release that knows the list: before, nobody honours it.
pub(super) const SINCE: Release = Release::new(2026, 5, 18);
/// The finding on the list itself, which no list takes out.
const ACTIVE: &str = "security.audit.suppressions.active";

/// A finding that was taken out.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Suppressed {
    /// The finding.
    #[serde(flatten)]
    pub finding: Finding,
    /// What took it out.
    pub suppression: Suppression,
}

/// Why a finding was taken out.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Suppression {
    /// Who says so.
    #[serde(default)]
    pub by: SuppressedBy,
    /// The reason that is given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,
    /// The last day on which it holds, such as "2027-01-31"; absent where it has no end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<String>,
}

/// Who takes a finding out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum SuppressedBy {
    /// The list of the config that is audited, where the operator lets it count.
    #[default]
    Config,
    /// The site, in chitin.toml.
    Settings,
    /// A comment in the config that is audited, where the operator lets such comments count.
    Comment,
}

impl SuppressedBy {
    /// The same in words.
    #[must_use]
    pub fn told(self) -> &'static str {
        match self {
            Self::Config => "the config's own list",
            Self::Settings => "the settings",
            Self::Comment => "a comment in the config",
        }
    }
}

/// The findings that the config's list does not take out. The first entry that fits gives the reason.
pub(super) fn apply(
    config: &Value,
    clean: &dyn Fn(&str) -> String,
    findings: Vec<Finding>,
    suppressed: &mut Vec<Suppressed>,
) -> Vec<Finding> {
    let list = config.pointer(LIST).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut kept = Vec::new();
    for finding in findings {
        match list.iter().find(|entry| finding.check_id != ACTIVE && fits(entry, &finding)) {
            Some(entry) => {
                let reason = text(entry, "reason").map(clean);
                let suppression = Suppression { reason, ..Suppression::default() };
                suppressed.push(Suppressed { finding, suppression });
            }
            None => kept.push(finding),
        }
    }
    kept
}

/// The id is the same letter by letter, and the title and the detail have what the entry asks for, in any case.
fn fits(entry: &Value, finding: &Finding) -> bool {
    let has = |key: &str, whole: &str| {
        text(entry, key).is_none_or(|part| whole.to_lowercase().contains(&part.to_lowercase()))
    };
    text(entry, "checkId") == Some(&finding.check_id)
        && has("titleIncludes", &finding.title)
        && has("detailIncludes", &finding.detail)
}

fn text<'v>(entry: &'v Value, key: &str) -> Option<&'v str> {
    entry.get(key).and_then(Value::as_str).map(js_trim).filter(|text| !text.is_empty())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::audit::finding::Location;
    use crate::policy::manifest::Severity;

    fn finding(id: &str) -> Finding {
        Finding {
            check_id: id.to_owned(),
            check: id.to_owned(),
            severity: Severity::Warn,
            declared_severity: None,
            title: "State directory is open".to_owned(),
            detail: "Mode 0755".to_owned(),
            remediation: None,
            policy: "p".to_owned(),
            origin: crate::audit::Origin::BuiltIn,
            locations: vec![Location::Env { name: "X".to_owned() }],
            fingerprint: String::new(),
            baseline_state: None,
            proposals: Vec::new(),
            fixes: Vec::new(),
        }
    }

    fn suppressed(list: &Value) -> Vec<(String, Option<String>)> {
        let config = json!({"security": {"audit": {"suppressions": list}}});
        let findings = vec![finding("a.b"), finding("a.bc"), finding(ACTIVE)];
        let mut out = Vec::new();
        let kept = apply(&config, &str::to_owned, findings, &mut out);
        assert_eq!(kept.len() + out.len(), 3);
        out.into_iter().map(|one| (one.finding.check_id, one.suppression.reason)).collect()
    }

    #[test]
    fn an_entry_takes_out_the_finding_of_its_very_id() {
        assert_eq!(
            suppressed(&json!([{"checkId": " a.b ", "reason": " x "}, {"checkId": "a.b", "reason": "y"}])),
            [("a.b".to_owned(), Some("x".to_owned()))]
        );
        for list in [
            json!([]),
            json!([{"checkId": ""}, {}, 5]),
            json!([{"checkId": "A.B"}]),
            json!([{"checkId": "a.*"}]),
            json!({"checkId": "a.b"}),
        ] {
            assert!(suppressed(&list).is_empty(), "{list}");
        }
    }

    #[test]
    fn title_and_detail_narrow_it_in_any_case() {
        for (entry, fits) in [
            (json!({"checkId": "a.b", "titleIncludes": "STATE dir"}), true),
            (json!({"checkId": "a.b", "titleIncludes": " ", "detailIncludes": "0755"}), true),
            (json!({"checkId": "a.b", "titleIncludes": "config"}), false),
            (json!({"checkId": "a.b", "titleIncludes": "state", "detailIncludes": "0700"}), false),
        ] {
            assert_eq!(suppressed(&json!([entry])).len(), usize::from(fits), "{entry}");
        }
    }

    #[test]
    fn the_word_on_the_list_itself_stays() {
        assert!(suppressed(&json!([{"checkId": ACTIVE}])).is_empty());
    }
}
