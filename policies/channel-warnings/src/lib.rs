//! Chat channels that let every group in, or that carry words and passwords in clear.

use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge, told};
use chitin_policy_sdk::openclaw::facts;
use chitin_policy_sdk::openclaw::pairing::{self, Store};
use chitin_policy_sdk::{
    Answer, Context, Facts, Finding, Node, NotAssessed, Release, Severity, Verdict, any, finding, js, warn,
};

/// Those of IRC alone.
const PLAINTEXT: &str = "channels.irc.warning.2";
const REGISTERS: &str = "channels.irc.warning.3";
const NO_PASSWORD: &str = "channels.irc.warning.4";
/// That of Google Chat alone.
const DIRECT: &str = "channels.googlechat.warning.5";
/// That of Matrix alone.
const JOINS: &str = "channels.matrix.warning.6";
/// Those of Synology Chat alone.
const CERTIFICATES: &str = "channels.synology-chat.warning.7";

/// Looks at every account of every channel.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    for (id, channel) in channels::each(cx) {
        match channel {
            Ok(channel) => look(cx, &mut answer, &channel),
            Err(reason) => leave_open(cx, &mut answer, id, &reason),
        }
    }
    Ok(answer)
}

fn look(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    open_groups(cx, answer, channel);
    match channel.id {
        "telegram" => open_telegram_groups(cx, answer, channel),
        "irc" => {
            plaintext(cx, answer, channel);
            registers(answer, channel);
            registers_without_password(cx, answer, channel);
        }
        "googlechat" => open_direct_messages(answer, channel),
        "matrix" => joins_all(answer, channel),
        "synology-chat" => unchecked_certificates(answer, channel),
        _ => {}
    }
}

/// All checks of a channel of which nothing can be told.
fn leave_open(cx: &Context<'_>, answer: &mut Answer, id: &str, reason: &NotAssessed) {
    let more: &[&str] = match id {
        "irc" => &[PLAINTEXT, REGISTERS, NO_PASSWORD],
        "googlechat" => &[DIRECT],
        "matrix" => &[JOINS],
        "synology-chat" => &[CERTIFICATES],
        _ => &[],
    };
    if has_groups(cx.release(), id) {
        answer.leave_open(&check_id(cx.release(), id), reason.clone());
    }
    for check in more {
        answer.leave_open(check, reason.clone());
    }
}

/// The check for open groups of a channel: it has a name of its own from 2026.8.1 on.
fn check_id(release: Release, channel: &str) -> String {
    let check = if release.since(2026, 8, 1) { "groups.open" } else { "warning.1" };
    format!("channels.{channel}.{check}")
}

/// How bad it is that groups are open: the channels of 2026.9.4 still say critical, those of 2026.9.5 warn.
fn severity(release: Release) -> Severity {
    facts::at(release, Severity::Critical, &[((2026, 9, 5), Severity::Warn)])
}

/// The channel has a policy for groups in this release. Zalo has one from 2026.2.26 on, and Zalo Personal from 2026.3.31 on,
/// the first release with a schema of it.
fn has_groups(release: Release, channel: &str) -> bool {
    match channel {
        "nostr" | "synology-chat" => false,
        "zalo" => release.since(2026, 2, 26),
        "zalouser" => release.since(2026, 3, 31),
        _ => true,
    }
}

/// Channels whose open policy the reference's fix closes before 2026.4.5, and so do we (fix.md 2.2).
const CLOSED: [&str; 7] = ["telegram", "whatsapp", "discord", "signal", "imessage", "slack", "msteams"];

/// The fix closes an open policy of this channel: of every one from 2026.4.5 on.
fn is_closed(release: Release, channel: &str) -> bool {
    release.since(2026, 4, 5) || CLOSED.contains(&channel)
}

