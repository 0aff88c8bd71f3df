//! Who else can speak to agents, and what those may then do (reference: 2026.9-delta 2.10 and 3.6).

use crate::openclaw::facts::{self, Number};
use crate::openclaw::senders;
use crate::openclaw::tools::{Catalogue, Scope};
use crate::{Context, Node, NotAssessed, Release, all, any, listing};

/// The tools that run commands.
const RUNTIME: [&str; 2] = ["exec", "process"];
/// The tools that read and write files.
const FILES: [&str; 4] = ["read", "write", "edit", "apply_patch"];

/// Open direct messages count like open groups (reference: changes, 2026.6.9).
const DIRECT_COUNT: [(Number, bool); 1] = [((2026, 6, 9), true)];

/// An account is looked at with what its channel says (reference: changes, 2026.8.1).
const MERGES: [(Number, bool); 1] = [((2026, 8, 1), true)];

/// Values of the config that were found.
#[derive(Clone, Debug, Default)]
pub struct Found<'a> {
    /// They.
    pub nodes: Vec<Node<'a>>,
    /// Why there may be others: one reason for each channel.
    pub unseen: Vec<NotAssessed>,
}

impl Found<'_> {
    /// There are some.
    ///
    /// # Errors
    /// Where there may be some.
    pub fn any(&self) -> Result<bool, NotAssessed> {
        any([Ok(!self.nodes.is_empty()), self.unseen.first().cloned().map_or(Ok(false), Err)])
    }

    /// Their places.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        self.nodes.iter().map(Node::dotted).collect()
    }
}

/// The policies of channels and of their accounts that let everybody in: of groups, and in later releases of direct
/// messages.
#[must_use]
pub fn open_policies<'a>(config: &Node<'a>, release: Release) -> Found<'a> {
    let directs = facts::at(release, false, &DIRECT_COUNT);
    let mut found = Found::default();
    let channels = match members(&config.get("channels")) {
        Ok(channels) => channels,
        Err(reason) => return Found { unseen: vec![reason], ..found },
    };
    for channel in channels {
        let (places, mut unseen) = places(&channel);
        for place in places {
            for policy in [Some(Ok(place.get("groupPolicy"))), directs.then(|| direct_policy(&place))] {
                let policy = policy.transpose().and_then(|policy| {
                    let is_open = policy.as_ref().map_or(Ok(None), Node::text)? == Some("open");
                    Ok(policy.filter(|_| is_open))
                });
                match policy {
                    Ok(open) => found.nodes.extend(open),
                    Err(reason) => unseen = unseen.or(Some(reason)),
                }
            }
        }
        found.unseen.extend(unseen);
    }
    found
}

/// Where a place says who may write directly.
fn direct_policy<'a>(place: &Node<'a>) -> Result<Node<'a>, NotAssessed> {
    let policy = place.get("dmPolicy");
    Ok(if policy.is_nullish()? { place.at("dm.policy") } else { policy })
}

/// A channel and its accounts, and why there may be other accounts.
fn places<'a>(channel: &Node<'a>) -> (Vec<Node<'a>>, Option<NotAssessed>) {
    let mut places = vec![channel.clone()];
    let mut unseen = None;
    match members(&channel.get("accounts")) {
        Ok(accounts) => places.extend(accounts),
        Err(reason) => unseen = Some(reason),
    }
    (places, unseen)
}

/// The members of an object, or the items of a list, which the reference takes for one.
fn members<'a>(node: &Node<'a>) -> Result<Vec<Node<'a>>, NotAssessed> {
    Ok(node.entries()?.map(|(_, member)| member).chain(node.items()?).collect())
}

