//! Synology Chat accounts that strangers reach, or that are taken for each other.

use chitin_policy_sdk::context::Identity;
use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge, told};
use chitin_policy_sdk::openclaw::senders::is_everyone;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, any, critical, finding, info, js, warn,
};

const POLICY: &str = "channels.synology-chat.dm.policy";
const NAMES: &str = "channels.synology-chat.reply.dangerous_name_matching_enabled";
const INHERITED: &str = "channels.synology-chat.routing.inherited-shared-webhook-path";
const PATH: &str = "channels.synology-chat.routing.duplicate-webhook-path";
const ADDRESS: &str = "channels.synology-chat.routing.duplicate-webhook-url";

/// The path that an account listens on where none is set.
const DEFAULT_PATH: &str = "/webhook/synology";

/// Looks at every account.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    match channels::find(cx, "synology-chat") {
        Ok(None) => {}
        Ok(Some(channel)) => {
            direct_messages(cx, &mut answer, &channel);
            names(&mut answer, &channel);
            inherited_path(&mut answer, &channel);
            shared(cx, &mut answer, &channel, PATH, path, |places, who, note| {
                warn(PATH, "Synology Chat accounts listen on one path")
                    .detail(format!(
                        "{} listen on the same path of the gateway{who}: it does not start them, since it could not tell whom a \
                         message is for.{note}",
                        accounts(places)
                    ))
                    .remediation("Give each account a webhookPath of its own")
            });
            shared(cx, &mut answer, &channel, ADDRESS, address, |places, who, note| {
                critical(ADDRESS, "Synology Chat accounts have one public address")
                    .detail(format!(
                        "{} have the same webhookUrl{who}: what is meant for one account, files among it, is fetched through the \
                         address of another, which may let other people in.{note}",
                        accounts(places)
                    ))
                    .remediation("Give each account a webhookUrl of its own, or remove it where it is not needed")
            });
        }
        Err(reason) => {
            for check in [POLICY, NAMES, INHERITED, PATH, ADDRESS] {
                answer.leave_open(check, reason.clone());
            }
        }
    }
    Ok(answer)
}

/// How many accounts these places are of.
fn accounts(places: usize) -> String {
    format!("{places} accounts")
}

/// What is wrong with the policy of an account.
#[derive(Clone, Copy, PartialEq)]
enum Direct {
    /// It lets everyone in.
    Open,
    /// It is open, and no list says to whom.
    Contradiction,
}

fn direct_messages(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    judge(
        answer,
        POLICY,
        &channel.accounts,
        |account| {
            let policy = account.direct_policy()?;
            if policy.text()? != Some("open") {
                return Ok(None);
            }
            let list = account.direct_list()?;
            let wrong = match (lets_all_in(cx, &list), names_nobody(cx, &list)) {
                (Ok(true), _) => Direct::Open,
                (Ok(false), Ok(true)) => Direct::Contradiction,
                (Ok(false), Ok(false)) => return Ok(None),
                (Err(reason), _) | (_, Err(reason)) => return Err(reason),
            };
            Ok(Some((wrong, policy, list)))
        },
        |(wrong, policy, list), sharing| {
            let (path, names, (who, note)) = (policy.dotted(), list.dotted(), told(sharing));
            let found = match wrong {
                Direct::Open => finding(POLICY, Severity::Critical, "Anyone on the Synology server can write to the agent")
                    .detail(format!(
                        "{path} is \"open\" and {names} holds \"*\"{who}: everyone with an account on the server can give the agent \
                         orders, and try to talk it into using its tools against its owner.{note}"
                    ))
                    .remediation(format!("Set {path} to \"allowlist\" and list the ids of those who are meant in {names}")),
                Direct::Contradiction => finding(POLICY, Severity::Warn, "Synology Chat is open to everyone, and to nobody")
                    .detail(format!(
                        "{path} is \"open\"{who}, and {names} is empty: the gateway does not start the account, and a \"*\" that \
                         makes it start would let everyone in.{note}"
                    ))
                    .remediation(format!("Set {path} to \"allowlist\" and list the ids of those who are meant in {names}")),
            };
            found.at(&policy).at(&list)
        },
    );
}

