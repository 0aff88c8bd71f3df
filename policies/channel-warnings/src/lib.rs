//! Chat channels that let every group in, or that carry words and passwords in clear.

use chitin_policy_sdk::channels::{self, Account, Channel, shared, told};
use chitin_policy_sdk::{
    Context, Facts, Failure, Finding, Node, SecretSource, Verdict, critical, js, pairing, warn,
};

/// Looks at every account of every channel.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut findings = Vec::new();
    for channel in channels::all(cx)? {
        findings.extend(open_groups(cx, &channel)?);
        match channel.kind.id {
            "telegram" => findings.extend(open_telegram_groups(&channel)),
            "irc" => findings.extend(irc(cx, &channel)?),
            "googlechat" => findings.extend(open_direct_messages(&channel)),
            _ => {}
        }
    }
    Ok(findings)
}

/// Channels without a policy for groups.
const WITHOUT_GROUPS: [&str; 3] = ["nostr", "zalo", "zalouser"];

/// Channels whose open policy the reference's fix closes, and so do we (fix.md 2.2).
const CLOSED: [&str; 7] = ["telegram", "whatsapp", "discord", "signal", "imessage", "slack", "msteams"];

fn open_groups<'a>(cx: &'a Context<'_>, channel: &Channel<'a>) -> Verdict {
    let (id, label) = (channel.kind.id, channel.kind.label);
    if WITHOUT_GROUPS.contains(&id) {
        return Ok(Vec::new());
    }
    let open = |account: &Account<'a>| {
        let (policy, name) = account.group_policy(cx);
        (name == "open").then_some(policy)
    };
    // What the channel calls its groups, and where those that are let in are written down.
    let (groups, list) = match id {
        "discord" => ("servers", "guilds"),
        "slack" => ("channels", "channels"),
        "irc" => ("channels", "groups"),
        "googlechat" => ("spaces", "groups"),
        "matrix" => ("rooms", "groups"),
        "nextcloud-talk" => ("rooms", "rooms"),
        _ => ("groups", "groupAllowFrom"),
    };
    let finding = |(policy, sharing): (Node<'_>, Vec<&Account<'_>>)| {
        let (path, (who, note)) = (policy.dotted(), told(sharing));
        let state = if policy.is_nullish() {
            "not set, which means \"open\" for a bot that only the environment configures"
        } else {
            "\"open\""
        };
        critical(&format!("channels.{id}.warning.1"), &format!("{label} {groups} are open to everyone"))
            .detail(format!(
                "{path} is {state}{who}: everyone in the {groups} that the bot is in, or that somebody adds it to, can \
                 give the agent orders and try to talk it into using its tools.{note}"
            ))
            .remediation(format!(
                "Set {path} to \"allowlist\" and name in channels.{id}.{list} who is let in, or set it to \"disabled\""
            ))
            .at(&policy)
    };
    let base = cx.config().get("channels").get(id).get("groupPolicy");
    let open = shared(&channel.accounts, open).into_iter();
    open.map(|(policy, sharing)| {
        let start = finding((policy.clone(), sharing));
        // What no account uses today is closed with the rest: the next account would use it.
        let start = close(cx, channel, start, &policy)?;
        if base == policy { Ok(start) } else { close(cx, channel, start, &base) }
    })
    .collect()
}

/// Proposes to close an open policy. Groups of WhatsApp let in whom pairing let in where no list says otherwise, so that
/// nobody who is known is locked out.
fn close(
    cx: &Context<'_>,
    channel: &Channel<'_>,
    finding: Finding,
    policy: &Node<'_>,
) -> Result<Finding, Failure> {
    let (id, is_open) = (channel.kind.id, policy.text() == Some("open"));
    if !CLOSED.contains(&id) || !is_open || !policy.pointer().starts_with(&format!("/channels/{id}/")) {
        return Ok(finding);
    }
    let closed = finding.fix_value(policy, &"allowlist".into());
    let section = around(&cx.config(), policy);
    let has = |key: &str| section.get(key).items().next().is_some();
    if id != "whatsapp" || has("allowFrom") || has("groupAllowFrom") {
        return Ok(closed);
    }
    let paired = pairing::read(cx, channel)?;
    let mut stores = paired.iter().flat_map(|paired| &paired.stores);
    let store = stores.find(|store| store.path.rel == "whatsapp-allowFrom.json");
    let senders = store.map(|store| store.senders.clone()).unwrap_or_default();
    Ok(if senders.is_empty() {
        closed
    } else {
        closed.fix_value(&section.get("groupAllowFrom"), &senders.into())
    })
}

