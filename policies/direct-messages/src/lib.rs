//! Chat channels where strangers can write to the agent, or share a session with its owner.

use std::collections::BTreeSet;

use chitin_policy_sdk::channels::{self, Channel, shared};
use chitin_policy_sdk::pairing::{self, Paired};
use chitin_policy_sdk::{Context, Finding, Node, Path, Verdict, critical, info, senders, warn};

/// Looks at the direct messages of every account of every channel.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let scope = cx.config().at("session.dmScope");
    let mut findings = Vec::new();
    for channel in channels::all(cx)? {
        let accounts = pairing::read(cx, &channel)?;
        findings.extend(open(&channel, &accounts));
        findings.extend(open_invalid(&channel, &accounts));
        findings.extend(disabled(&channel, &accounts));
        findings.extend(shared_session(&channel, &accounts, &scope));
    }
    Ok(findings)
}

fn open(channel: &Channel<'_>, accounts: &[Paired<'_>]) -> Vec<Finding> {
    let (id, label) = (channel.kind.id, channel.kind.label);
    let finding = |(policy, sharing): (Node<'_>, Vec<&Paired<'_>>)| {
        let (path, (who, note)) = (policy.dotted(), told(&sharing));
        critical(&format!("channels.{id}.dm.open"), &format!("Anyone can write to the agent on {label}"))
            .detail(format!(
                "{path} is \"open\"{who}: every stranger who finds the bot can give the agent orders, and try to talk \
                 it into using its tools against its owner.{note}"
            ))
            .remediation(format!(
                "Set {path} to \"pairing\", or to \"allowlist\" with a list of senders that has no \"*\""
            ))
            .at(&policy)
    };
    shared(accounts, |paired| policy_is(paired, "open")).into_iter().map(finding).collect()
}

fn open_invalid<'a>(channel: &Channel<'_>, accounts: &[Paired<'a>]) -> Vec<Finding> {
    let (id, label) = (channel.kind.id, channel.kind.label);
    let unlisted = |paired: &Paired<'a>| {
        policy_is(paired, "open")?;
        let list = paired.account.direct_list();
        (!has_wildcard(&list)).then_some(list)
    };
    let finding = |(list, sharing): (Node<'_>, Vec<&Paired<'_>>)| {
        let (path, (who, note)) = (list.dotted(), told(&sharing));
        warn(
            &format!("channels.{id}.dm.open_invalid"),
            &format!("{label} direct messages are open, and its list of senders lacks \"*\""),
        )
        .detail(format!(
            "The policy for direct messages is \"open\"{who}, which takes a \"*\" in {path}, and there is none: policy \
             and list contradict each other, and who gets in is not what either of them says.{note}"
        ))
        .remediation(format!(
            "Set the policy to \"pairing\" or \"allowlist\", or add \"*\" to {path} if everyone may write"
        ))
        .at(&list)
    };
    shared(accounts, unlisted).into_iter().map(finding).collect()
}

fn disabled(channel: &Channel<'_>, accounts: &[Paired<'_>]) -> Vec<Finding> {
    let (id, label) = (channel.kind.id, channel.kind.label);
    let finding = |(policy, sharing): (Node<'_>, Vec<&Paired<'_>>)| {
        let (path, (who, note)) = (policy.dotted(), told(&sharing));
        info(&format!("channels.{id}.dm.disabled"), &format!("{label} direct messages are switched off"))
            .detail(format!(
                "{path} is \"disabled\"{who}: what people write to the bot directly is ignored.{note}"
            ))
            .at(&policy)
    };
    shared(accounts, |paired| policy_is(paired, "disabled")).into_iter().map(finding).collect()
}

/// Those who can write to an account.
#[derive(PartialEq)]
struct Crowd<'a> {
    /// The config's list, where it names somebody.
    list: Option<Node<'a>>,
    /// The stores that name somebody.
    stores: Vec<Path>,
    everyone: bool,
    number: usize,
}

