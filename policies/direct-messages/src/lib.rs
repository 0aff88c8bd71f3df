//! Chat channels where strangers can write to the agent, or share a session with its owner.

use std::collections::BTreeSet;

use chitin_policy_sdk::context::Identity;
use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge};
use chitin_policy_sdk::openclaw::pairing::{self, Store};
use chitin_policy_sdk::openclaw::senders::{self, is_everyone};
use chitin_policy_sdk::{
    Answer, Context, Finding, Hidden, Node, NotAssessed, Path, Verdict, any, critical, info, js, listing,
    warn,
};

/// The last words of the checks of each channel.
const CHECKS: [&str; 5] = ["open", "open_invalid", "disabled", "locked", "scope_main_multiuser"];

/// Looks at the direct messages of every account of every channel.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    for (id, channel) in channels::each(cx) {
        let channel = match channel {
            Ok(channel) => channel,
            Err(reason) => {
                for check in CHECKS.iter().filter(|check| exists(cx, check)) {
                    answer.leave_open(&check_id(id, check), reason.clone());
                }
                continue;
            }
        };
        open(&mut answer, &channel);
        open_invalid(cx, &mut answer, &channel);
        disabled(&mut answer, &channel);
        if exists(cx, "locked") {
            locked(cx, &mut answer, &channel);
        }
        if exists(cx, "scope_main_multiuser") {
            shared_session(cx, &mut answer, &channel);
        }
    }
    Ok(answer)
}

/// One check came with the release that another one left with.
fn exists(cx: &Context<'_>, check: &str) -> bool {
    match check {
        "locked" => cx.release().since(2026, 8, 1),
        "scope_main_multiuser" => !cx.release().since(2026, 8, 1),
        _ => true,
    }
}

/// Channels whose settings the gateway validates, so that it refuses `open` without "*" (reference: channel-checks 4.3).
const WITH_SCHEMA: [&str; 6] = ["bluebubbles", "imessage", "irc", "signal", "telegram", "whatsapp"];