/// The section that a value stands in.
fn around<'a>(config: &Node<'a>, value: &Node<'_>) -> Node<'a> {
    let (section, _) = value.pointer().rsplit_once('/').unwrap_or_default();
    let keys = section.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
    keys.fold(config.clone(), |node, key| node.get(&key))
}

/// Groups and topics of Telegram that have an open policy of their own.
fn open_telegram_groups<'a>(channel: &Channel<'a>) -> Vec<Finding> {
    let open = |account: &Account<'a>| {
        let mut places: Vec<Node<'a>> = Vec::new();
        for (_, group) in account.get("groups").entries() {
            places.push(group.get("groupPolicy"));
            places.extend(group.get("topics").entries().map(|(_, topic)| topic.get("groupPolicy")));
        }
        places.retain(|place| place.text() == Some("open"));
        (!places.is_empty()).then_some(places)
    };
    let finding = |(places, sharing): (Vec<Node<'_>>, Vec<&Account<'_>>)| {
        let (who, note) = told(sharing);
        let start = critical("channels.telegram.warning.1", "Single Telegram groups or topics are open to everyone")
            .detail(format!(
                "{} of the groups and topics have a groupPolicy of their own that is \"open\"{who}: whatever the policy \
                 of the channel says, everyone in them can give the agent orders.{note}",
                places.len()
            ))
            .remediation(
                "Remove groupPolicy from these groups and topics, or set it to \"allowlist\" and their allowFrom to the \
                 numeric ids of those who are let in",
            );
        places.iter().fold(start, Finding::at)
    };
    shared(&channel.accounts, open).into_iter().map(finding).collect()
}

fn irc(cx: &Context<'_>, channel: &Channel<'_>) -> Verdict {
    let mut findings = plaintext(cx, channel);
    findings.extend(registers(channel));
    findings.extend(registers_without_password(cx, channel)?);
    Ok(findings)
}

/// The variable that stands in for `tls` of the default account.
const TLS_VARIABLE: &str = "IRC_TLS";
/// The variable that stands in for `nickserv.password` of the default account.
const PASSWORD_VARIABLE: &str = "IRC_NICKSERV_PASSWORD";

fn plaintext<'a>(cx: &Context<'_>, channel: &Channel<'a>) -> Vec<Finding> {
    let off = |account: &Account<'a>| {
        let tls = account.get("tls");
        let variable = cx.variable(TLS_VARIABLE).map(js::trim);
        let variable = variable.filter(|text| account.is_default() && !text.is_empty());
        let is_on = if tls.is_true() || tls.is_false() {
            tls.is_true()
        } else {
            variable.is_none_or(|text| ["true", "1", "yes", "on"].contains(&text.to_lowercase().as_str()))
        };
        (!is_on).then_some(tls)
    };
    let finding = |(tls, sharing): (Node<'_>, Vec<&Account<'_>>)| {
        let (path, (who, note)) = (tls.dotted(), told(sharing));
        let cause = if tls.is_false() { path.as_str() } else { TLS_VARIABLE };
        let finding = warn("channels.irc.warning.2", "IRC is used without encryption")
            .detail(format!(
                "{cause} switches TLS off{who}: everybody on the way to the server reads what is said and the passwords \
                 that are sent, and can put words into the mouth of those whom the agent obeys.{note}"
            ))
            .remediation(format!("Set {path} to true, and the port to the one where the server speaks TLS (6697)"));
        if tls.is_false() { finding.at(&tls) } else { finding.at_env(TLS_VARIABLE) }
    };
    shared(&channel.accounts, off).into_iter().map(finding).collect()
}

/// The switch that registers the nick, where it is on.
fn register<'a>(account: &Account<'a>) -> Option<Node<'a>> {
    let register = account.member("nickserv", "register");
    register.is_truthy().then_some(register)
}