fn open_groups(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let (id, label, release) = (channel.id, channel.label(), cx.release());
    let check = check_id(release, id);
    if !has_groups(release, id) {
        return;
    }
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
    let base = cx.config().get("channels").get(id).get("groupPolicy");
    judge(
        answer,
        &check,
        &channel.accounts,
        |account| {
            let (policy, name) = account.group_policy(cx)?;
            // An absent policy can be an open one.
            Ok((name == "open").then_some((policy.is_nullish()?, policy)))
        },
        |(is_unset, policy), sharing| {
            let (path, (who, note)) = (policy.dotted(), told(sharing));
            let state = match (is_unset, id) {
                (false, _) => "\"open\"",
                (true, "zalo") => "not set, which means \"open\" on Zalo",
                (true, _) => "not set, which means \"open\" for a bot that only the environment configures",
            };
            let title = format!("{label} {groups} are open to everyone");
            let found = finding(&check, severity(release), &title)
                .detail(format!(
                    "{path} is {state}{who}: everyone in the {groups} that the bot is in, or that somebody adds it to, can \
                     give the agent orders and try to talk it into using its tools.{note}"
                ))
                .remediation(format!(
                    "Set {path} to \"allowlist\" and name in channels.{id}.{list} who is let in, or set it to \"disabled\""
                ))
                .at(&policy);
            // What no account uses today is closed with the rest: the next account would use it.
            let closed = close(cx, channel, found, &policy);
            if base == policy { closed } else { close(cx, channel, closed, &base) }
        },
    );
}

/// Proposes to close an open policy, where all that this takes is shown.
fn close(cx: &Context<'_>, channel: &Channel<'_>, finding: Finding, policy: &Node<'_>) -> Finding {
    let (id, release) = (channel.id, cx.release());
    let is_open = policy.text() == Ok(Some("open"));
    // The policy for all channels is closed with those of the channels.
    let is_own = policy.pointer().starts_with(&format!("/channels/{id}/")) || release.since(2026, 4, 5);
    if !is_closed(release, id) || !is_open || !is_own {
        return finding;
    }
    match paired_in(cx, channel, policy) {
        Err(_) => finding,
        Ok(None) => finding.fix_value(policy, &"allowlist".into()),
        Ok(Some((list, senders))) => {
            finding.fix_value(policy, &"allowlist".into()).fix_value(&list, &senders.into())
        }
    }
}

/// Groups of WhatsApp let in whom pairing let in where no list says otherwise, so that nobody who is known is locked out:
/// the list to fill, and those people. None where there is nothing to fill.
fn paired_in<'a>(
    cx: &'a Context<'_>,
    channel: &Channel<'_>,
    policy: &Node<'_>,
) -> Result<Option<(Node<'a>, Vec<String>)>, NotAssessed> {
    let section = around(&cx.config(), policy);
    let has = |key: &str| Ok(section.get(key).items()?.next().is_some());
    if channel.id != "whatsapp" || has("allowFrom")? || has("groupAllowFrom")? {
        return Ok(None);
    }
    // The store of the channel is among those of each account.
    let stores = pairing::stores(cx, channel).into_iter().next().transpose()?.unwrap_or_default();
    let is_common =
        |store: &Store| store.path.as_ref().is_none_or(|path| path.rel == "whatsapp-allowFrom.json");
    let store = stores.into_iter().find(is_common);
    let senders = store.map(|store| store.senders).filter(|senders| !senders.is_empty());
    Ok(senders.map(|senders| (section.get("groupAllowFrom"), senders)))
}

/// The section that a value stands in.
fn around<'a>(config: &Node<'a>, value: &Node<'_>) -> Node<'a> {
    let (section, _) = value.pointer().rsplit_once('/').unwrap_or_default();
    let keys = section.split('/').skip(1).map(|key| key.replace("~1", "/").replace("~0", "~"));
    keys.fold(config.clone(), |node, key| node.get(&key))
}