impl<'a> Crowd<'a> {
    fn of(channel: &str, paired: &Paired<'a>) -> Self {
        let list = paired.account.direct_list();
        let listed: Vec<String> = list.items().filter_map(|item| item.id()).collect();
        let named = listed.iter().map(String::as_str).filter(|entry| *entry != "*").chain(paired.senders());
        let people: BTreeSet<String> = named
            .map(|entry| senders::normalise(channel, entry))
            .filter(|sender| !sender.is_empty())
            .collect();
        let filled = paired.stores.iter().filter(|store| store.has_wildcard || !store.senders.is_empty());
        Self {
            everyone: has_wildcard(&list) || paired.stores.iter().any(|store| store.has_wildcard),
            stores: filled.map(|store| store.path.clone()).collect(),
            list: (!listed.is_empty()).then_some(list),
            number: people.len(),
        }
    }
}

fn shared_session<'a>(channel: &Channel<'_>, accounts: &[Paired<'a>], scope: &Node<'_>) -> Vec<Finding> {
    let (id, label) = (channel.kind.id, channel.kind.label);
    // Only a scope that is another legal word keeps people apart.
    if scope.trimmed().is_some_and(|scope| scope != "main") {
        return Vec::new();
    }
    let several = |paired: &Paired<'a>| {
        let crowd = Crowd::of(id, paired);
        let is_on = policy_is(paired, "disabled").is_none();
        (is_on && (crowd.everyone || crowd.number > 1)).then_some(crowd)
    };
    let finding = |(crowd, sharing): (Crowd<'_>, Vec<&Paired<'_>>)| {
        let (who, note) = told(&sharing);
        let senders = if crowd.everyone { "Everyone".to_owned() } else { format!("{} people", crowd.number) };
        let start = warn(
            &format!("channels.{id}.dm.scope_main_multiuser"),
            &format!("Several {label} senders share one session"),
        )
        .detail(format!(
            "{senders} can write to the agent directly{who}, and session.dmScope is \"main\": all of them talk in the one \
             main session, where each can be told what the others said.{note}"
        ))
        .remediation(
            "Set session.dmScope to \"per-channel-peer\", or to \"per-account-channel-peer\" where a channel has \
             several accounts",
        );
        let listed = crowd.list.iter().fold(start, Finding::at);
        crowd.stores.iter().fold(listed, Finding::at_object).at(scope)
    };
    shared(accounts, several).into_iter().map(finding).collect()
}

/// The place of the account's policy, where it is this one.
fn policy_is<'a>(paired: &Paired<'a>, name: &str) -> Option<Node<'a>> {
    let policy = paired.account.direct_policy();
    (policy.text() == Some(name)).then_some(policy)
}

fn has_wildcard(list: &Node<'_>) -> bool {
    list.texts().any(|entry| entry == "*")
}