fn registers(channel: &Channel<'_>) -> Vec<Finding> {
    let finding = |(register, sharing): (Node<'_>, Vec<&Account<'_>>)| {
        let (path, (who, note)) = (register.dotted(), told(sharing));
        warn("channels.irc.warning.3", "IRC nick is registered anew at each connection")
            .detail(format!(
                "{path} is on{who}: REGISTER, with password and address, goes out at every connection, though once is \
                 enough, and it hands the password to whoever answers as NickServ.{note}"
            ))
            .remediation(format!("Set {path} to false as soon as the nick is registered"))
            .at(&register)
    };
    shared(&channel.accounts, register).into_iter().map(finding).collect()
}

fn registers_without_password<'a>(cx: &Context<'_>, channel: &Channel<'a>) -> Verdict {
    let mut lacking = Vec::new();
    for account in channel.accounts.iter().filter(|account| register(account).is_some()) {
        if !has_password(cx, account)? {
            lacking.push(account.clone());
        }
    }
    let finding = |(password, sharing): (Node<'_>, Vec<&Account<'_>>)| {
        let (path, (who, note)) = (password.dotted(), told(sharing));
        warn("channels.irc.warning.4", "IRC nick is to be registered without a password")
            .detail(format!(
                "NickServ is to register the nick{who}, and neither {path} nor passwordFile nor {PASSWORD_VARIABLE} \
                 holds a password: the registration fails, and anybody can take the nick and speak as the agent.{note}"
            ))
            .remediation(format!("Set {path}, or set nickserv.register to false"))
            .at(&password)
    };
    let password = |account: &Account<'a>| Some(account.member("nickserv", "password"));
    Ok(shared(&lacking, password).into_iter().map(finding).collect())
}

fn has_password(cx: &Context<'_>, account: &Account<'_>) -> Result<bool, Failure> {
    let is_set = |facts: Facts| facts.units > 0 || facts.source == SecretSource::Reference;
    let variable = if account.is_default() { cx.env_secret(PASSWORD_VARIABLE)? } else { None };
    Ok(account.member("nickserv", "passwordFile").trimmed().is_some()
        || variable.is_some_and(is_set)
        || cx.config_secret(&account.member("nickserv", "password"))?.is_some_and(is_set))
}

