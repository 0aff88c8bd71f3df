//! Elevated tools that too many people may use.

use chitin_policy_sdk::{Context, Finding, Node, Verdict, critical, js, warn};

/// A longer list is reported (reference: config-checks 6).
const LARGE: usize = 25;

/// Looks at who may use elevated tools, channel by channel.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let elevated = cx.config().at("tools.elevated");
    if elevated.get("enabled").is_false() {
        return Ok(Vec::new());
    }
    let allow_from = elevated.get("allowFrom");
    // No channel has an empty name, so nobody comes in by such an entry.
    let lists = allow_from.entries().filter(|(channel, _)| !channel.is_empty());
    Ok(lists.filter_map(|(channel, list)| too_many(channel, &list)).collect())
}

fn too_many(channel: &str, list: &Node<'_>) -> Option<Finding> {
    // The gateway makes a text of each entry, and passes over blank ones.
    let text = |item: &Node<'_>| item.value().map(|value| js::trim(&js::string(value)).to_owned());
    let senders: Vec<(Node<'_>, String)> = list
        .items()
        .filter_map(|item| text(&item).map(|text| (item, text)))
        .filter(|(_, text)| !text.is_empty())
        .collect();
    match senders.iter().find(|(_, text)| text == "*") {
        Some((everyone, _)) => Some(wildcard(channel, everyone)),
        None => (senders.len() > LARGE).then(|| large(channel, list, senders.len())),
    }
}

fn wildcard(channel: &str, everyone: &Node<'_>) -> Finding {
    let id = format!("tools.elevated.allowFrom.{channel}.wildcard");
    critical(&id, "Everyone on a channel may use elevated tools")
        .detail(format!(
            "tools.elevated.allowFrom.{channel} lists \"*\": whoever can write to an agent on that channel can have it run \
             commands on the gateway's host, outside of any sandbox."
        ))
        .remediation(format!(
            "Replace \"*\" in tools.elevated.allowFrom.{channel} by the ids of the people who administer this machine, or \
             set tools.elevated.enabled to false"
        ))
        .at(everyone)
}

fn large(channel: &str, list: &Node<'_>, senders: usize) -> Finding {
    let id = format!("tools.elevated.allowFrom.{channel}.large");
    warn(&id, "Many senders of a channel may use elevated tools")
        .detail(format!(
            "tools.elevated.allowFrom.{channel} lists {senders} senders, more than {LARGE}: each of them, and whoever takes \
             over one of their accounts, can have an agent run commands on the gateway's host, outside of any sandbox."
        ))
        .remediation(format!(
            "Remove from tools.elevated.allowFrom.{channel} whoever does not administer this machine"
        ))
        .at(list)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(elevated: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{tools: {{elevated: {elevated}}}}}"))
    }

    fn ids(list: &str) -> Vec<String> {
        host(&format!("{{allowFrom: {{telegram: {list}}}}}")).ids(audit)
    }

    fn many(count: usize) -> String {
        format!("[{}]", vec!["\"x\""; count].join(", "))
    }

    #[test]
    fn a_star_of_its_own_is_everyone() {
        for list in [r#"["*"]"#, r#"["a", " * ", "b"]"#, r#"[["*"]]"#] {
            assert_eq!(ids(list), ["tools.elevated.allowFrom.telegram.wildcard:critical"], "{list}");
        }
        for list in [r#"["telegram:*"]"#, r#"["a*"]"#, r#"["**"]"#, r#""*""#, r#"{"a": "*"}"#, "null", "[]"] {
            assert_eq!(ids(list), NOTHING, "{list}");
        }
    }

    #[test]
    fn twenty_five_senders_are_few_and_one_more_is_many() {
        assert_eq!(ids(&many(25)), NOTHING);
        assert_eq!(ids(&many(26)), ["tools.elevated.allowFrom.telegram.large:warn"]);
        assert_eq!(ids(&many(25).replacen('[', r#"["", "  ", [], "#, 1)), NOTHING, "blank ones are none");
        assert_eq!(ids(&format!("[{}]", vec!["null"; 26].join(","))).len(), 1);
        let both = many(26).replace(']', r#", "*"]"#);
        assert_eq!(ids(&both), ["tools.elevated.allowFrom.telegram.wildcard:critical"]);
    }

    #[test]
    fn only_an_exact_false_switches_elevated_tools_off() {
        let ids = |enabled: &str| {
            host(&format!(r#"{{enabled: {enabled}, allowFrom: {{irc: ["*"]}}}}"#)).ids(audit).len()
        };
        assert_eq!((ids("false"), ids("true"), ids(r#""false""#), ids("null")), (0, 1, 1, 1));
    }

    #[test]
    fn each_channel_is_judged_by_itself_and_by_its_own_name() {
        let host = host(r#"{allowFrom: {"my.chat room": ["a", "*"], "": ["*"], irc: ["b"]}}"#);
        assert_eq!(host.ids(audit), ["tools.elevated.allowFrom.my.chat room.wildcard:critical"]);
        let place = Location::Config("/tools/elevated/allowFrom/my.chat room/1".to_owned());
        assert_eq!(host.run(audit).expect("a verdict")[0].locations, [place]);
    }

    #[test]
    fn a_list_where_the_channels_belong_lets_nobody_in() {
        assert_eq!(host(r#"{allowFrom: [["*"]]}"#).ids(audit), NOTHING);
        assert_eq!(host(r#""*""#).ids(audit), NOTHING);
    }
}
