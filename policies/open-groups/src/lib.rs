//! Elevated tools where strangers in open groups can speak to an agent.

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, critical, listing};

const CHECK: &str = "security.exposure.open_groups_with_elevated";

/// Compares who may speak in groups with whether elevated tools are on.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let mut answer = Answer::new();
    let elevated = config.at("tools.elevated.enabled");
    match elevated.is_false() {
        Ok(true) => return Ok(answer),
        Ok(false) => {}
        Err(reason) => {
            answer.leave_open(CHECK, reason);
            return Ok(answer);
        }
    }
    let mut policies = Policies::default();
    policies.add_channels(&config.get("channels"));
    answer.findings.extend(finding(&policies.open, &elevated));
    for reason in policies.unknown {
        answer.leave_open(CHECK, reason);
    }
    Ok(answer)
}

fn finding(open: &[Node<'_>], elevated: &Node<'_>) -> Option<Finding> {
    if open.is_empty() {
        return None;
    }
    let names: Vec<String> = open.iter().map(Node::dotted).collect();
    let finding = critical(CHECK, "Everyone in open groups can talk to an agent with elevated tools")
        .detail(format!(
            "{} {} \"open\" and tools.elevated.enabled is not false: whoever joins such a group can put words before the \
             agent, and one instruction that it obeys can run commands on this machine, outside any sandbox.",
            listing::words(&names),
            if names.len() == 1 { "is" } else { "are" }
        ))
        .remediation(
            "Set each groupPolicy that is named here to \"allowlist\", or set tools.elevated.enabled to false; keep the \
             lists in tools.elevated.allowFrom short",
        )
        .at_all(open)
        .at_all([elevated]);
    Some(finding)
}

/// The group policies of channels, and of their accounts.
#[derive(Default)]
struct Policies<'a> {
    /// Every one that is exactly "open".
    open: Vec<Node<'a>>,
    /// Why others cannot be told.
    unknown: Vec<NotAssessed>,
}

impl<'a> Policies<'a> {
    fn add_channels(&mut self, channels: &Node<'a>) {
        for channel in self.members(channels) {
            self.add(&channel);
            for account in self.members(&channel.get("accounts")) {
                self.add(&account);
            }
        }
    }

    fn add(&mut self, place: &Node<'a>) {
        let policy = place.get("groupPolicy");
        match policy.text() {
            Ok(Some("open")) => self.open.push(policy),
            Ok(_) => {}
            Err(reason) => self.unknown.push(reason),
        }
    }

    /// The members of an object, or the items of a list, which the reference takes for one.
    fn members(&mut self, node: &Node<'a>) -> Vec<Node<'a>> {
        let entries = node.entries().map(|entries| entries.map(|(_, member)| member));
        match (entries, node.items()) {
            (Ok(entries), Ok(items)) => entries.chain(items).collect(),
            (Err(reason), _) | (_, Err(reason)) => {
                self.unknown.push(reason);
                Vec::new()
            }
        }
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const OPEN: [&str; 1] = ["security.exposure.open_groups_with_elevated:critical"];
    const NOTHING: [&str; 0] = [];

    fn channels(channels: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{channels: {channels}}}")).ids(audit)
    }

    #[test]
    fn only_the_exact_word_opens_a_group() {
        for (policy, open) in [
            (r#""open""#, true),
            (r#""OPEN""#, false),
            (r#"" open""#, false),
            (r#""allowlist""#, false),
            ("true", false),
            ("null", false),
        ] {
            let ids = channels(&format!("{{telegram: {{groupPolicy: {policy}}}}}"));
            assert_eq!(ids.len(), usize::from(open), "{policy}");
        }
    }

    #[test]
    fn defaults_accounts_and_what_is_switched_off_count_too() {
        for text in [
            r#"{defaults: {groupPolicy: "open"}}"#,
            r#"{telegram: {groupPolicy: "open", enabled: false}}"#,
            r#"{telegram: {groupPolicy: "allowlist", accounts: {a: {groupPolicy: "open"}}}}"#,
            r#"{telegram: {accounts: [{groupPolicy: "open"}]}}"#,
            r#"[{groupPolicy: "open"}]"#,
        ] {
            assert_eq!(channels(text), OPEN, "{text}");
        }
    }

    #[test]
    fn wrong_types_are_passed_over() {
        for text in ["5", r#""open""#, r#"{x: "open", y: null, z: {accounts: {a: "open"}}}"#, "null"] {
            assert_eq!(channels(text), NOTHING, "{text}");
        }
    }

    #[test]
    fn elevated_tools_go_off_by_exactly_false_alone() {
        let ids = |enabled: &str| {
            let config = format!(
                r#"{{channels: {{x: {{groupPolicy: "open"}}}}, tools: {{elevated: {{enabled: {enabled}}}}}}}"#
            );
            MemoryHost::new(&config).ids(audit)
        };
        assert_eq!(ids("false"), NOTHING);
        for enabled in ["true", r#""false""#, "0", "null"] {
            assert_eq!(ids(enabled), OPEN, "{enabled}");
        }
    }

    #[test]
    fn each_open_policy_is_named_and_pointed_at() {
        let host = MemoryHost::new(
            r#"{channels: {"a/b": {groupPolicy: "open", accounts: {one: {groupPolicy: "open"}, two: {groupPolicy: "open"}}}}}"#,
        );
        let finding = host.findings(audit).remove(0);
        assert!(finding.detail.starts_with(
            "channels.a/b.groupPolicy, channels.a/b.accounts.one.groupPolicy and channels.a/b.accounts.two.groupPolicy are"
        ));
        let place = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(finding.locations[0], place("/channels/a~1b/groupPolicy"));
        assert_eq!(finding.locations[3], place("/tools/elevated/enabled"));
    }

    #[test]
    fn endless_accounts_make_one_finding_that_the_runner_takes() {
        let accounts: Vec<String> = (0..500).map(|n| format!(r#"a{n}: {{groupPolicy: "open"}}"#)).collect();
        let host =
            MemoryHost::new(&format!("{{channels: {{x: {{accounts: {{{}}}}}}}}}", accounts.join(", ")));
        let finding = host.findings(audit).remove(0);
        assert_eq!(finding.locations.len(), 100);
        assert!(finding.detail.contains("and 488 more are"));
    }

    #[test]
    fn a_policy_that_is_not_shown_costs_no_other_channel_its_verdict() {
        let not_assessed = format!("{CHECK}:not assessed");
        let (hidden, withheld) = (r#"{"$hidden": "variable"}"#, r#"{"$hidden": "withheld"}"#);
        let both = format!(r#"{{a: {{groupPolicy: {hidden}}}, b: {{groupPolicy: "open"}}}}"#);
        assert_eq!(channels(&both), [OPEN[0], &not_assessed]);
        for section in [
            withheld.to_owned(),
            format!("{{a: {withheld}}}"),
            format!(r#"{{a: {{accounts: {{x: {{groupPolicy: {hidden}}}}}}}}}"#),
        ] {
            let mut seen = channels(&section);
            seen.dedup();
            assert_eq!(seen, [not_assessed.as_str()], "{section}");
        }
        let open = r#"channels: {a: {groupPolicy: "open"}}"#;
        let elevated =
            |value: &str| MemoryHost::new(&format!("{{{open}, tools: {{elevated: {value}}}}}")).ids(audit);
        assert_eq!(elevated(withheld), [not_assessed.as_str()]);
        assert_eq!(
            MemoryHost::new(&format!("{{channels: {withheld}, tools: {{elevated: {{enabled: false}}}}}}"))
                .ids(audit),
            NOTHING
        );
    }
}