/// Every `groupPolicy` and `dmPolicy` below channels, at any depth, that lets everybody in, by their places.
#[must_use]
pub fn open_anywhere<'a>(config: &Node<'a>) -> Found<'a> {
    let mut found = Found::default();
    let channels = match config.get("channels").entries() {
        Ok(channels) => channels,
        Err(reason) => return Found { unseen: vec![reason], ..found },
    };
    for (_, channel) in channels {
        let mut unseen = None;
        let mut pending = vec![channel];
        while let Some(place) = pending.pop() {
            match place.entries() {
                Ok(entries) => {
                    for (key, value) in entries {
                        if ["groupPolicy", "dmPolicy"].contains(&key) {
                            match value.text() {
                                Ok(Some("open")) => found.nodes.push(value.clone()),
                                Ok(_) => {}
                                Err(reason) => unseen = unseen.or(Some(reason)),
                            }
                        }
                        pending.push(value);
                    }
                }
                Err(reason) => unseen = unseen.or(Some(reason)),
            }
        }
        found.unseen.extend(unseen);
    }
    found.nodes.sort_by_key(Node::dotted);
    found
}

/// What those who speak to an agent may have it do.
#[derive(Clone, Debug)]
pub struct Exposed<'a> {
    /// Whose tools these are.
    pub scope: Scope<'a>,
    /// It runs commands outside of a sandbox.
    pub commands: Result<bool, NotAssessed>,
    /// It reads or writes files outside of a sandbox and of the workspace.
    pub files: Result<bool, NotAssessed>,
    /// Both in words.
    pub words: String,
}

/// What holds for all agents, then for each of them.
///
/// # Errors
/// Where it cannot be told which agents there are.
pub fn exposed<'a>(config: &Node<'a>, release: Release) -> Result<Vec<Exposed<'a>>, NotAssessed> {
    Ok(Scope::all(config)?.into_iter().map(|scope| exposed_in(config, scope, release)).collect())
}

fn exposed_in<'a>(config: &Node<'a>, scope: Scope<'a>, release: Release) -> Exposed<'a> {
    let stack = Catalogue::of(release).stack(config, &scope, None);
    let mode = scope.sandbox_mode(config);
    let is_outside = mode.clone().map(|mode| mode != "all");
    let is_confined = scope.setting(config, "tools.fs.workspaceOnly").and_then(|only| only.is_true());
    let has = |tools: &[&str]| any(tools.iter().map(|tool| stack.allows(tool)));
    let commands = all([is_outside.clone(), has(&RUNTIME)]);
    let files = all([is_outside, is_confined.clone().map(|is_confined| !is_confined), has(&FILES)]);
    let known = |tools: &[&'static str]| -> Vec<&'static str> {
        tools.iter().copied().filter(|tool| stack.allows(tool) == Ok(true)).collect()
    };
    let listed = |tools: Vec<&str>| if tools.is_empty() { "none".to_owned() } else { listing::words(&tools) };
    let reach = match is_confined {
        Ok(true) => "files of the workspace only",
        Ok(false) => "all files",
        Err(_) => "files not known",
    };
    let words = format!(
        "{}: sandbox.mode {}, commands by {}, files by {} ({reach})",
        scope.label(release),
        mode.unwrap_or("not known"),
        listed(known(&RUNTIME)),
        listed(known(&FILES)),
    );
    Exposed { scope, commands, files, words }
}

/// What says that several people can speak to agents.
#[must_use]
pub fn signals<'a>(cx: &Context<'_>, config: &Node<'a>) -> Found<'a> {
    let merges = facts::at(cx.release(), false, &MERGES);
    let mut found = Found::default();
    let channels = match config.get("channels").entries() {
        Ok(channels) => channels,
        Err(reason) => return Found { unseen: vec![reason], ..found },
    };
    for (_, channel) in channels {
        let mut unseen = signals_of(cx, &Place { own: &channel, common: None }, &mut found.nodes);
        match channel.get("accounts").entries() {
            Ok(accounts) => {
                for (_, account) in accounts {
                    match account.is_object() {
                        Ok(true) => {
                            let place = Place { own: &account, common: merges.then_some(&channel) };
                            unseen = signals_of(cx, &place, &mut found.nodes).or(unseen);
                        }
                        Ok(false) => {}
                        Err(reason) => unseen = Some(reason),
                    }
                }
            }
            Err(reason) => unseen = Some(reason),
        }
        found.unseen.extend(unseen);
    }
    // Accounts that inherit from their channel point at the same value, which is named once.
    let mut known = std::collections::BTreeSet::new();
    found.nodes.retain(|node| known.insert(node.pointer().to_owned()));
    found
}

/// A channel, or an account with what it takes from its channel.
struct Place<'p, 'a> {
    own: &'p Node<'a>,
    common: Option<&'p Node<'a>>,
}

impl<'a> Place<'_, 'a> {
    fn get(&self, key: &str) -> Result<Node<'a>, NotAssessed> {
        let own = self.own.get(key);
        match self.common {
            Some(common) if !own.is_present()? => Ok(common.get(key)),
            _ => Ok(own),
        }
    }
}