/// The keys of a setting of these accounts, each once.
fn dotted<'a>(
    accounts: &[&Account<'a>],
    setting: impl Fn(&Account<'a>) -> Result<Node<'a>, NotAssessed>,
) -> Vec<String> {
    let keys = accounts.iter().filter_map(|account| Some(setting(account).ok()?.dotted()));
    keys.collect::<BTreeSet<_>>().into_iter().collect()
}

fn check_id(channel: &str, check: &str) -> String {
    format!("channels.{channel}.dm.{check}")
}

fn open(answer: &mut Answer, channel: &Channel<'_>) {
    let check = check_id(channel.id, "open");
    judge(
        answer,
        &check,
        &channel.accounts,
        |account| policy_is(account, "open"),
        |policy, sharing| {
            let lists = dotted(&sharing, Account::direct_list);
            let (path, (who, note)) = (policy.dotted(), told(sharing));
            critical(&check, &format!("Anyone can send the agent direct messages on {}", channel.label()))
                .detail(format!(
                    "{path} is \"open\"{who}: every stranger who can reach the bot can give the agent orders, and try to talk \
                     it into using its tools against its owner.{note}"
                ))
                .remediation(format!(
                    "Set {path} to \"pairing\" or \"allowlist\", and in either case keep \"*\" out of {}",
                    listing::words(&lists)
                ))
                .at(&policy)
        },
    );
}

fn open_invalid(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let check = check_id(channel.id, "open_invalid");
    let label = channel.label();
    judge(
        answer,
        &check,
        &channel.accounts,
        |account| {
            if policy_is(account, "open")?.is_none() {
                return Ok(None);
            }
            let list = account.direct_list()?;
            Ok((!has_wildcard(cx, channel.id, &list)?).then_some(list))
        },
        |list, sharing| {
            let policies = dotted(&sharing, Account::direct_policy);
            let (policy, path, (who, note)) = (listing::words(&policies), list.dotted(), told(sharing));
            let verb = if policies.len() == 1 { "is" } else { "are" };
            let effect = if WITH_SCHEMA.contains(&channel.id) {
                "the gateway does not start with such a config"
            } else {
                "it is not certain which of them holds"
            };
            warn(&check, &format!("{label}: the policy for direct messages and the list of senders disagree"))
                .detail(format!(
                    "{policy} {verb} \"open\"{who}, which lets everyone in, and {path} has no \"*\", which lets in those who \
                     are listed: {effect}.{note}"
                ))
                .remediation(format!(
                    "Set {policy} to \"pairing\" or \"allowlist\". Add \"*\" to {path} only where every stranger is to reach the \
                     agent"
                ))
                .at(&list)
        },
    );
}

fn disabled(answer: &mut Answer, channel: &Channel<'_>) {
    let check = check_id(channel.id, "disabled");
    judge(
        answer,
        &check,
        &channel.accounts,
        |account| policy_is(account, "disabled"),
        |policy, sharing| {
            let (path, (who, note)) = (policy.dotted(), told(sharing));
            info(&check, &format!("{} direct messages are switched off", channel.label()))
                .detail(format!(
                    "{path} is \"disabled\"{who}: what people write to the bot directly is ignored.{note}"
                ))
                .at(&policy)
        },
    );
}

/// The place of the account's policy and its name, where nobody can write under it: it lets in who is named or paired, and
/// nobody is.
fn locked_by<'a>(
    cx: &Context<'_>,
    channel: &Channel<'_>,
    account: &Account<'a>,
    stores: &Result<Vec<Store>, NotAssessed>,
) -> Result<Option<(Node<'a>, Option<&'a str>)>, NotAssessed> {
    let (policy, name) = (account.direct_policy()?, account.direct_policy_name()?);
    // What a channel of a plugin does without a policy is not known.
    let is_unknown = channel.is_of_plugin() && policy.is_nullish()?;
    if is_unknown || matches!(name, None | Some("open" | "disabled")) {
        return Ok(None);
    }
    let list = account.direct_list()?;
    let in_text = texts(channel.id, &list).map(|texts| !texts.is_empty());
    let in_list = list.items().and_then(|items| any(items.map(|item| Ok(cx.identity(&item)?.is_some()))));
    let named = any([in_text, in_list]);
    let paired = match stores {
        _ if !pairing::counts(cx.release(), name) => Ok(false),
        Ok(stores) => Ok(stores.iter().any(Store::lets_in)),
        Err(reason) => Err(reason.clone()),
    };
    Ok((!any([named, paired])?).then_some((policy, name)))
}

fn locked(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let check = check_id(channel.id, "locked");
    let accounts: Vec<_> = channel.accounts.iter().zip(pairing::stores(cx, channel)).collect();
    judge(
        answer,
        &check,
        &accounts,
        |(account, stores)| locked_by(cx, channel, account, stores),
        |(policy, name), sharing| {
            let sharing: Vec<&Account<'_>> = sharing.into_iter().map(|(account, _)| *account).collect();
            let lists = dotted(&sharing, Account::direct_list);
            let (path, lists, (who, note)) = (policy.dotted(), listing::words(&lists), told(sharing));
            let state = if policy.is_nullish() == Ok(true) { "not set, which means " } else { "" };
            let name = name.unwrap_or_default();
            let (waiting, paired) = match name {
                "pairing" => ("gets a code and waits for you", " and nobody is paired"),
                _ => ("is turned away", ""),
            };
            info(&check, &format!("Nobody can write to the agent directly on {} yet", channel.label()))
                .detail(format!(
                    "{path} is {state}\"{name}\"{who}, {lists} names nobody{paired}: whoever writes to the bot {waiting}.{note}"
                ))
                .remediation(format!(
                    "Where this is not meant, approve a pairing request, or add your own id to {lists}"
                ))
                .at(&policy)
        },
    );
}

/// Those who can write to an account.
#[derive(PartialEq)]
struct Crowd<'a> {
    /// The config's list, where it names somebody.
    list: Option<Node<'a>>,
    /// The stores that name somebody.
    stores: Vec<Path>,
    everyone: bool,
    /// How many people there are at least.
    least: usize,
    /// How many there are at most: one who is not shown may be one of those who are.
    most: usize,
}