/// Groups and topics of Telegram that have an open policy of their own.
fn open_telegram_groups(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let check = check_id(cx.release(), channel.id);
    for reason in channel.accounts.iter().flat_map(|account| OwnPolicies::of(account).unknown) {
        answer.leave_open(&check, reason);
    }
    judge(
        answer,
        &check,
        &channel.accounts,
        |account| {
            let places = OwnPolicies::of(account).open;
            Ok((!places.is_empty()).then_some(places))
        },
        |places, sharing| {
            let (who, note) = told(sharing);
            let title = "Some Telegram groups or topics are open to everyone in them";
            let start = finding(&check, severity(cx.release()), title)
                .detail(format!(
                    "{} of the groups and topics have a groupPolicy of their own that is \"open\"{who}: whatever the \
                     policy of the channel says, everyone in them can give the agent orders.{note}",
                    places.len()
                ))
                .remediation(
                    "Remove groupPolicy from these groups and topics, or set it to \"allowlist\" and their allowFrom to \
                     the numeric ids of those who are let in",
                );
            places.iter().fold(start, Finding::at)
        },
    );
}

/// The policies of single groups and topics of an account.
#[derive(Default)]
struct OwnPolicies<'a> {
    /// Every one that is exactly "open".
    open: Vec<Node<'a>>,
    /// Why others cannot be told.
    unknown: Vec<NotAssessed>,
}

impl<'a> OwnPolicies<'a> {
    fn of(account: &Account<'a>) -> Self {
        let mut policies = Self::default();
        let groups = account.get("groups").and_then(|groups| groups.entries());
        for (_, group) in policies.known(groups) {
            policies.add(group.get("groupPolicy"));
            for (_, topic) in policies.known(group.get("topics").entries()) {
                policies.add(topic.get("groupPolicy"));
            }
        }
        policies
    }

    /// What is known, and nothing where it is not.
    fn known<T>(&mut self, seen: Result<impl Iterator<Item = T>, NotAssessed>) -> Vec<T> {
        match seen {
            Ok(seen) => seen.collect(),
            Err(reason) => {
                self.unknown.push(reason);
                Vec::new()
            }
        }
    }

    fn add(&mut self, policy: Node<'a>) {
        match policy.text() {
            Ok(Some("open")) => self.open.push(policy),
            Ok(_) => {}
            Err(reason) => self.unknown.push(reason),
        }
    }
}

/// The variable that stands in for `tls` of the default account.
const TLS_VARIABLE: &str = "IRC_TLS";
/// The variable that stands in for `nickserv.password` of the default account.
const PASSWORD_VARIABLE: &str = "IRC_NICKSERV_PASSWORD";

fn plaintext(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    judge(
        answer,
        PLAINTEXT,
        &channel.accounts,
        |account| {
            let tls = account.get("tls")?;
            let says_off = tls.is_false()?;
            let is_on = if tls.is_true()? || says_off {
                !says_off
            } else {
                let variable = if account.is_default() { cx.environment(TLS_VARIABLE)? } else { None };
                variable
                    .map(js::trim)
                    .filter(|text| !text.is_empty())
                    .is_none_or(|text| ["true", "1", "yes", "on"].contains(&text.to_lowercase().as_str()))
            };
            Ok((!is_on).then_some((says_off, tls)))
        },
        |(says_off, tls), sharing| {
            let (path, (who, note)) = (tls.dotted(), told(sharing));
            let cause = if says_off { path.as_str() } else { TLS_VARIABLE };
            let finding = warn(PLAINTEXT, "IRC is used without encryption")
                .detail(format!(
                    "{cause} switches TLS off{who}: everybody on the way to the server reads what is said and the \
                     passwords that are sent, and can put words into the mouth of those whom the agent obeys.{note}"
                ))
                .remediation(format!(
                    "Set {path} to true, and the port to the one where the server speaks TLS (6697)"
                ));
            if says_off { finding.at(&tls) } else { finding.at_env(TLS_VARIABLE) }
        },
    );
}

/// The switch that registers the nick, where it is on.
fn register<'a>(account: &Account<'a>) -> Result<Option<Node<'a>>, NotAssessed> {
    let register = account.member("nickserv", "register")?;
    Ok(register.is_truthy()?.then_some(register))
}

fn registers(answer: &mut Answer, channel: &Channel<'_>) {
    judge(answer, REGISTERS, &channel.accounts, register, |register, sharing| {
        let (path, (who, note)) = (register.dotted(), told(sharing));
        warn(REGISTERS, "IRC nick is registered anew at each connection")
            .detail(format!(
                "{path} is on{who}: the bot sends NickServ its password and e-mail address at every connection, though once is \
                 enough, and whoever poses as NickServ gets them.{note}"
            ))
            .remediation(format!("Set {path} to false once `/msg NickServ INFO <nick>` shows that the nick is registered"))
            .at(&register)
    });
}