/// The names of a list that is written as a text with commas.
fn texts(list: &Node<'_>) -> Result<Vec<String>, NotAssessed> {
    let text = list.trimmed()?.unwrap_or_default();
    Ok(text.split(',').map(js::trim).filter(|text| !text.is_empty()).map(str::to_owned).collect())
}

fn lets_all_in(cx: &Context<'_>, list: &Node<'_>) -> Result<bool, NotAssessed> {
    let in_list = any(list.items()?.map(|entry| is_everyone(cx, &entry)));
    any([texts(list).map(|texts| texts.iter().any(|text| text == "*")), in_list])
}

fn names_nobody(cx: &Context<'_>, list: &Node<'_>) -> Result<bool, NotAssessed> {
    let in_list = any(list.items()?.map(|entry| Ok(cx.identity(&entry)?.is_some())));
    Ok(!any([texts(list).map(|texts| !texts.is_empty()), in_list])?)
}

fn names(answer: &mut Answer, channel: &Channel<'_>) {
    judge(
        answer,
        NAMES,
        &channel.accounts,
        |account| {
            let switch = account.get("dangerouslyAllowNameMatching")?;
            Ok(switch.is_true()?.then_some(switch))
        },
        |switch, sharing| {
            let (path, (who, note)) = (switch.dotted(), told(sharing));
            info(NAMES, "Synology Chat finds those it answers by name")
                .detail(format!(
                    "{path} is true{who}: a reply goes to whoever has the name of the one who wrote, and names can be changed, so \
                     that somebody else can get it.{note}"
                ))
                .remediation(format!("Set {path} to false: people are found by their ids then"))
                .at(&switch)
        },
    );
}

fn inherited_path(answer: &mut Answer, channel: &Channel<'_>) {
    if channel.accounts.len() < 2 {
        return;
    }
    judge(
        answer,
        INHERITED,
        &channel.accounts,
        |account| {
            if account.is_default() || account.get("dangerouslyAllowInheritedWebhookPath")?.is_true()? {
                return Ok(None);
            }
            let path = account.get("webhookPath")?;
            let is_own = path.pointer().contains("/accounts/");
            Ok((!is_own && path.trimmed()?.is_some()).then_some(path))
        },
        |path, sharing| {
            let (place, (who, note)) = (path.dotted(), told(sharing));
            warn(INHERITED, "Synology Chat accounts listen on the path of the channel")
                .detail(format!(
                    "{place} holds for accounts that have no path of their own{who}: the gateway does not start them, since it \
                     could not tell whom a message is for.{note}"
                ))
                .remediation("Give each account a webhookPath of its own")
                .at(&path)
        },
    );
}

/// The path that an account listens on.
fn path<'a>(cx: &Context<'_>, account: &Account<'a>) -> Result<(Node<'a>, Option<Identity>), NotAssessed> {
    let path = account.get("webhookPath")?;
    let name = cx.identity(&path)?.unwrap_or_else(|| Identity::Shown(DEFAULT_PATH.to_owned()));
    Ok((path, Some(name)))
}

/// The public address of an account: an account does not take the channel's.
fn address<'a>(cx: &Context<'_>, account: &Account<'a>) -> Result<(Node<'a>, Option<Identity>), NotAssessed> {
    let address = account.get("webhookUrl")?;
    if !account.is_default() && !address.pointer().contains("/accounts/") {
        return Ok((address, None));
    }
    // Only such an address can be asked for files.
    let is_public = |name: &Identity| match name {
        Identity::Shown(address) => address.to_lowercase().starts_with("https://"),
        Identity::Hidden(..) => true,
    };
    let name = cx.identity(&address)?.filter(is_public);
    Ok((address, name))
}