impl<'a> Crowd<'a> {
    fn of(
        cx: &Context<'_>,
        channel: &str,
        account: &Account<'a>,
        stores: &Result<Vec<Store>, NotAssessed>,
    ) -> Result<Self, NotAssessed> {
        let list = account.direct_list()?;
        let stores = if pairing::counts(cx.release(), account.direct_policy_name()?) {
            stores.as_deref().map_err(Clone::clone)?
        } else {
            &[]
        };
        let (mut shown, mut hidden, mut named) = (BTreeSet::new(), BTreeSet::new(), false);
        for item in list.items()? {
            match cx.identity(&item)? {
                Some(Identity::Shown(entry)) => {
                    named = true;
                    shown.extend(Some(senders::normalise(channel, &entry)).filter(|_| entry != "*"));
                }
                Some(Identity::Hidden(fingerprint, _)) => {
                    named = true;
                    hidden.insert(fingerprint);
                }
                None => {}
            }
        }
        let texts = texts(channel, &list)?;
        named |= !texts.is_empty();
        shown.extend(texts.iter().filter(|text| *text != "*").map(|text| senders::normalise(channel, text)));
        let paired = stores.iter().flat_map(|store| &store.senders);
        shown.extend(paired.map(|entry| senders::normalise(channel, entry)));
        shown.remove("");
        let filled = stores.iter().filter(|store| store.lets_in()).filter_map(|store| store.path.clone());
        Ok(Self {
            everyone: any([
                Ok(stores.iter().any(|store| store.has_wildcard)),
                has_wildcard(cx, channel, &list),
            ])?,
            stores: filled.collect(),
            list: named.then_some(list),
            least: shown.len().max(hidden.len()),
            most: shown.len() + hidden.len(),
        })
    }

    /// There are several, or there may be.
    ///
    /// # Errors
    /// Where one who is not shown may be the one who is.
    fn is_several(&self) -> Result<bool, NotAssessed> {
        if self.everyone || self.least > 1 {
            return Ok(true);
        }
        match &self.list {
            Some(list) if self.most > 1 => Err(NotAssessed::hidden(Hidden::Variable, list.location())),
            _ => Ok(false),
        }
    }

    fn words(&self) -> String {
        match (self.everyone, self.least == self.most) {
            (true, _) => "Everyone".to_owned(),
            (false, true) => format!("{} people", self.least),
            (false, false) => format!("At least {} people", self.least),
        }
    }
}

fn shared_session(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let (check, label) = (check_id(channel.id, "scope_main_multiuser"), channel.label());
    let scope = cx.config().at("session.dmScope");
    // Only a scope that is another legal word keeps people apart.
    let kept_apart = scope.trimmed().map(|scope| scope.is_some_and(|scope| scope != "main"));
    if kept_apart == Ok(true) {
        return;
    }
    let accounts: Vec<_> = channel.accounts.iter().zip(pairing::stores(cx, channel)).collect();
    judge(
        answer,
        &check,
        &accounts,
        |(account, stores)| {
            if policy_is(account, "disabled")?.is_some() {
                return Ok(None);
            }
            let crowd = Crowd::of(cx, channel.id, account, stores)?;
            let is_shared = crowd.is_several()? && !kept_apart.clone()?;
            Ok(is_shared.then_some(crowd))
        },
        |crowd, sharing| {
            let (who, note) = told(sharing.into_iter().map(|(account, _)| *account));
            let by_default = if scope.is_nullish() == Ok(true) { " by default" } else { "" };
            let start = warn(&check, &format!("Several {label} senders share one session"))
                .detail(format!(
                    "{} can write to the agent directly{who}, and session.dmScope is \"main\"{by_default}: all of them talk \
                     in the one main session, where each can be told what the others said.{note}",
                    crowd.words()
                ))
                .remediation(
                    "Set session.dmScope to \"per-channel-peer\", or to \"per-account-channel-peer\" where a channel has \
                     several accounts",
                );
            let listed = crowd.list.iter().fold(start, Finding::at);
            crowd.stores.iter().fold(listed, Finding::at_object).at(&scope)
        },
    );
}