fn registers_without_password(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    judge(
        answer,
        NO_PASSWORD,
        &channel.accounts,
        |account| {
            if register(account)?.is_none() || has_password(cx, account)? {
                return Ok(None);
            }
            account.member("nickserv", "password").map(Some)
        },
        |password, sharing| {
            let (path, (who, note)) = (password.dotted(), told(sharing));
            warn(NO_PASSWORD, "IRC nick is to be registered without a password")
                .detail(format!(
                    "NickServ is to register the nick{who}, and neither {path} nor passwordFile nor {PASSWORD_VARIABLE} \
                     holds a password: the registration fails, and anybody can take the nick and speak as the \
                     agent.{note}"
                ))
                .remediation(format!("Set {path}, or set nickserv.register to false"))
                .at(&password)
        },
    );
}

fn has_password(cx: &Context<'_>, account: &Account<'_>) -> Result<bool, NotAssessed> {
    let file = account.member("nickserv", "passwordFile").and_then(|file| Ok(file.trimmed()?.is_some()));
    let is_set = |facts: Option<Facts>| facts.is_some_and(|facts| facts.is_set());
    let variable =
        if account.is_default() { cx.env_secret(PASSWORD_VARIABLE).map(is_set) } else { Ok(false) };
    let password = account.member("nickserv", "password").and_then(|node| {
        // Whether there is a withheld password is not known.
        if node.is_nullish()? { Ok(false) } else { cx.config_secret(&node).map(is_set) }
    });
    any([file, variable, password])
}

fn open_direct_messages(answer: &mut Answer, channel: &Channel<'_>) {
    judge(
        answer,
        DIRECT,
        &channel.accounts,
        |account| {
            let policy = account.direct_policy()?;
            Ok((policy.text()? == Some("open")).then_some(policy))
        },
        |policy, sharing| {
            let (path, (who, note)) = (policy.dotted(), told(sharing));
            warn(DIRECT, "Everyone can write to the agent on Google Chat")
                .detail(format!(
                    "{path} is \"open\"{who}: whoever can find the app in Google Chat can open a conversation with the \
                     agent.{note}"
                ))
                .remediation(format!("Set {path} to \"pairing\" or \"allowlist\""))
                .at(&policy)
        },
    );
}

/// A bot that goes wherever somebody invites it (the program warns of the default account alone).
fn joins_all(answer: &mut Answer, channel: &Channel<'_>) {
    judge(
        answer,
        JOINS,
        &channel.accounts,
        |account| {
            let joins = account.get("autoJoin")?;
            Ok((joins.text()? == Some("always")).then_some(joins))
        },
        |joins, sharing| {
            let (path, (who, note)) = (joins.dotted(), told(sharing));
            warn(JOINS, "The Matrix bot joins every room that it is invited to")
                .detail(format!(
                    "{path} is \"always\"{who}: whoever invites the bot has it in a room of their making, before any policy \
                     says who may talk to it there.{note}"
                ))
                .remediation(format!(
                    "Set {path} to \"allowlist\" and name the rooms in autoJoinAllowlist beside it, or set it to \"off\""
                ))
                .at(&joins)
        },
    );
}