fn open_direct_messages<'a>(channel: &Channel<'a>) -> Vec<Finding> {
    let open = |account: &Account<'a>| {
        let policy = account.direct_policy();
        (policy.text() == Some("open")).then_some(policy)
    };
    let finding = |(policy, sharing): (Node<'_>, Vec<&Account<'_>>)| {
        let (path, (who, note)) = (policy.dotted(), told(sharing));
        warn("channels.googlechat.warning.5", "Everyone can write to the agent on Google Chat")
            .detail(format!(
                "{path} is \"open\"{who}: whoever can find the app in Google Chat can open a conversation with the \
                 agent.{note}"
            ))
            .remediation(format!("Set {path} to \"pairing\" or \"allowlist\""))
            .at(&policy)
    };
    shared(&channel.accounts, open).into_iter().map(finding).collect()
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Fix, Location};

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(channel: &str, section: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{channels: {{"{channel}": {section}}}}}"#))
    }

    fn ids(channel: &str, section: &str) -> Vec<String> {
        let start = format!("channels.{channel}.warning.");
        let ids = host(channel, section).ids(audit);
        ids.iter().map(|id| id.strip_prefix(&start).expect("it is about the channel").to_owned()).collect()
    }

    fn findings(host: &MemoryHost) -> Vec<Finding> {
        host.run(audit).expect("a verdict")
    }

    fn at(pointer: &str) -> Location {
        Location::Config(pointer.to_owned())
    }

    #[test]
    fn every_channel_with_groups_can_have_them_open() {
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
            "matrix",
            "bluebubbles",
            "line",
        ] {
            assert_eq!(ids(channel, r#"{groupPolicy: "open"}"#), ["1:critical"], "{channel}");
            for silent in
                ["{}", r#"{groupPolicy: "OPEN"}"#, "{groupPolicy: true}", r#"{groupPolicy: "disabled"}"#]
            {
                assert_eq!(ids(channel, silent), NOTHING, "{channel} {silent}");
            }
        }
        for channel in WITHOUT_GROUPS {
            assert_eq!(ids(channel, r#"{groupPolicy: "open"}"#), NOTHING, "{channel}");
        }
    }

    #[test]
    fn the_policy_for_all_channels_is_reported_for_each_that_has_no_other() {
        let config =
            r#"{channels: {defaults: {groupPolicy: "open"}, matrix: {}, irc: {groupPolicy: "disabled"}}}"#;
        let findings = findings(&MemoryHost::new(config));
        assert_eq!(findings.len(), 1);
        assert_eq!(findings[0].check_id, "channels.matrix.warning.1");
        assert_eq!(findings[0].locations, [at("/channels/defaults/groupPolicy")]);
    }

    #[test]
    fn a_bot_of_the_environment_alone_is_open_without_a_policy() {
        let host =
            MemoryHost::new("{}").variable("DISCORD_BOT_TOKEN", "t").variable("TELEGRAM_BOT_TOKEN", "t");
        let findings = findings(&host);
        assert_eq!(findings.len(), 1);
        assert!(
            findings[0].detail.starts_with("channels.discord.groupPolicy is not set, which means \"open\"")
        );
        assert_eq!(findings[0].locations, [at("/channels/discord/groupPolicy")]);
        assert_eq!(host.generation("2026.9").ids(audit), NOTHING);
    }

    #[test]
    fn accounts_that_inherit_a_policy_are_one_finding() {
        let section = r#"{groupPolicy: "open", accounts: {a: {}, B: {}, c: {groupPolicy: "open"}, d: {groupPolicy: "disabled"}}}"#;
        let findings = findings(&host("signal", section));
        let places: Vec<&Location> = findings.iter().map(|finding| &finding.locations[0]).collect();
        let (first, second) =
            (at("/channels/signal/groupPolicy"), at("/channels/signal/accounts/c/groupPolicy"));
        assert_eq!(places, [&first, &second]);
        assert!(findings[0].detail.contains("(accounts \"a\" and \"B\")"));
    }

    /// The pointers and values that the findings propose.
    fn proposals(host: &MemoryHost) -> Vec<(String, String)> {
        let fixes = findings(host).into_iter().flat_map(|finding| finding.fixes);
        fixes
            .map(|fix| match fix {
                Fix::SetValue(change) => (change.pointer, change.value),
                other => panic!("a value was wanted, not {other:?}"),
            })
            .collect()
    }

    #[test]
    fn an_open_policy_is_proposed_to_be_closed_where_it_stands() {
        let closed = |pointer: &str| (pointer.to_owned(), "\"allowlist\"".to_owned());
        let accounts =
            r#"{groupPolicy: "open", accounts: {a: {groupPolicy: "open"}, b: {groupPolicy: "disabled"}}}"#;
        assert_eq!(
            proposals(&host("telegram", accounts)),
            [closed("/channels/telegram/accounts/a/groupPolicy"), closed("/channels/telegram/groupPolicy")]
        );
        assert_eq!(proposals(&host("irc", r#"{host: "h", nick: "n", groupPolicy: "open"}"#)), []);
        let defaults =
            MemoryHost::new(r#"{channels: {defaults: {groupPolicy: "open"}, telegram: {botToken: "t"}}}"#);
        assert_eq!(proposals(&defaults), []);
    }

    #[test]
    fn groups_of_whatsapp_let_in_whom_pairing_let_in() {
        let stored = |section: &str, store: &str| {
            proposals(&host("whatsapp", section).file("credentials", "whatsapp-allowFrom.json", 0o600, store))
        };
        let seeded = stored(r#"{groupPolicy: "open"}"#, r#"{"allowFrom": ["+1", "*", 2]}"#);
        assert_eq!(seeded[1], ("/channels/whatsapp/groupAllowFrom".to_owned(), r#"["+1","2"]"#.to_owned()));
        for (section, store) in [
            (r#"{groupPolicy: "open", allowFrom: ["+1"]}"#, r#"{"allowFrom": ["+1"]}"#),
            (r#"{groupPolicy: "open", groupAllowFrom: ["+1"]}"#, r#"{"allowFrom": ["+1"]}"#),
            (r#"{groupPolicy: "open"}"#, r#"{"allowFrom": ["*"]}"#),
            (r#"{groupPolicy: "open"}"#, "no JSON"),
        ] {
            assert_eq!(stored(section, store).len(), 1, "{section} {store}");
        }
    }

    #[test]
    fn single_groups_and_topics_of_telegram_are_found() {
        let section = r#"{groupPolicy: "disabled", groups: {
            "-1": {groupPolicy: "open", topics: {"5": {groupPolicy: "allowlist"}}},
            "-2": {topics: {"7": {groupPolicy: "open"}}},
            "-3": 5
        }, accounts: {a: {}, b: {groups: {}}}}"#;
        let findings = findings(&host("telegram", section));
        assert_eq!(findings.len(), 1);
        assert_eq!(
            findings[0].locations,
            [
                at("/channels/telegram/groups/-1/groupPolicy"),
                at("/channels/telegram/groups/-2/topics/7/groupPolicy"),
            ]
        );
        assert!(findings[0].detail.contains("(account \"a\")"));
        assert_eq!(ids("discord", r#"{groups: {"-1": {groupPolicy: "open"}}}"#), NOTHING);
    }

    #[test]
    fn irc_without_tls_is_in_clear() {
        assert_eq!(ids("irc", "{tls: false}"), ["2:warn"]);
        for on in ["{}", "{tls: true}", r#"{tls: "false"}"#, "{tls: 0}"] {
            assert_eq!(ids("irc", on), NOTHING, "{on}");
        }
    }

    #[test]
    fn the_variable_decides_for_the_default_account_alone() {
        let with = |section: &str, value: &str| host("irc", section).variable(TLS_VARIABLE, value);
        for off in ["false", "0", "no", "of"] {
            let findings = findings(&with("{}", off));
            assert_eq!(findings.len(), 1, "{off}");
            assert_eq!(findings[0].locations, [Location::Env(TLS_VARIABLE.to_owned())]);
        }
        for on in ["true", " ON ", "1", "yes", "", "  "] {
            assert_eq!(with("{}", on).ids(audit), NOTHING, "{on:?}");
        }
        assert_eq!(with("{tls: true}", "false").ids(audit), NOTHING);
        assert_eq!(with("{accounts: {work: {}}}", "false").ids(audit), NOTHING);
    }

    #[test]
    fn registering_a_nick_wants_a_password() {
        let with = |nickserv: &str| ids("irc", &format!("{{nickserv: {nickserv}}}"));
        for lacking in
            ["{register: true}", r#"{register: true, password: " "}"#, r#"{register: 1, passwordFile: ""}"#]
        {
            assert_eq!(with(lacking), ["3:warn", "4:warn"], "{lacking}");
        }
        for given in [r#"{register: true, password: "p"}"#, r#"{register: true, passwordFile: "/p"}"#] {
            assert_eq!(with(given), ["3:warn"], "{given}");
        }
        assert_eq!(with("{register: false}"), NOTHING);
        let by_variable =
            |section: &str| host("irc", section).variable(PASSWORD_VARIABLE, "p").ids(audit).len();
        assert_eq!(by_variable("{nickserv: {register: true}}"), 1);
        assert_eq!(by_variable("{nickserv: {register: true}, accounts: {work: {}}}"), 2);
    }

    #[test]
    fn an_account_adds_to_the_nickserv_settings_of_its_channel() {
        let section =
            r#"{nickserv: {register: true}, accounts: {a: {nickserv: {password: "p"}}, b: {}, c: {}}}"#;
        let findings = findings(&host("irc", section));
        let told: Vec<(&str, &Location)> =
            findings.iter().map(|finding| (finding.check_id.as_str(), &finding.locations[0])).collect();
        assert_eq!(
            told,
            [
                ("channels.irc.warning.3", &at("/channels/irc/nickserv/register")),
                ("channels.irc.warning.4", &at("/channels/irc/nickserv/password")),
            ]
        );
        assert!(findings[1].detail.contains("(accounts \"b\" and \"c\")"));
    }

    #[test]
    fn open_direct_messages_of_google_chat_are_named_here_too() {
        assert_eq!(ids("googlechat", r#"{dm: {policy: "open"}}"#), ["5:warn"]);
        assert_eq!(ids("googlechat", r#"{dmPolicy: "open"}"#), ["5:warn"]);
        assert_eq!(ids("slack", r#"{dm: {policy: "open"}}"#), NOTHING);
    }

    #[test]
    fn what_is_switched_off_says_so() {
        let detail = |section: &str| findings(&host("signal", section)).remove(0).detail;
        assert!(detail(r#"{enabled: false, groupPolicy: "open"}"#).contains("switched off at present"));
        assert!(!detail(r#"{groupPolicy: "open"}"#).contains("switched off"));
    }
}