/// The place of the account's policy, where it is this one.
fn policy_is<'a>(account: &Account<'a>, name: &str) -> Result<Option<Node<'a>>, NotAssessed> {
    let policy = account.direct_policy()?;
    Ok((policy.text()? == Some(name)).then_some(policy))
}

fn has_wildcard(cx: &Context<'_>, channel: &str, list: &Node<'_>) -> Result<bool, NotAssessed> {
    let in_list = list.items().and_then(|items| any(items.map(|entry| is_everyone(cx, &entry))));
    any([texts(channel, list).map(|texts| texts.iter().any(|text| text == "*")), in_list])
}

/// Synology Chat also knows its list as a text with commas.
fn texts(channel: &str, list: &Node<'_>) -> Result<Vec<String>, NotAssessed> {
    if channel != "synology-chat" {
        return Ok(Vec::new());
    }
    let text = list.trimmed()?.unwrap_or_default();
    Ok(text.split(',').map(js::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect())
}

/// The same as [`channels::told`], which knows nothing of the switch for direct messages.
fn told<'t, 'a: 't>(sharing: impl IntoIterator<Item = &'t Account<'a>>) -> (String, &'static str) {
    let sharing: Vec<&Account<'_>> = sharing.into_iter().collect();
    let (who, note) = channels::told(sharing.iter().copied());
    // This only adds a note, so a hidden value leaves it out and the check stays assessed.
    let is_off = |account: &Account<'_>| account.get("dm").and_then(|dm| dm.get("enabled").is_false());
    if sharing.iter().all(|account| is_off(account) == Ok(true)) {
        let note = " At present dm.enabled is false: this counts from the day it is true.";
        return (who, note);
    }
    (who, note)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Cell, Location};

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
        host.findings(audit)
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
        assert!(note("telegram", &format!("{{enabled: false, {open}}}")).contains("At present"));
        assert!(
            note("slack", &format!("{{dm: {{enabled: false}}, {open}}}")).contains("dm.enabled is false")
        );
        assert!(!note("telegram", &format!("{{{open}}}")).contains("At present"));
    }

    #[test]
    fn a_store_that_cannot_be_read_is_not_called_clean() {
        let host = host("telegram", "{}").deny("credentials", "telegram-allowFrom.json");
        assert_eq!(host.ids(audit), ["channels.telegram.dm.scope_main_multiuser:not assessed"]);
        let unused = MemoryHost::new("{}").deny("credentials", "telegram-allowFrom.json");
        assert_eq!(unused.ids(audit), NOTHING);
    }

    #[test]
    fn a_channel_of_a_plugin_is_judged_by_its_common_settings() {
        assert_eq!(ids("cliq", r#"{dmPolicy: "open", allowFrom: ["*"], groupPolicy: "open"}"#), OPEN);
        assert_eq!(ids("cliq", r#"{accounts: {a: {dmPolicy: "disabled"}}}"#), ["disabled:info"]);
        assert_eq!(
            findings(&host("cliq", r#"{dmPolicy: "open"}"#))[0].title,
            "Anyone can send the agent direct messages on cliq"
        );
        for closed in ["{}", r#"{dm: {policy: "open"}}"#, "[]", "5"] {
            assert_eq!(ids("cliq", closed), NOTHING, "{closed}");
        }
    }

    #[test]
    fn senders_who_are_not_shown_are_told_apart_and_counted() {
        let multiuser = "channels.telegram.dm.scope_main_multiuser";
        let count = |list: &[&str], hidden: &[usize]| {
            let list = list_of(list);
            let host = host("telegram", &format!(r#"{{dmPolicy: "allowlist", allowFrom: {list}}}"#));
            let hide = |host: MemoryHost, index: &usize| {
                host.hide(&format!("/channels/telegram/allowFrom/{index}"), Hidden::Variable)
            };
            hidden.iter().fold(host, hide).ids(audit)
        };
        let (found, open) = ([format!("{multiuser}:warn")], [format!("{multiuser}:not assessed")]);
        assert_eq!(count(&["5"], &[0]), NOTHING);
        assert_eq!(count(&["5", "6"], &[0, 1]), found);
        assert_eq!(count(&["5", "5"], &[0, 1]), NOTHING, "they are one");
        assert_eq!(count(&["5", "6"], &[0]), open, "the one may be the other");
        assert_eq!(count(&["5", "6", "7"], &[0]), found);
        assert_eq!(count(&["*"], &[0]), open, "one character may be everyone");
    }

    fn list_of(items: &[&str]) -> String {
        let items: Vec<String> = items.iter().map(|item| format!("\"{item}\"")).collect();
        format!("[{}]", items.join(", "))
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let withheld = r#"{"$hidden": "withheld"}"#;
        let all = ["open", "open_invalid", "disabled", "scope_main_multiuser"];
        let all = all.map(|check| format!("{check}:not assessed"));
        assert_eq!(ids("telegram", &format!("{{dmPolicy: {withheld}}}")), all);
        let list = ids("telegram", &format!(r#"{{dmPolicy: "open", allowFrom: {withheld}}}"#));
        assert_eq!(list, ["open:critical", &all[1], &all[3]]);
        let off = format!(r#"{{dmPolicy: "disabled", allowFrom: {withheld}}}"#);
        assert_eq!(ids("telegram", &off), ["disabled:info"]);
        let both = format!(
            r#"{{accounts: {{a: {{dmPolicy: {withheld}}}, b: {{dmPolicy: "open", allowFrom: ["*"]}}}}}}"#
        );
        let both = ids("mattermost", &both);
        assert!(both.contains(&OPEN[0].to_owned()) && both.contains(&all[0]), "{both:?}");
        let scope = |allow: &str| {
            let config = format!("{{channels: {{telegram: {{allowFrom: {allow}}}}}, session: {withheld}}}");
            MemoryHost::new(&config).ids(audit)
        };
        assert_eq!(scope(r#"["1"]"#), NOTHING, "one alone shares with nobody");
        assert_eq!(scope(r#"["1", "2"]"#), ["channels.telegram.dm.scope_main_multiuser:not assessed"]);
    }

    /// The findings about a channel in a release.
    fn later(channel: &str, section: &str) -> Vec<String> {
        let start = format!("channels.{channel}.dm.");
        let ids = host(channel, section).release(2026, 8, 1).ids(audit);
        ids.iter().map(|id| id.strip_prefix(&start).expect("it is about the channel").to_owned()).collect()
    }

    fn paired(host: MemoryHost, account: &str, entry: &str) -> MemoryHost {
        let columns = ["channel_key", "account_id", "entry"];
        let row = ["telegram", account, entry].map(|text| Cell::Text(text.to_owned())).to_vec();
        host.table("channel_pairing_allow_entries", &columns, vec![row])
    }

    #[test]
    fn nobody_can_write_until_somebody_is_named_or_paired() {
        let locked = ["locked:info"];
        for section in [
            "{}",
            r#"{dmPolicy: "pairing", allowFrom: [" ", null]}"#,
            r#"{dmPolicy: "allowlist", allowFrom: []}"#,
            r#"{dmPolicy: "sometimes"}"#,
        ] {
            assert_eq!(later("telegram", section), locked, "{section}");
        }
        for section in [r#"{allowFrom: ["5"]}"#, r#"{allowFrom: ["*"]}"#, "{dmPolicy: 5}", "{enabled: false}"]
        {
            assert_eq!(later("telegram", section), NOTHING, "{section}");
        }
        assert_eq!(later("telegram", r#"{dmPolicy: "open", allowFrom: ["*"]}"#), ["open:critical"]);
        assert_eq!(later("telegram", r#"{dmPolicy: "disabled"}"#), ["disabled:info"]);
        let before = host("telegram", "{}").release(2026, 7, 35);
        assert_eq!(before.ids(audit), NOTHING);
        assert!(findings(&before.release(2026, 9, 6))[0].detail.contains("not set, which means \"pairing\""));
    }

    #[test]
    fn whom_pairing_let_in_counts_where_the_policy_asks_for_it() {
        let with = |section: &str, account: &str| {
            paired(host("telegram", section), account, "5").release(2026, 9, 6).ids(audit).len()
        };
        assert_eq!(with("{}", "default"), 0);
        assert_eq!(with("{}", "work"), 1, "another account's");
        assert_eq!(with("{accounts: {Work: {}}}", "work"), 0);
        assert_eq!(with(r#"{dmPolicy: "allowlist"}"#, "default"), 1, "an allow list asks no store");
        let unknown = host("telegram", "{}").release(2026, 9, 6);
        let unknown = unknown.ungranted("records:channel_pairing_allow_entries.entry");
        assert_eq!(unknown.ids(audit), ["channels.telegram.dm.locked:not assessed"]);
        let named = host("telegram", r#"{allowFrom: ["5"]}"#).release(2026, 9, 6);
        let named = named.ungranted("records:channel_pairing_allow_entries.entry");
        assert_eq!(named.ids(audit), NOTHING, "who is named is enough");
        let store = r#"{"allowFrom": ["6"]}"#;
        let section = r#"{dmPolicy: "allowlist", allowFrom: ["5"]}"#;
        let file = || host("telegram", section).file("credentials", "telegram-allowFrom.json", 0o600, store);
        assert_eq!(file().ids(audit), ["channels.telegram.dm.scope_main_multiuser:warn"]);
        assert_eq!(file().release(2026, 2, 26).ids(audit), NOTHING);
    }

    #[test]
    fn the_older_names_are_no_names_any_more() {
        for channel in ["discord", "slack", "googlechat"] {
            let section = r#"{dm: {policy: "open", allowFrom: ["*"]}}"#;
            assert_eq!(ids(channel, section), OPEN, "{channel}");
            assert_eq!(later(channel, section), ["locked:info"], "{channel}");
            assert_eq!(later(channel, r#"{dmPolicy: "open", allowFrom: ["*"]}"#), ["open:critical"]);
        }
        assert_eq!(later("matrix", r#"{dm: {policy: "open", allowFrom: ["*"]}}"#), ["open:critical"]);
    }

    #[test]
    fn synology_chat_has_a_list_of_its_own() {
        assert_eq!(later("synology-chat", "{}"), ["locked:info"]);
        assert_eq!(later("synology-chat", r#"{allowedUserIds: ["5"]}"#), NOTHING);
        assert_eq!(later("synology-chat", r#"{allowedUserIds: " 5, 6"}"#), NOTHING);
        assert_eq!(later("synology-chat", r#"{allowedUserIds: " , "}"#), ["locked:info"]);
        assert_eq!(later("synology-chat", r#"{dmPolicy: "open", allowedUserIds: "5,*"}"#), ["open:critical"]);
        assert_eq!(ids("synology-chat", r#"{allowedUserIds: "5,6"}"#), ["scope_main_multiuser:warn"]);
        assert_eq!(
            later("synology-chat", r#"{dmPolicy: "open", allowFrom: ["*"]}"#),
            ["open:critical", "open_invalid:warn"]
        );
        let host = host("synology-chat", "{}").release(2026, 8, 1);
        assert!(findings(&host)[0].detail.contains("\"allowlist\""));
    }

    #[test]
    fn a_channel_of_a_plugin_is_locked_by_a_policy_alone() {
        assert_eq!(later("cliq", "{}"), NOTHING);
        assert_eq!(later("cliq", r#"{dmPolicy: "pairing"}"#), ["locked:info"]);
    }

    #[test]
    fn a_section_with_a_token_is_an_account_beside_the_others() {
        let section =
            r#"{botToken: "t", dmPolicy: "open", allowFrom: ["*"], accounts: {a: {dmPolicy: "disabled"}}}"#;
        assert_eq!(later("telegram", section), ["open:critical", "disabled:info"]);
        assert_eq!(ids("telegram", section), ["disabled:info"]);
        let other = section.replace("botToken", "name");
        assert_eq!(later("telegram", &other), ["disabled:info"]);
    }

    #[test]
    fn what_is_off_is_left_out_from_a_release_on() {
        let section = r#"{dmPolicy: "open", allowFrom: ["*"], accounts: {a: {enabled: false}, b: {}}}"#;
        let detail =
            |month, patch| findings(&host("telegram", section).release(2026, month, patch)).remove(0).detail;
        assert!(detail(3, 7).contains("(accounts \"a\" and \"b\")"));
        assert!(detail(3, 8).contains("(account \"b\")"));
    }
}