fn unchecked_certificates(answer: &mut Answer, channel: &Channel<'_>) {
    judge(
        answer,
        CERTIFICATES,
        &channel.accounts,
        |account| {
            let insecure = account.get("allowInsecureSsl")?;
            Ok(insecure.is_true()?.then_some(insecure))
        },
        |insecure, sharing| {
            let (path, (who, note)) = (insecure.dotted(), told(sharing));
            warn(CERTIFICATES, "The certificate of the Synology server is not checked")
                .detail(format!(
                    "{path} is true{who}: whoever sits between the gateway and the server can pose as it, read what is said \
                     and give the agent orders.{note}"
                ))
                .remediation(format!(
                    "Give the server a certificate that this machine trusts, and set {path} to false"
                ))
                .at(&insecure)
        },
    );
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Cell, Fix, Location};

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
        host.findings(audit)
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
        for channel in ["nostr", "zalo", "zalouser", "synology-chat"] {
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
        assert_eq!(host.release(2026, 9, 6).ids(audit), NOTHING);
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
        assert!(detail(r#"{enabled: false, groupPolicy: "open"}"#).contains("At present"));
        assert!(!detail(r#"{groupPolicy: "open"}"#).contains("At present"));
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let withheld = r#"{"$hidden": "withheld"}"#;
        let open = |numbers: &[&str]| -> Vec<String> {
            numbers.iter().map(|number| format!("{number}:not assessed")).collect()
        };
        assert_eq!(ids("signal", &format!("{{groupPolicy: {withheld}}}")), open(&["1"]));
        assert_eq!(ids("cliq", r#"{groupPolicy: {"$hidden": "variable"}}"#), open(&["1"]));
        let one = format!(r#"{{accounts: {{a: {{groupPolicy: {withheld}}}, b: {{groupPolicy: "open"}}}}}}"#);
        assert_eq!(ids("mattermost", &one), ["1:critical", "1:not assessed"]);
        let single = format!(r#"{{groups: {{"-1": {{groupPolicy: "open"}}, "-2": {withheld}}}}}"#);
        let mut single = ids("telegram", &single);
        single.dedup();
        assert_eq!(single, ["1:critical", "1:not assessed"]);
        assert_eq!(ids("irc", &format!("{{tls: {withheld}}}")), open(&["2"]));
        assert_eq!(ids("irc", &format!("{{nickserv: {withheld}}}")), open(&["3", "4"]));
        let password = format!("{{nickserv: {{register: true, password: {withheld}}}}}");
        assert_eq!(ids("irc", &password), ["3:warn", "4:not assessed"]);
        assert_eq!(ids("googlechat", &format!("{{dm: {{policy: {withheld}}}}}")), open(&["5"]));
        let tls = host("irc", "{}").ungranted("environment:IRC_TLS").ids(audit);
        assert_eq!(tls, ["channels.irc.warning.2:not assessed"]);
    }

    #[test]
    fn a_channel_of_a_plugin_is_judged_by_its_common_settings() {
        assert_eq!(ids("cliq", r#"{groupPolicy: "open"}"#), ["1:critical"]);
        assert_eq!(ids("cliq", r#"{accounts: {a: {groupPolicy: "open"}}}"#), ["1:critical"]);
        assert_eq!(ids("cliq", "{}"), NOTHING);
    }

    fn at_release(channel: &str, section: &str, number: (u16, u16)) -> Vec<String> {
        let (month, patch) = (u8::try_from(number.0).expect("a month"), number.1);
        host(channel, section).release(2026, month, patch).ids(audit)
    }

    #[test]
    fn the_check_has_another_name_and_severity_in_later_releases() {
        let open = r#"{groupPolicy: "open"}"#;
        for (number, expected) in [
            ((7, 35), "channels.signal.warning.1:critical"),
            ((8, 1), "channels.signal.groups.open:critical"),
            ((9, 4), "channels.signal.groups.open:critical"),
            ((9, 5), "channels.signal.groups.open:warn"),
            ((9, 6), "channels.signal.groups.open:warn"),
        ] {
            assert_eq!(at_release("signal", open, number), [expected], "{number:?}");
        }
        let single = r#"{groups: {"-1": {groupPolicy: "open"}}}"#;
        assert_eq!(at_release("telegram", single, (9, 6)), ["channels.telegram.groups.open:warn"]);
        let withheld = r#"{groupPolicy: {"$hidden": "withheld"}}"#;
        assert_eq!(at_release("signal", withheld, (9, 6)), ["channels.signal.groups.open:not assessed"]);
        let all = MemoryHost::new("{channels: {matrix: {}, \"synology-chat\": {}}}").withhold("/channels");
        let open = all.release(2026, 9, 6).ids(audit);
        for check in ["channels.matrix.groups.open", JOINS, CERTIFICATES] {
            assert!(open.contains(&format!("{check}:not assessed")), "{check}");
        }
    }

    #[test]
    fn zalo_is_open_without_a_policy_and_zalo_personal_is_not() {
        assert_eq!(at_release("zalo", "{}", (2, 19)), NOTHING);
        assert_eq!(at_release("zalo", "{}", (2, 26)), ["channels.zalo.warning.1:critical"]);
        assert_eq!(at_release("zalo", "{}", (9, 6)), ["channels.zalo.groups.open:warn"]);
        assert_eq!(at_release("zalo", r#"{groupPolicy: "allowlist"}"#, (9, 6)), NOTHING);
        assert_eq!(at_release("zalouser", "{}", (9, 6)), NOTHING);
        let open = r#"{groupPolicy: "open"}"#;
        assert_eq!(at_release("zalouser", open, (3, 24)), NOTHING);
        assert_eq!(at_release("zalouser", open, (9, 6)), ["channels.zalouser.groups.open:warn"]);
        let env = MemoryHost::new("{}").variable("DISCORD_BOT_TOKEN", "t").release(2026, 2, 26);
        assert_eq!(env.ids(audit), NOTHING, "a bot of the environment alone has an allow list by now");
    }

    #[test]
    fn from_a_release_on_every_open_policy_is_proposed_to_be_closed() {
        let closed = |pointer: &str| (pointer.to_owned(), "\"allowlist\"".to_owned());
        let section = r#"{groupPolicy: "open", accounts: {a: {groupPolicy: "open"}}}"#;
        let both = [closed("/channels/irc/accounts/a/groupPolicy"), closed("/channels/irc/groupPolicy")];
        assert_eq!(proposals(&host("irc", section).release(2026, 4, 4)), []);
        assert_eq!(proposals(&host("irc", section).release(2026, 4, 5)), both);
        let defaults = MemoryHost::new(r#"{channels: {defaults: {groupPolicy: "open"}, matrix: {}}}"#);
        assert_eq!(proposals(&defaults.release(2026, 9, 6)), [closed("/channels/defaults/groupPolicy")]);
        assert_eq!(proposals(&host("zalo", "{}").release(2026, 9, 6)), [], "there is nothing to replace");
    }

    #[test]
    fn who_is_let_in_by_rows_is_seeded_as_well() {
        let columns = ["channel_key", "account_id", "entry"];
        let row = ["whatsapp", "default", "+1"].map(|text| Cell::Text(text.to_owned())).to_vec();
        let host = host("whatsapp", r#"{groupPolicy: "open"}"#).release(2026, 9, 6);
        let seeded = proposals(&host.table("channel_pairing_allow_entries", &columns, vec![row]));
        assert_eq!(seeded[1], ("/channels/whatsapp/groupAllowFrom".to_owned(), r#"["+1"]"#.to_owned()));
    }

    #[test]
    fn a_matrix_bot_is_to_choose_its_rooms() {
        assert_eq!(ids("matrix", r#"{autoJoin: "always"}"#), ["6:warn"]);
        assert_eq!(ids("matrix", r#"{accounts: {a: {autoJoin: "always"}}}"#), ["6:warn"]);
        for other in ["{}", r#"{autoJoin: "off"}"#, "{autoJoin: true}"] {
            assert_eq!(ids("matrix", other), NOTHING, "{other}");
        }
        assert_eq!(ids("matrix", r#"{autoJoin: {"$hidden": "variable"}}"#), ["6:not assessed"]);
    }

    #[test]
    fn the_certificate_of_a_server_is_to_be_checked() {
        assert_eq!(ids("synology-chat", "{allowInsecureSsl: true}"), ["7:warn"]);
        for other in ["{}", "{allowInsecureSsl: false}", r#"{allowInsecureSsl: "true"}"#] {
            assert_eq!(ids("synology-chat", other), NOTHING, "{other}");
        }
        assert_eq!(
            ids("synology-chat", r#"{allowInsecureSsl: {"$hidden": "withheld"}}"#),
            ["7:not assessed"]
        );
    }
}
