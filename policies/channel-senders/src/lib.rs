//! Chat channels that know people by names which others can take.

use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge, told};
use chitin_policy_sdk::openclaw::senders::{is_changeable, is_changeable_entry};
use chitin_policy_sdk::{Answer, Context, Hidden, Node, NotAssessed, Reason, Verdict, info, warn};

/// The last words of the checks of each channel.
const NAMES: &str = "allowFrom.dangerous_name_matching_enabled";
const INERT: &str = "allowFrom.mutable_entries_inert";
const LOGIN: &str = "account.read_only_resolution";

/// Looks at every account of every channel.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    for (id, channel) in channels::each(cx) {
        match channel {
            Ok(channel) => {
                names_count(cx, &mut answer, &channel);
                if cx.release().since(2026, 8, 1) {
                    names_are_nobody(cx, &mut answer, &channel);
                }
                logins(&mut answer, &channel);
            }
            Err(reason) => {
                for check in [NAMES, INERT, LOGIN] {
                    answer.leave_open(&check_id(id, check), reason.clone());
                }
            }
        }
    }
    Ok(answer)
}

fn check_id(channel: &str, check: &str) -> String {
    format!("channels.{channel}.{check}")
}

/// The switch that lets names count.
fn switch<'a>(account: &Account<'a>) -> Result<Node<'a>, NotAssessed> {
    account.get("dangerouslyAllowNameMatching")
}

/// The names in a list: how many, and why there may be more; and how many entries there are.
struct Names {
    count: usize,
    entries: usize,
    open: Option<NotAssessed>,
}

fn names_of(cx: &Context<'_>, channel: &str, list: &Node<'_>) -> Result<Names, NotAssessed> {
    let mut seen = Names { count: 0, entries: 0, open: None };
    for item in list.items()? {
        match is_changeable_entry(cx, channel, &item) {
            Ok(is_name) => {
                seen.count += usize::from(is_name);
                let is_somebody = item.id().map(|id| id.is_some_and(|id| id != "*"));
                seen.entries += usize::from(is_somebody.unwrap_or(true));
            }
            Err(reason) => {
                seen.entries += 1;
                seen.open = Some(reason);
            }
        }
    }
    Ok(seen)
}

fn names_count(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    // Synology Chat has a check of its own.
    if channel.id == "synology-chat" {
        return;
    }
    let check = check_id(channel.id, NAMES);
    judge(
        answer,
        &check,
        &channel.accounts,
        |account| {
            let switch = switch(account)?;
            Ok(switch.is_true()?.then_some(switch))
        },
        |switch, sharing| {
            // This only adds a few words, so a hidden value leaves them out and the check stays assessed.
            let names = sharing.iter().filter_map(|account| {
                let known = names_of(cx, channel.id, &account.direct_list().ok()?).ok()?;
                known.open.is_none().then_some(known)
            });
            let (names, entries) =
                names.fold((0, 0), |(names, entries), known| (names + known.count, entries + known.entries));
            let counted = match (is_changeable(channel.id, "x"), entries) {
                (None, _) | (_, 0) => String::new(),
                _ => format!(" Of {entries} entries for direct messages {names} are such names."),
            };
            let (path, (who, note)) = (switch.dotted(), told(sharing));
            info(&check, &format!("{} lets people in by names that can be changed", channel.label()))
                .detail(format!(
                    "{path} is true{who}: an entry that is a name lets in whoever has that name at the time, and names can be \
                     changed or shared.{counted}{note}"
                ))
                .remediation(format!(
                    "Replace names in the lists of senders by the ids of the people, then set {path} to false"
                ))
                .at(&switch)
        },
    );
}

fn names_are_nobody(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let check = check_id(channel.id, INERT);
    if is_changeable(channel.id, "x").is_none() {
        return;
    }
    judge(
        answer,
        &check,
        &channel.accounts,
        |account| {
            let list = account.direct_list()?;
            let Names { count: names, entries, open } = names_of(cx, channel.id, &list)?;
            if names == 0 {
                return open.map_or(Ok(None), |reason| {
                    if switch(account)?.is_true()? { Ok(None) } else { Err(reason) }
                });
            }
            Ok((!switch(account)?.is_true()?).then_some((list, names, entries)))
        },
        |(list, names, entries), sharing| {
            let (path, (who, note)) = (list.dotted(), told(sharing));
            warn(&check, &format!("Names in a list of {} let nobody in", channel.label()))
                .detail(format!(
                    "{names} of {entries} entries in {path} are names{who}, and people are known by their ids alone: these entries \
                     let nobody in and protect nothing, though they look as if they did.{note}"
                ))
                .remediation("Replace each by the id of the person, or remove it")
                .at(&list)
        },
    );
}

/// The credentials of channels that the reference cannot look at without them. Telegram, Discord and Slack are looked at by
/// what the config says of them.
const CREDENTIALS: [(&str, &[&str]); 10] = [
    ("irc", &["password"]),
    ("googlechat", &["serviceAccount"]),
    ("msteams", &["appPassword"]),
    ("mattermost", &["botToken"]),
    ("matrix", &["accessToken", "password"]),
    ("feishu", &["appSecret"]),
    ("nextcloud-talk", &["botSecret"]),
    ("line", &["channelAccessToken", "channelSecret"]),
    ("zalo", &["botToken"]),
    ("nostr", &["privateKey"]),
];