/// Adds the signals of one place; gives why there may be others.
fn signals_of<'a>(cx: &Context<'_>, place: &Place<'_, 'a>, found: &mut Vec<Node<'a>>) -> Option<NotAssessed> {
    let word = |key: &str, word: &str| {
        let node = place.get(key)?;
        Ok((node.text()? == Some(word)).then_some(node))
    };
    let everyone = |node: Node<'a>| {
        let mut unseen = None;
        for item in node.items()? {
            match senders::is_everyone(cx, &item) {
                Ok(true) => return Ok(Some(node)),
                Ok(false) => {}
                Err(reason) => unseen = Some(reason),
            }
        }
        unseen.map_or(Ok(None), Err)
    };
    let direct = || place.get("dm");
    let open_direct = || {
        let policy = direct()?.get("policy");
        Ok((policy.text()? == Some("open")).then_some(policy))
    };
    let signals = [
        word("groupPolicy", "open"),
        listed_groups(place),
        word("dmPolicy", "open"),
        place.get("allowFrom").and_then(everyone),
        place.get("groupAllowFrom").and_then(everyone),
        open_direct(),
        direct().and_then(|direct| everyone(direct.get("allowFrom"))),
    ];
    let mut unseen = None;
    for signal in signals {
        match signal {
            Ok(node) => found.extend(node),
            Err(reason) => unseen = unseen.or(Some(reason)),
        }
    }
    unseen
}

/// The groups that a place with a list of them has on it; none where there is no such list.
fn listed_groups<'a>(place: &Place<'_, 'a>) -> Result<Option<Node<'a>>, NotAssessed> {
    let is_list = place.get("groupPolicy")?.text().map(|policy| policy == Some("allowlist"));
    let mut groups = None;
    let mut unseen = None;
    for key in ["groups", "guilds", "channels", "rooms"] {
        let node = place.get(key)?;
        // IRC has a list of them.
        let has_member = node.entries().map(|mut entries| entries.next().is_some());
        let has_item = node.items().map(|mut items| items.next().is_some());
        match any([has_member, has_item]) {
            Ok(true) => groups = groups.or(Some(node)),
            Ok(false) => {}
            Err(reason) => unseen = unseen.or(Some(reason)),
        }
    }
    let has_groups = any([Ok(groups.is_some()), unseen.map_or(Ok(false), Err)]);
    let is_it = all([is_list, has_groups])?;
    Ok(groups.filter(|_| is_it))
}

#[cfg(test)]
mod tests {
    use crate::Hidden;
    use crate::testing::MemoryHost;

    use super::*;

    fn names(host: &MemoryHost, find: impl for<'a> Fn(&Context<'_>, &Node<'a>) -> Found<'a>) -> Vec<String> {
        host.with(|cx| {
            let found = find(cx, &cx.config());
            let open = found.unseen.iter().map(|_| "?".to_owned());
            found.names().into_iter().chain(open).collect()
        })
    }

