//! Elevated tools where strangers in open groups can speak to an agent.

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, critical, listing};

const ID: &str = "security.exposure.open_groups_with_elevated";

/// Compares who may speak in groups with whether elevated tools are on.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let elevated = config.at("tools.elevated.enabled");
    let mut answer = Answer::new();
    let is_off = elevated.is_false();
    if is_off == Ok(true) {
        return Ok(answer);
    }
    let groups = groups(&config.get("channels"));
    if !groups.open.is_empty() {
        answer.check(ID, is_off.map(|_| [finding(&groups.open, &elevated)]));
    }
    for reason in groups.unseen {
        answer.leave_open(ID, reason);
    }
    Ok(answer)
}

fn finding(open: &[Node<'_>], elevated: &Node<'_>) -> Finding {
    let names: Vec<String> = open.iter().map(Node::dotted).collect();
    critical(ID, "Everyone in open groups can talk to an agent with elevated tools")
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
        .at_all([elevated])
}

/// The group policies of all channels and of their accounts.
#[derive(Default)]
struct Groups<'a> {
    /// Those that are exactly "open".
    open: Vec<Node<'a>>,
    /// Why others are not known: one reason for each channel.
    unseen: Vec<NotAssessed>,
}

fn groups<'a>(channels: &Node<'a>) -> Groups<'a> {
    let mut groups = Groups::default();
    match members(channels) {
        Ok(channels) => channels.iter().for_each(|channel| groups.add(channel)),
        Err(reason) => groups.unseen.push(reason),
    }
    groups
}

impl<'a> Groups<'a> {
    fn add(&mut self, channel: &Node<'a>) {
        let mut unseen = None;
        let mut places = vec![channel.clone()];
        match members(&channel.get("accounts")) {
            Ok(accounts) => places.extend(accounts),
            Err(reason) => unseen = Some(reason),
        }
        for policy in places.iter().map(|place| place.get("groupPolicy")) {
            match policy.text() {
                Ok(Some("open")) => self.open.push(policy),
                Ok(_) => {}
                Err(reason) => unseen = unseen.or(Some(reason)),
            }
        }
        self.unseen.extend(unseen);
    }
}

/// The members of an object, or the items of a list, which the reference takes for one.
fn members<'a>(node: &Node<'a>) -> Result<Vec<Node<'a>>, NotAssessed> {
    Ok(node.entries()?.map(|(_, member)| member).chain(node.items()?).collect())
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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

    const UNSEEN: &str = "security.exposure.open_groups_with_elevated:not assessed";

    fn texts(host: &MemoryHost) -> Vec<String> {
        host.unassessed(audit).iter().map(|text| text.replace(&format!("{ID}: "), "")).collect()
    }

    #[test]
    fn a_hidden_policy_leaves_its_channel_open_and_no_other() {
        const HIDDEN: &str = r#"{"$hidden": "variable"}"#;
        for (section, expected) in [
            ("{groupPolicy: HIDDEN}", [UNSEEN].as_slice()),
            ("{groupPolicy: HIDDEN, accounts: {a: {groupPolicy: HIDDEN}}}", &[UNSEEN]),
            ("{accounts: {a: {groupPolicy: HIDDEN}}}", &[UNSEEN]),
            ("{accounts: [{groupPolicy: HIDDEN}]}", &[UNSEEN]),
            (r#"{groupPolicy: "open", accounts: {a: {groupPolicy: HIDDEN}}}"#, &[OPEN[0], UNSEEN]),
            (r#"{groupPolicy: HIDDEN, accounts: {a: {groupPolicy: "open"}}}"#, &[OPEN[0], UNSEEN]),
            // A text has no policy in it.
            ("HIDDEN", &[]),
            ("{accounts: HIDDEN}", &[]),
            ("{accounts: {a: HIDDEN}}", &[]),
        ] {
            let section = section.replace("HIDDEN", HIDDEN);
            assert_eq!(channels(&format!("{{brought: {section}}}")), expected, "{section}");
            let beside = format!(r#"{{brought: {section}, irc: {{groupPolicy: "open"}}}}"#);
            let unseen = expected.iter().filter(|id| **id == UNSEEN);
            let both: Vec<&str> = OPEN.iter().chain(unseen).copied().collect();
            assert_eq!(channels(&beside), both, "{beside}");
        }
    }

    #[test]
    fn each_channel_that_is_not_known_is_named() {
        let host = MemoryHost::new(r#"{channels: {a: {groupPolicy: "x"}, b: {groupPolicy: "open"}, c: {}}}"#)
            .hide("/channels/a/groupPolicy", Hidden::Variable)
            .withhold("/channels/c/groupPolicy");
        assert_eq!(texts(&host), ["hidden variable", "withheld config:/channels/c/groupPolicy"]);
        let answer = host.run(audit).expect("an answer");
        let place = |pointer: &str| Some(Location::Config(pointer.to_owned()));
        assert_eq!(answer.unassessed[0].location, place("/channels/a/groupPolicy"));
        assert_eq!(answer.findings[0].locations.first().cloned(), place("/channels/b/groupPolicy"));
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let config = |elevated: &str| {
            let tools = format!("tools: {{elevated: {{enabled: {elevated}}}}}");
            MemoryHost::new(&format!(
                r#"{{channels: {{x: {{groupPolicy: "open", accounts: {{a: {{groupPolicy: "open"}}}}}}}}, {tools}}}"#
            ))
        };
        for (pointer, expected) in [
            ("/channels", [UNSEEN].as_slice()),
            ("/channels/x", &[UNSEEN]),
            ("/channels/x/groupPolicy", &[OPEN[0], UNSEEN]),
            ("/channels/x/accounts", &[OPEN[0], UNSEEN]),
            ("/channels/x/accounts/a", &[OPEN[0], UNSEEN]),
            ("/tools", &[UNSEEN]),
            ("/tools/elevated/enabled", &[UNSEEN]),
        ] {
            assert_eq!(config("true").withhold(pointer).ids(audit), expected, "{pointer}");
            if pointer.starts_with("/channels") {
                assert_eq!(config("false").withhold(pointer).ids(audit), NOTHING, "{pointer}");
            }
        }
    }

    #[test]
    fn endless_channels_that_are_not_known_make_an_answer_that_the_runner_takes() {
        let hidden: Vec<String> =
            (0..500).map(|n| format!(r#"a{n}: {{groupPolicy: {{"$hidden": "variable"}}}}"#)).collect();
        let host = MemoryHost::new(&format!(
            r#"{{channels: {{{}, z: {{groupPolicy: "open"}}}}}}"#,
            hidden.join(", ")
        ));
        let answer = host.run(audit).expect("an answer");
        assert_eq!(answer.findings.len(), 1);
        assert!((1..100).contains(&answer.unassessed.len()));
    }

    #[test]
    fn where_no_group_is_open_elevated_tools_do_not_count() {
        let config = r#"{channels: {x: {groupPolicy: "allowlist"}}, tools: {elevated: {}}}"#;
        assert_eq!(MemoryHost::new(config).withhold("/tools/elevated/enabled").ids(audit), NOTHING);
    }

    #[test]
    fn elevated_tools_that_a_variable_sets_are_on() {
        let config = r#"{channels: {x: {groupPolicy: "open"}}, tools: {elevated: {enabled: "false"}}}"#;
        let host = MemoryHost::new(config).hide("/tools/elevated/enabled", Hidden::Variable);
        assert_eq!(host.ids(audit), OPEN, "it gives a text, which is not false");
    }
}
