//! Elevated tools that too many people may use.

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, critical, js, warn};

/// A longer list is reported (reference: config-checks 6).
const LARGE: usize = 25;
/// The entry that lets everybody in.
const EVERYONE: &str = "*";

/// Looks at who may use elevated tools, channel by channel.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let elevated = cx.config().at("tools.elevated");
    let mut answer = Answer::new();
    let is_off = elevated.get("enabled").is_false();
    if is_off == Ok(true) {
        return Ok(answer);
    }
    let lists = match elevated.get("allowFrom").entries() {
        Ok(lists) => lists,
        Err(reason) => {
            let ids = checks("*");
            answer.checks(&[&ids[0], &ids[1]], Err::<Option<Finding>, _>(reason));
            return Ok(answer);
        }
    };
    // No channel has an empty name, so nobody comes in by such an entry.
    for (channel, list) in lists.filter(|(channel, _)| !channel.is_empty()) {
        let ids = checks(channel);
        // Look at the list first: where it is fine, the switch does not matter.
        let verdict = match too_many(cx, channel, &list) {
            Ok(Some(finding)) => is_off.clone().map(|_| Some(finding)),
            other => other,
        };
        answer.checks(&[&ids[0], &ids[1]], verdict);
    }
    Ok(answer)
}

/// The ids of both checks of a channel.
fn checks(channel: &str) -> [String; 2] {
    ["wildcard", "large"].map(|name| format!("tools.elevated.allowFrom.{channel}.{name}"))
}

fn too_many(cx: &Context<'_>, channel: &str, list: &Node<'_>) -> Result<Option<Finding>, NotAssessed> {
    let (mut senders, mut open) = (0, None);
    for item in list.items()? {
        match sender(cx, &item) {
            Ok(Sender::Everyone) => return Ok(Some(wildcard(channel, &item))),
            Ok(Sender::Someone) => senders += 1,
            Ok(Sender::Nobody) => {}
            Err(reason) => open = open.or(Some(reason)),
        }
    }
    // Whether the list is a long one depends on whether it has a wildcard.
    match open {
        Some(reason) => Err(reason),
        None => Ok((senders > LARGE).then(|| large(channel, list, senders))),
    }
}

/// Who comes in by an entry.
enum Sender {
    Everyone,
    Someone,
    Nobody,
}

/// The gateway makes a text of each entry, and passes over blank ones.
fn sender(cx: &Context<'_>, item: &Node<'_>) -> Result<Sender, NotAssessed> {
    let reason = match item.string() {
        Ok(text) => {
            return Ok(match js::trim(&text.unwrap_or_default()) {
                "" => Sender::Nobody,
                EVERYONE => Sender::Everyone,
                _ => Sender::Someone,
            });
        }
        Err(reason) => reason,
    };
    // A hidden text can only be the wildcard where it has one character.
    match cx.measures(item, reason.clone())?.units {
        0 => Ok(Sender::Nobody),
        1 => Err(reason),
        _ => Ok(Sender::Someone),
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
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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
        assert_eq!(host.findings(audit)[0].locations, [place]);
    }

    #[test]
    fn a_list_where_the_channels_belong_lets_nobody_in() {
        assert_eq!(host(r#"{allowFrom: [["*"]]}"#).ids(audit), NOTHING);
        assert_eq!(host(r#""*""#).ids(audit), NOTHING);
    }

    #[test]
    fn a_hidden_sender_counts_and_may_be_everyone_by_its_length_alone() {
        const BOTH: [&str; 2] = [
            "tools.elevated.allowFrom.telegram.wildcard:not assessed",
            "tools.elevated.allowFrom.telegram.large:not assessed",
        ];
        let hidden = |list: &str| {
            let host = host(&format!("{{allowFrom: {{telegram: {list}, irc: [\"*\"]}}}}"));
            let mut ids = host.hide("/tools/elevated/allowFrom/telegram/0", Hidden::Variable).ids(audit);
            assert_eq!(ids.remove(0), "tools.elevated.allowFrom.irc.wildcard:critical");
            ids
        };
        assert_eq!(hidden(r#"["someone"]"#), NOTHING);
        assert_eq!(hidden(r#"["*"]"#), BOTH);
        assert_eq!(hidden(r#"["x"]"#), BOTH);
        assert_eq!(hidden(&many(25).replacen('[', r#"["  ","#, 1)), NOTHING, "blank");
    }

    #[test]
    fn a_hidden_sender_is_one_of_many() {
        let list = many(25).replacen('[', r#"["someone","#, 1);
        let host = host(&format!("{{allowFrom: {{telegram: {list}}}}}"));
        let ids = host.hide("/tools/elevated/allowFrom/telegram/0", Hidden::Variable).ids(audit);
        assert_eq!(ids, ["tools.elevated.allowFrom.telegram.large:warn"]);
    }

    #[test]
    fn a_wildcard_that_is_shown_decides() {
        let host = host(r#"{allowFrom: {telegram: ["x", "*"]}}"#);
        let ids = host.hide("/tools/elevated/allowFrom/telegram/0", Hidden::Variable).ids(audit);
        assert_eq!(ids, ["tools.elevated.allowFrom.telegram.wildcard:critical"]);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let open = |channel: &str| checks(channel).map(|id| format!("{id}:not assessed"));
        let host = || host(r#"{allowFrom: {telegram: ["*"], irc: ["a"]}}"#);
        assert_eq!(host().withhold("/tools").ids(audit), open("*"));
        assert_eq!(host().withhold("/tools/elevated/allowFrom").ids(audit), open("*"));
        assert_eq!(host().withhold("/tools/elevated/enabled").ids(audit), open("telegram"));
        let one = host().withhold("/tools/elevated/allowFrom/telegram");
        assert_eq!(one.ids(audit), open("telegram"));
        let off = self::host("{enabled: false}").withhold("/tools/elevated/allowFrom");
        assert_eq!(off.ids(audit), NOTHING);
    }
}