    fn inbound(host: &MemoryHost) -> Vec<String> {
        names(host, |cx, config| open_policies(config, cx.release()))
    }

    fn anywhere(host: &MemoryHost) -> Vec<String> {
        names(host, |_, config| open_anywhere(config))
    }

    const NOTHING: [&str; 0] = [];

    #[test]
    fn direct_messages_count_from_2026_6_9_on() {
        let host = MemoryHost::new(
            r#"{channels: {
                a: {dmPolicy: "open", groupPolicy: "open", dm: {policy: "open"}},
                b: {dm: {policy: "open"}, accounts: {x: {dmPolicy: "open"}, y: {dmPolicy: "pairing", dm: {policy: "open"}}}},
                c: {dmPolicy: null, dm: {policy: "open"}}, d: {dmPolicy: "OPEN"}, e: 5
            }}"#,
        );
        assert_eq!(inbound(&host.clone().release(2026, 6, 8)), ["channels.a.groupPolicy"]);
        assert_eq!(
            inbound(&host.release(2026, 6, 9)),
            [
                "channels.a.groupPolicy",
                "channels.a.dmPolicy",
                "channels.b.dm.policy",
                "channels.b.accounts.x.dmPolicy",
                "channels.c.dm.policy",
            ]
        );
    }

    #[test]
    fn an_open_policy_is_found_at_any_depth() {
        let host = MemoryHost::new(
            r#"{channels: {
                b: {groups: {"-5": {groupPolicy: "open"}, x: [{groupPolicy: "open"}]}, dm: {policy: "open"}},
                a: {dmPolicy: "open", accounts: {x: {groupPolicy: "allowlist"}}}
            }}"#,
        );
        assert_eq!(anywhere(&host), ["channels.a.dmPolicy", "channels.b.groups.-5.groupPolicy"]);
        let hidden = host.clone().hide("/channels/a/dmPolicy", Hidden::Variable);
        assert_eq!(anywhere(&hidden), ["channels.b.groups.-5.groupPolicy", "?"]);
        for pointer in ["/channels", "/channels/b/groups", "/channels/b"] {
            let seen = anywhere(&host.clone().withhold(pointer));
            assert_eq!(seen.last().map(String::as_str), Some("?"), "{pointer}");
        }
    }

    fn people(release: (u16, u8, u16), channels: &str) -> Vec<String> {
        let (year, month, patch) = release;
        let host = MemoryHost::new(&format!("{{channels: {channels}}}")).release(year, month, patch);
        names(&host, signals)
    }

    const OLD: (u16, u8, u16) = (2026, 7, 35);
    const NEW: (u16, u8, u16) = (2026, 8, 1);

    #[test]
    fn each_sign_of_several_people_is_found() {
        for (channel, place) in [
            (r#"{groupPolicy: "open"}"#, "groupPolicy"),
            (r#"{groupPolicy: "allowlist", groups: {"-5": {}}}"#, "groups"),
            (r#"{groupPolicy: "allowlist", guilds: {x: 1}}"#, "guilds"),
            (r##"{groupPolicy: "allowlist", channels: ["#x"]}"##, "channels"),
            (r#"{groupPolicy: "allowlist", channels: {x: 1}}"#, "channels"),
            (r#"{groupPolicy: "allowlist", rooms: {x: 1}}"#, "rooms"),
            (r#"{dmPolicy: "open"}"#, "dmPolicy"),
            (r#"{allowFrom: ["a", " * "]}"#, "allowFrom"),
            (r#"{groupAllowFrom: ["*"]}"#, "groupAllowFrom"),
            (r#"{dm: {policy: "open"}}"#, "dm.policy"),
            (r#"{dm: {allowFrom: ["*"]}}"#, "dm.allowFrom"),
        ] {
            for release in [OLD, NEW] {
                let seen = people(release, &format!("{{x: {channel}}}"));
                assert_eq!(seen, [format!("channels.x.{place}")], "{channel}");
            }
        }
        for channel in [
            r#"{groupPolicy: "allowlist"}"#,
            r#"{groupPolicy: "allowlist", groups: {}, teams: {x: 1}}"#,
            r#"{groups: {"-5": {}}}"#,
            r#"{allowFrom: "*", dmPolicy: "OPEN", groupAllowFrom: ["*a", 5, true, null]}"#,
            r#"{dm: "open"}"#,
            "5",
            r#"["open"]"#,
        ] {
            assert_eq!(people(NEW, &format!("{{x: {channel}}}")), NOTHING, "{channel}");
        }
    }

    #[test]
    fn an_account_takes_from_its_channel_from_2026_8_1_on() {
        let list = r#"{x: {groups: {"-5": {}}, accounts: {a: {groupPolicy: "allowlist"}}}}"#;
        assert_eq!(people(OLD, list), NOTHING);
        assert_eq!(people(NEW, list), ["channels.x.groups"]);
        let own = r#"{x: {groupPolicy: "allowlist", accounts: {a: {groups: {g: {}}}, b: {groups: {}}}}}"#;
        assert_eq!(people(OLD, own), NOTHING);
        assert_eq!(people(NEW, own), ["channels.x.accounts.a.groups"]);
        let once = r#"{x: {dmPolicy: "open", accounts: {a: {}, b: {dmPolicy: null}}}}"#;
        assert_eq!(people(NEW, once), ["channels.x.dmPolicy"], "it is one signal");
    }

    #[test]
    fn what_is_not_shown_costs_one_channel() {
        let config = r#"{channels: {x: {dmPolicy: "open", allowFrom: ["abc"]}, y: {groupPolicy: "open"}}}"#;
        let host = MemoryHost::new(config).release(2026, 9, 6);
        let hidden = |pointer: &str| names(&host.clone().hide(pointer, Hidden::Variable), signals);
        assert_eq!(hidden("/channels/x/dmPolicy"), ["channels.y.groupPolicy", "?"]);
        assert_eq!(hidden("/channels/y/groupPolicy"), ["channels.x.dmPolicy", "?"]);
        let both = ["channels.x.dmPolicy", "channels.y.groupPolicy"];
        assert_eq!(hidden("/channels/x/allowFrom/0"), both, "it is longer than a wildcard");
        let withheld = names(&host.clone().withhold("/channels/x/groupAllowFrom"), signals);
        assert_eq!(withheld, ["channels.x.dmPolicy", "channels.y.groupPolicy", "?"]);
        assert_eq!(names(&host.withhold("/channels"), signals), ["?"]);
    }

    #[test]
    fn what_is_exposed_depends_on_sandbox_workspace_and_tools() {
        for (common, agent, commands, files) in [
            ("{}", "{}", true, true),
            (r#"{deny: ["group:runtime"]}"#, "{}", false, true),
            (r#"{deny: ["group:fs"]}"#, "{}", true, false),
            ("{fs: {workspaceOnly: true}}", "{}", true, false),
            ("{fs: {workspaceOnly: true}}", "{tools: {fs: {workspaceOnly: false}}}", true, true),
            ("{}", r#"{sandbox: {mode: "all"}}"#, false, false),
            ("{}", r#"{sandbox: {mode: "non-main"}}"#, true, true),
            ("{}", r#"{tools: {profile: "messaging"}}"#, false, false),
        ] {
            let agent = agent.replacen('{', "{id: \"a\", ", 1).replace(", }", "}");
            let config = format!("{{tools: {common}, agents: {{list: [{agent}]}}}}");
            MemoryHost::new(&config).release(2026, 9, 6).with(|cx| {
                let all = exposed(&cx.config(), cx.release()).expect("shown");
                let own = &all[1];
                assert_eq!((own.commands.clone(), own.files.clone()), (Ok(commands), Ok(files)), "{config}");
                assert!(own.words.starts_with("agents.entries.a: sandbox.mode "), "{}", own.words);
            });
        }
    }
}