type Named<'a> = (Node<'a>, Option<Identity>);

/// Values that several accounts have in common.
fn shared<'a>(
    cx: &Context<'_>,
    answer: &mut Answer,
    channel: &Channel<'a>,
    check: &str,
    value: impl Fn(&Context<'_>, &Account<'a>) -> Result<Named<'a>, NotAssessed>,
    words: impl Fn(usize, &str, &str) -> Finding,
) {
    let mut groups: Vec<(Identity, Vec<(&Account<'a>, Node<'a>)>)> = Vec::new();
    for account in &channel.accounts {
        let (place, name) = match value(cx, account) {
            Ok((place, Some(name))) => (place, name),
            Ok((_, None)) => continue,
            Err(reason) => {
                if channel.accounts.len() > 1 {
                    answer.leave_open(check, reason);
                }
                continue;
            }
        };
        let mut unknown = None;
        let known = groups.iter_mut().find(|(known, _)| match known.is_same(&name) {
            Ok(is_same) => is_same,
            Err(reason) => {
                unknown = Some(reason);
                false
            }
        });
        if let Some((_, members)) = known {
            members.push((account, place));
        } else {
            // A hidden path may be the same as one that is shown.
            if let Some(reason) = unknown {
                answer.leave_open(check, reason);
            }
            groups.push((name, vec![(account, place)]));
        }
    }
    for (_, members) in groups.iter().filter(|(_, members)| members.len() > 1) {
        let (who, note) = told(members.iter().map(|(account, _)| *account));
        let found = words(members.len(), &who, note);
        let mut found = members.iter().fold(found, |found, (_, place)| found.at(place));
        found.locations.dedup();
        answer.findings.push(found);
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(section: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{channels: {{"synology-chat": {section}}}}}"#)).release(2026, 8, 1)
    }

    fn ids(section: &str) -> Vec<String> {
        let ids = host(section).ids(audit);
        ids.iter().map(|id| id.strip_prefix("channels.synology-chat.").expect("its own").to_owned()).collect()
    }

    #[test]
    fn an_open_policy_lets_all_in_or_nobody() {
        for list in [r#"["*"]"#, r#"["5", " * "]"#, r#""5, *""#] {
            assert_eq!(
                ids(&format!(r#"{{dmPolicy: "open", allowedUserIds: {list}}}"#)),
                ["dm.policy:critical"],
                "{list}"
            );
        }
        for list in ["[]", "null", r#""""#, r#"" , ""#, r#"[" "]"#] {
            assert_eq!(
                ids(&format!(r#"{{dmPolicy: "open", allowedUserIds: {list}}}"#)),
                ["dm.policy:warn"],
                "{list}"
            );
        }
        for section in [
            "{}",
            r#"{dmPolicy: "open", allowedUserIds: ["5"]}"#,
            r#"{dmPolicy: "open", allowedUserIds: "5,6"}"#,
            r#"{allowedUserIds: ["*"]}"#,
            r#"{dmPolicy: "disabled", allowedUserIds: ["*"]}"#,
        ] {
            assert_eq!(ids(section), NOTHING, "{section}");
        }
    }

    #[test]
    fn names_that_find_people_are_told() {
        let id = ["reply.dangerous_name_matching_enabled:info"];
        assert_eq!(ids("{dangerouslyAllowNameMatching: true}"), id);
        assert_eq!(ids(r#"{dangerouslyAllowNameMatching: "true"}"#), NOTHING);
        let section = r#"{dangerouslyAllowNameMatching: true, webhookPath: "/a", accounts: {a: {dangerouslyAllowNameMatching: false}}}"#;
        assert_eq!(ids(section), NOTHING);
    }

    #[test]
    fn two_accounts_need_two_paths() {
        let two = |a: &str, b: &str| ids(&format!("{{accounts: {{a: {a}, b: {b}}}}}"));
        let same = ["routing.duplicate-webhook-path:warn"];
        assert_eq!(two(r#"{webhookPath: "/x"}"#, r#"{webhookPath: "/x"}"#), same);
        assert_eq!(two("{}", "{}"), same, "both have the default");
        assert_eq!(two("{}", r#"{webhookPath: "/webhook/synology"}"#), same);
        assert_eq!(two(r#"{webhookPath: "/x"}"#, r#"{webhookPath: "/y"}"#), NOTHING);
        assert_eq!(two(r#"{webhookPath: "/x"}"#, r#"{enabled: false, webhookPath: "/x"}"#), NOTHING);
        assert_eq!(ids("{}"), NOTHING);
    }

    #[test]
    fn a_path_of_the_channel_is_no_path_of_an_account() {
        let section = r#"{token: "t", webhookPath: "/x", accounts: {a: {}, b: {webhookPath: "/b"}}}"#;
        assert_eq!(
            ids(section),
            ["routing.inherited-shared-webhook-path:warn", "routing.duplicate-webhook-path:warn"]
        );
        let by_choice = section.replace("a: {}", "a: {dangerouslyAllowInheritedWebhookPath: true}");
        assert_eq!(ids(&by_choice), ["routing.duplicate-webhook-path:warn"]);
        assert_eq!(ids(r#"{webhookPath: "/x", accounts: {a: {}}}"#), NOTHING, "there is one account");
    }

    #[test]
    fn two_accounts_need_two_addresses() {
        let two = |a: &str, b: &str| {
            let account =
                |path: &str, url: &str| format!(r#"{{webhookPath: "{path}", webhookUrl: "{url}"}}"#);
            host(&format!("{{accounts: {{a: {}, b: {}}}}}", account("/a", a), account("/b", b)))
        };
        let same = ["channels.synology-chat.routing.duplicate-webhook-url:critical"];
        let open = ["channels.synology-chat.routing.duplicate-webhook-url:not assessed"];
        assert_eq!(two("https://h/x", "https://h/x").ids(audit), same);
        for (a, b) in [("https://h/x", "https://h/y"), ("http://h/x", "http://h/x"), ("", "")] {
            assert_eq!(two(a, b).ids(audit), NOTHING, "{a} {b}");
        }
        let place = |name: &str| format!("/channels/synology-chat/accounts/{name}/webhookUrl");
        let one = |a, b| two(a, b).hide(&place("a"), Hidden::Secret);
        assert_eq!(one("https://h/x", "https://h/x").ids(audit), open);
        assert_eq!(one("https://h/x", "https://h/x").hide(&place("b"), Hidden::Secret).ids(audit), same);
        let base =
            r#"{webhookUrl: "https://h/x", accounts: {a: {webhookPath: "/a"}, b: {webhookPath: "/b"}}}"#;
        assert_eq!(ids(base), NOTHING, "an account does not take the channel's");
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let withheld = r#"{"$hidden": "withheld"}"#;
        let open = |name: &str| [format!("{name}:not assessed")];
        assert_eq!(ids(&format!("{{dmPolicy: {withheld}}}")), open("dm.policy"));
        assert_eq!(ids(&format!(r#"{{dmPolicy: "open", allowedUserIds: {withheld}}}"#)), open("dm.policy"));
        let switch = format!("{{dangerouslyAllowNameMatching: {withheld}}}");
        assert_eq!(ids(&switch), open("reply.dangerous_name_matching_enabled"));
        assert_eq!(ids(&format!("{{webhookPath: {withheld}}}")), NOTHING, "there is one account");
        let paths = format!(r#"{{accounts: {{a: {{webhookPath: {withheld}}}, b: {{webhookPath: "/b"}}}}}}"#);
        let paths = ids(&paths);
        assert!(paths.contains(&open("routing.duplicate-webhook-path")[0]), "{paths:?}");
        assert_eq!(host("{}").withhold("/channels").ids(audit).len(), 5);
    }
}