/// The same as [`channels::told`], which knows nothing of the switch for direct messages.
fn told(sharing: &[&Paired<'_>]) -> (String, &'static str) {
    let (who, note) = channels::told(sharing.iter().map(|paired| &paired.account));
    if sharing.iter().all(|paired| paired.account.get("dm").get("enabled").is_false()) {
        let note = " Direct messages are switched off at present (dm.enabled is false); this holds from the day they \
                    are switched on.";
        return (who, note);
    }
    (who, note)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Failure, Location};

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(channel: &str, section: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{channels: {{"{channel}": {section}}}}}"#))
    }

    /// The findings about a channel, without what their ids begin with.
    fn ids(channel: &str, section: &str) -> Vec<String> {
        let start = format!("channels.{channel}.dm.");
        let ids = host(channel, section).ids(audit);
        ids.iter().map(|id| id.strip_prefix(&start).expect("it is about the channel").to_owned()).collect()
    }

    fn findings(host: &MemoryHost) -> Vec<Finding> {
        host.run(audit).expect("a verdict")
    }

    fn at(pointer: &str) -> Location {
        Location::Config(pointer.to_owned())
    }

    const OPEN: [&str; 2] = ["open:critical", "scope_main_multiuser:warn"];

    #[test]
    fn every_channel_with_an_open_policy_is_open() {
        for channel in [
            "telegram",
            "whatsapp",
            "discord",
            "irc",
            "googlechat",
            "slack",
            "signal",
            "imessage",
            "msteams",
            "mattermost",
            "nextcloud-talk",
            "feishu",
            "bluebubbles",
            "zalo",
            "zalouser",
            "nostr",
            "line",
        ] {
            assert_eq!(ids(channel, r#"{dmPolicy: "open", allowFrom: ["*"]}"#), OPEN, "{channel}");
        }
        for channel in ["matrix", "discord", "slack", "googlechat"] {
            assert_eq!(ids(channel, r#"{dm: {policy: "open", allowFrom: ["*"]}}"#), OPEN, "{channel}");
        }
    }

    #[test]
    fn an_absent_policy_is_pairing_and_an_unknown_one_is_not_open() {
        for policy in
            ["", r#"dmPolicy: "pairing""#, r#"dmPolicy: "OPEN""#, "dmPolicy: true", "dmPolicy: null"]
        {
            assert_eq!(ids("telegram", &format!("{{{policy}}}")), NOTHING, "{policy}");
        }
    }

    #[test]
    fn an_open_policy_needs_a_star_in_the_list() {
        let invalid = ["open:critical", "open_invalid:warn"];
        for list in ["null", "[]", r#"["**"]"#, r#""*""#, r#"[["*"]]"#] {
            assert_eq!(
                ids("mattermost", &format!(r#"{{dmPolicy: "open", allowFrom: {list}}}"#)),
                invalid,
                "{list}"
            );
        }
        assert_eq!(ids("mattermost", r#"{dmPolicy: "open", allowFrom: [" * "]}"#), OPEN);
        let host = host("matrix", r#"{dm: {policy: "open"}, accounts: {a: {}, b: {dm: {policy: "open"}}}}"#);
        let findings = findings(&host);
        let places: Vec<&Location> = findings.iter().map(|finding| &finding.locations[0]).collect();
        let (first, second) = (at("/channels/matrix/dm/policy"), at("/channels/matrix/accounts/b/dm/policy"));
        assert_eq!(places, [&first, &second, &at("/channels/matrix/dm/allowFrom")]);
        assert!(findings[2].detail.contains("(accounts \"a\" and \"b\")"));
    }

    #[test]
    fn a_disabled_policy_ends_the_matter() {
        assert_eq!(
            ids("telegram", r#"{dmPolicy: "disabled", allowFrom: ["1", "2", "*"]}"#),
            ["disabled:info"]
        );
    }

    #[test]
    fn two_senders_in_the_main_session_are_one_too_many() {
        let scope = ["scope_main_multiuser:warn"];
        assert_eq!(ids("telegram", r#"{dmPolicy: "allowlist", allowFrom: [1, "2"]}"#), scope);
        assert_eq!(ids("telegram", r#"{allowFrom: ["*"]}"#), scope);
        for alone in [r#"["1"]"#, r#"["tg:1", 1, " telegram:1 "]"#, r#"["", " ", null, {}]"#, r#""1,2""#] {
            assert_eq!(ids("telegram", &format!("{{allowFrom: {alone}}}")), NOTHING, "{alone}");
        }
    }

    #[test]
    fn only_another_scope_keeps_senders_apart() {
        let with = |scope: &str| {
            let config =
                format!(r#"{{channels: {{telegram: {{allowFrom: ["1", "2"]}}}}, session: {scope}}}"#);
            MemoryHost::new(&config).ids(audit).len()
        };
        for apart in ["per-peer", "per-channel-peer", "per-account-channel-peer"] {
            assert_eq!(with(&format!(r#"{{dmScope: "{apart}"}}"#)), 0, "{apart}");
        }
        for main in [r#"{dmScope: "main"}"#, r#"{dmScope: ""}"#, "{dmScope: 5}", "null"] {
            assert_eq!(with(main), 1, "{main}");
        }
    }

    #[test]
    fn pairing_stores_count_also_those_of_an_account() {
        let store = |name: &str, list: &str| {
            let content = format!(r#"{{"allowFrom": {list}}}"#);
            host("telegram", r#"{allowFrom: ["1"], accounts: {Work: {}}}"#).file(
                "credentials",
                name,
                0o600,
                &content,
            )
        };
        let scope = ["channels.telegram.dm.scope_main_multiuser:warn"];
        assert_eq!(store("telegram-allowFrom.json", r#"["2"]"#).ids(audit), scope);
        assert_eq!(store("telegram-work-allowFrom.json", r#"["2"]"#).ids(audit), scope);
        assert_eq!(store("telegram-work-allowFrom.json", r#"["*"]"#).ids(audit), scope);
        assert_eq!(store("telegram-allowFrom.json", r#"["tg:1"]"#).ids(audit), NOTHING);
        assert_eq!(store("telegram-home-allowFrom.json", r#"["2"]"#).ids(audit), NOTHING);
        let found = findings(&store("telegram-work-allowFrom.json", r#"["2"]"#));
        let file = Location::Object(Path::new("credentials", "telegram-work-allowFrom.json"));
        assert_eq!(found[0].locations, [at("/channels/telegram/allowFrom"), file, at("/session/dmScope")]);
    }

    #[test]
    fn accounts_that_inherit_a_value_are_one_finding() {
        let section = r#"{dmPolicy: "open", allowFrom: ["*"],
            accounts: {a: {}, B: {}, c: {dmPolicy: "open"}, d: {dmPolicy: "pairing", allowFrom: []}}}"#;
        let findings = findings(&host("mattermost", section));
        let told: Vec<(&str, &Location)> =
            findings.iter().map(|finding| (finding.check_id.as_str(), &finding.locations[0])).collect();
        assert_eq!(
            told,
            [
                ("channels.mattermost.dm.open", &at("/channels/mattermost/dmPolicy")),
                ("channels.mattermost.dm.open", &at("/channels/mattermost/accounts/c/dmPolicy")),
                ("channels.mattermost.dm.scope_main_multiuser", &at("/channels/mattermost/allowFrom")),
            ]
        );
        assert!(findings[0].detail.contains("\"open\" (accounts \"a\" and \"B\"):"));
        assert!(findings[2].detail.contains("(accounts \"a\", \"B\" and \"c\")"));
    }

    #[test]
    fn an_older_value_that_is_shadowed_is_not_reported() {
        assert_eq!(ids("discord", r#"{dmPolicy: "pairing", dm: {policy: "open"}}"#), NOTHING);
        assert_eq!(ids("slack", r#"{allowFrom: [], dm: {allowFrom: ["*"]}}"#), NOTHING);
        assert_eq!(ids("discord", r#"{dm: {policy: "open"}, allowFrom: ["*"]}"#), OPEN);
    }

    #[test]
    fn what_is_switched_off_says_so() {
        let note = |channel: &str, section: &str| findings(&host(channel, section))[0].detail.clone();
        let open = r#"dmPolicy: "open", allowFrom: ["*"]"#;
        assert!(note("telegram", &format!("{{enabled: false, {open}}}")).contains("switched off at present"));
        assert!(
            note("slack", &format!("{{dm: {{enabled: false}}, {open}}}")).contains("dm.enabled is false")
        );
        assert!(!note("telegram", &format!("{{{open}}}")).contains("switched off"));
    }

    #[test]
    fn a_store_that_cannot_be_read_is_not_called_clean() {
        let host = host("telegram", "{}").deny("credentials", "telegram-allowFrom.json");
        assert!(matches!(host.run(audit), Err(Failure::Inconclusive(_))));
        let unused = MemoryHost::new("{}").deny("credentials", "telegram-allowFrom.json");
        assert_eq!(unused.ids(audit), NOTHING);
    }
}
