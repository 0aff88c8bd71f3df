//! Zalo groups that are let in by a name that others can take.

use chitin_policy_sdk::openclaw::channels::{self, Account, judge, told};
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, finding, js, listing,
};

const CHECK: &str = "channels.zalouser.groups.mutable_entries";

/// So many groups are named and pointed at; the others are counted.
const EXAMPLES: usize = 5;

/// Looks at the groups of each account.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    match channels::find(cx, "zalouser") {
        Ok(None) => {}
        Ok(Some(channel)) => {
            judge(&mut answer, CHECK, &channel.accounts, named_groups, |(by_choice, groups), sharing| {
                let (who, note) = told(sharing);
                let mut names: Vec<String> = groups.iter().map(Node::dotted).collect();
                let more = names.len().saturating_sub(EXAMPLES);
                names.truncate(EXAMPLES);
                if more > 0 {
                    names.push(format!("{more} more"));
                }
                let (severity, effect, cure) = if by_choice {
                    (
                        Severity::Info,
                        "dangerouslyAllowNameMatching is true, so that a group of such a name is let in, whoever gave it that name",
                        "Write each by its id, such as \"group:123\", and set dangerouslyAllowNameMatching to false",
                    )
                } else {
                    (
                        Severity::Warn,
                        "groups are let in by their ids alone, so that such an entry lets nobody in, though it looks as if it did",
                        "Write each by its id, such as \"group:123\", or remove it",
                    )
                };
                let start = finding(CHECK, severity, "Zalo groups are written by name instead of by id")
                    .detail(format!("{}{who}: {effect}.{note}", listing::words(&names)))
                    .remediation(cure);
                groups.iter().take(EXAMPLES).fold(start, Finding::at)
            });
        }
        Err(reason) => answer.leave_open(CHECK, reason),
    }
    Ok(answer)
}

/// The groups of an account that are written by name, and whether names are meant to count.
fn named_groups<'a>(account: &Account<'a>) -> Result<Option<(bool, Vec<Node<'a>>)>, NotAssessed> {
    let groups = account.get("groups")?.entries()?.filter(|(key, _)| is_name(key));
    let groups: Vec<Node<'_>> = groups.map(|(_, group)| group).collect();
    if groups.is_empty() {
        return Ok(None);
    }
    Ok(Some((account.get("dangerouslyAllowNameMatching")?.is_true()?, groups)))
}

/// It is no id: digits, or what follows "g-"; with prefixes or without.
fn is_name(key: &str) -> bool {
    let key = js::trim(key);
    if key == "*" {
        return false;
    }
    let without = |text: &str, prefixes: &[&str]| {
        let found = prefixes.iter().find_map(|prefix| {
            let (start, rest) = text.split_at_checked(prefix.len())?;
            start.eq_ignore_ascii_case(prefix).then(|| rest.to_owned())
        });
        found.unwrap_or_else(|| text.to_owned())
    };
    let id = without(&without(key, &["zalouser:", "zlu:"]), &["group:"]);
    let is_number = id.bytes().all(|byte| byte.is_ascii_digit());
    let start = id.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("g-"));
    let is_native = start && id.len() > 2 && !id.contains(js::is_space);
    !is_number && !is_native
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::{EXAMPLES, audit, is_name};

    const FOUND: [&str; 1] = ["channels.zalouser.groups.mutable_entries:warn"];
    const OPEN: [&str; 1] = ["channels.zalouser.groups.mutable_entries:not assessed"];
    const NOTHING: [&str; 0] = [];

    fn host(section: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{channels: {{zalouser: {section}}}}}")).release(2026, 9, 6)
    }

    #[test]
    fn names_are_told_from_ids() {
        for id in ["5", "group:5", "zlu:group:5", "Zalouser:g-a1", "G-x", "*", "", "group:", "zlu:"] {
            assert!(!is_name(id), "{id}");
        }
        for name in ["friends", "group:friends", "g-", "g-a b", "-5", "5a", "zlu:x"] {
            assert!(is_name(name), "{name}");
        }
    }

    #[test]
    fn a_group_by_name_lets_nobody_in_or_anybody() {
        assert_eq!(host("{groups: {friends: {}}}").ids(audit), FOUND);
        assert_eq!(host("{accounts: {a: {groups: {friends: {}}}, b: {}}}").ids(audit), FOUND);
        let by_choice = host("{groups: {friends: {}}, dangerouslyAllowNameMatching: true}").ids(audit);
        assert_eq!(by_choice, ["channels.zalouser.groups.mutable_entries:info"]);
        for silent in ["{}", r#"{groups: {"5": {}, "*": {}}}"#, r#"{groups: ["friends"]}"#, "{groups: 5}"] {
            assert_eq!(host(silent).ids(audit), NOTHING, "{silent}");
        }
    }

    #[test]
    fn many_groups_are_counted() {
        let found =
            host("{groups: {a: {}, b: {}, c: {}, d: {}, e: {}, f: {}, h: {}}}").findings(audit).remove(0);
        assert!(found.detail.contains("groups.e and 2 more:"), "{}", found.detail);
        assert_eq!(found.locations.len(), EXAMPLES);
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let withheld = r#"{"$hidden": "withheld"}"#;
        assert_eq!(host(&format!("{{groups: {withheld}}}")).ids(audit), OPEN);
        let switch = format!("{{groups: {{a: {{}}}}, dangerouslyAllowNameMatching: {withheld}}}");
        assert_eq!(host(&switch).ids(audit), OPEN);
        let unused = format!("{{groups: {{}}, dangerouslyAllowNameMatching: {withheld}}}");
        assert_eq!(host(&unused).ids(audit), NOTHING);
        assert_eq!(host("{}").withhold("/channels").ids(audit), OPEN);
    }
}