/// Whether a reference leads to a credential is not known here: it is not followed.
fn logins(answer: &mut Answer, channel: &Channel<'_>) {
    let keys = CREDENTIALS.iter().find(|(id, _)| *id == channel.id).map_or(&[] as &[&str], |(_, keys)| *keys);
    for account in &channel.accounts {
        for key in keys {
            let hidden = match account.get(key) {
                Ok(credential) => credential.hidden(),
                Err(reason) => Some(reason),
            };
            if let Some(reason) = hidden.filter(is_reference) {
                answer.leave_open(&check_id(channel.id, LOGIN), reason);
            }
        }
    }
}

fn is_reference(reason: &NotAssessed) -> bool {
    matches!(reason.reason, Reason::Hidden(Hidden::Reference) | Reason::Withheld(_))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(channel: &str, section: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{channels: {{"{channel}": {section}}}}}"#)).release(2026, 9, 6)
    }

    fn ids(channel: &str, section: &str) -> Vec<String> {
        let start = format!("channels.{channel}.");
        let ids = host(channel, section).ids(audit);
        ids.iter().map(|id| id.strip_prefix(&start).expect("it is about the channel").to_owned()).collect()
    }

    const NAMES_COUNT: [&str; 1] = ["allowFrom.dangerous_name_matching_enabled:info"];
    const NAMES_INERT: [&str; 1] = ["allowFrom.mutable_entries_inert:warn"];

    #[test]
    fn names_that_count_are_told_of_every_channel() {
        for channel in ["discord", "matrix", "mattermost", "cliq"] {
            assert_eq!(ids(channel, "{dangerouslyAllowNameMatching: true}"), NAMES_COUNT, "{channel}");
            assert_eq!(ids(channel, r#"{dangerouslyAllowNameMatching: "true"}"#), NOTHING, "{channel}");
        }
        assert_eq!(ids("synology-chat", "{dangerouslyAllowNameMatching: true}"), NOTHING);
        let detail = |list: &str| {
            let section = format!("{{dangerouslyAllowNameMatching: true, allowFrom: {list}}}");
            host("discord", &section).findings(audit).remove(0).detail
        };
        assert!(
            detail(r#"["bob", "5", "*", ""]"#).contains("Of 2 entries for direct messages 1 are such names.")
        );
        assert!(!detail("[]").contains("entries for"));
    }

    #[test]
    fn names_that_do_not_count_are_told_where_they_can_be_told_from_ids() {
        for (channel, list) in
            [("discord", r#"["bob", 5]"#), ("slack", r#"["@bob"]"#), ("irc", r#"["bob!x"]"#)]
        {
            let section = format!("{{allowFrom: {list}}}");
            assert_eq!(ids(channel, &section), NAMES_INERT, "{channel}");
            assert_eq!(host(channel, &section).release(2026, 7, 35).ids(audit), NOTHING, "{channel}");
        }
        for (channel, list) in [
            ("telegram", r#"["@bob"]"#),
            ("discord", r#"["5", "*"]"#),
            ("discord", r#""bob""#),
            ("slack", "[]"),
        ] {
            assert_eq!(ids(channel, &format!("{{allowFrom: {list}}}")), NOTHING, "{channel} {list}");
        }
        let accounts =
            r#"{allowFrom: ["bob"], accounts: {a: {}, b: {allowFrom: ["5"]}, c: {enabled: false}}}"#;
        let found = host("discord", accounts).findings(audit);
        assert_eq!(found.len(), 1);
        assert!(
            found[0]
                .detail
                .starts_with("1 of 1 entries in channels.discord.allowFrom are names (account \"a\")")
        );
        assert!(!found[0].detail.contains("bob"));
    }

    #[test]
    fn a_login_that_is_kept_elsewhere_is_not_followed() {
        let with = |channel: &str, key: &str| {
            host(channel, &format!(r#"{{{key}: {{"$hidden": "reference"}}}}"#)).ids(audit)
        };
        assert_eq!(
            with("mattermost", "botToken"),
            ["channels.mattermost.account.read_only_resolution:not assessed"]
        );
        assert_eq!(with("telegram", "botToken"), NOTHING);
        assert_eq!(ids("mattermost", r#"{botToken: "x"}"#), NOTHING);
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let withheld = r#"{"$hidden": "withheld"}"#;
        let inert = ["allowFrom.mutable_entries_inert:not assessed"];
        assert_eq!(ids("discord", &format!("{{allowFrom: {withheld}}}")), inert);
        let hidden = host("discord", r#"{allowFrom: ["bob"]}"#)
            .hide("/channels/discord/allowFrom/0", Hidden::Variable);
        assert_eq!(hidden.ids(audit), ["channels.discord.allowFrom.mutable_entries_inert:not assessed"]);
        let number =
            host("discord", r#"{allowFrom: ["55"]}"#).hide("/channels/discord/allowFrom/0", Hidden::Variable);
        assert_eq!(number.ids(audit), NOTHING);
        let counts = host("discord", r#"{allowFrom: ["bob"], dangerouslyAllowNameMatching: true}"#);
        let counts = counts.hide("/channels/discord/allowFrom/0", Hidden::Variable).ids(audit);
        assert_eq!(counts, ["channels.discord.allowFrom.dangerous_name_matching_enabled:info"]);
        let switch = format!(r#"{{allowFrom: ["bob"], dangerouslyAllowNameMatching: {withheld}}}"#);
        assert_eq!(
            ids("discord", &switch),
            ["allowFrom.dangerous_name_matching_enabled:not assessed", inert[0]]
        );
        assert_eq!(host("irc", "{}").withhold("/channels/irc").ids(audit).len(), 3);
    }
}
