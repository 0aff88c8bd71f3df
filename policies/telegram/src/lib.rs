//! Telegram groups where the wrong people can give the agent commands.

use std::collections::BTreeSet;

use chitin_policy_sdk::channels::{self, shared, told};
use chitin_policy_sdk::pairing::{self, Paired};
use chitin_policy_sdk::{Context, Finding, Location, Node, Verdict, critical, senders, warn};

/// So many bad entries are named and pointed at; the others are counted.
const EXAMPLES: usize = 5;

/// Looks at each account whose groups are let in.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let Some(channel) = channels::find(cx, "telegram")? else { return Ok(Vec::new()) };
    if config.at("commands.text").is_false() {
        return Ok(Vec::new());
    }
    let accounts: Vec<Groups<'_>> =
        pairing::read(cx, &channel)?.into_iter().filter_map(|paired| Groups::of(cx, paired)).collect();
    let mut findings = invalid_entries(&accounts);
    findings.extend(wildcard(&accounts));
    findings.extend(missing(&accounts, &config));
    Ok(findings)
}

/// An account whose groups are let in.
struct Groups<'a> {
    paired: Paired<'a>,
    /// The setting that lets groups in: the open policy, or else the groups it allows.
    entrance: Node<'a>,
    /// Who may give commands in every group.
    list: Node<'a>,
    /// The lists of single groups and topics.
    narrower: Vec<Node<'a>>,
}

impl<'a> Groups<'a> {
    fn of(cx: &'a Context<'_>, paired: Paired<'a>) -> Option<Self> {
        let groups = paired.account.get("groups");
        let (policy, name) = paired.account.group_policy(cx);
        let entrance = match name {
            "open" => policy,
            "allowlist" if groups.entries().next().is_some() => groups.clone(),
            _ => return None,
        };
        let mut narrower = Vec::new();
        for (_, group) in groups.entries() {
            narrower.push(group.get("allowFrom"));
            narrower.extend(group.get("topics").entries().map(|(_, topic)| topic.get("allowFrom")));
        }
        Some(Self { list: paired.account.get("groupAllowFrom"), paired, entrance, narrower })
    }

    /// What the lists and stores hold, and where.
    fn entries(&self) -> Vec<(String, Location)> {
        let stored = self.paired.stores.iter().flat_map(|store| {
            store.senders.iter().map(|sender| (sender.clone(), Location::Object(store.path.clone())))
        });
        let direct = self.paired.account.get("allowFrom");
        let lists = [&self.list, &direct].into_iter().chain(&self.narrower);
        let listed = lists.flat_map(Node::items).filter_map(|item| Some((item.id()?, item.location())));
        stored.chain(listed).collect()
    }

    /// Somebody in particular may give commands, or everybody in one group.
    fn has_senders(&self) -> bool {
        let listed = [&self.list].into_iter().chain(&self.narrower).flat_map(Node::items);
        self.paired.senders().any(is_sender) || listed.filter_map(|item| item.id()).any(|id| is_sender(&id))
    }

    /// Where everyone in every group is let in.
    fn wildcard(&self) -> Option<Location> {
        let item = self.list.items().find(|item| item.trimmed() == Some("*"));
        let store = self.paired.stores.iter().find(|store| store.has_wildcard);
        item.map(|item| item.location()).or_else(|| store.map(|store| Location::Object(store.path.clone())))
    }
}

/// Entries that Telegram can't match with anybody.
#[derive(PartialEq)]
struct Invalid {
    entries: Vec<String>,
    places: Vec<Location>,
}

fn invalid_entries(accounts: &[Groups<'_>]) -> Vec<Finding> {
    let invalid = |groups: &Groups<'_>| {
        let mut invalid = Invalid { entries: Vec::new(), places: Vec::new() };
        let mut seen = BTreeSet::new();
        for (entry, place) in groups.entries() {
            let id = senders::normalise("telegram", &entry);
            if !id.is_empty() && !is_sender(&id) && seen.insert(id.clone()) {
                invalid.entries.push(id);
                invalid.places.push(place);
            }
        }
        (!invalid.entries.is_empty()).then_some(invalid)
    };
    let finding = |(invalid, sharing): (Invalid, Vec<&Groups<'_>>)| {
        let (who, note) = told(sharing.iter().map(|groups| &groups.paired.account));
        let examples: Vec<String> =
            invalid.entries.iter().take(EXAMPLES).map(|entry| format!("\"{entry}\"")).collect();
        let more = match invalid.entries.len().saturating_sub(EXAMPLES) {
            0 => String::new(),
            more => format!(" and {more} more"),
        };
        let mut finding = warn(
            "channels.telegram.allowFrom.invalid_entries",
            "Telegram lists of senders hold entries that match nobody",
        )
        .detail(format!(
            "{}{more}{who}: Telegram tells people apart by their numeric ids, so that a user name here lets nobody in \
             and protects nothing, though it looks as if it did.{note}",
            examples.join(", ")
        ))
        .remediation("Replace each by the numeric id of the person, or remove it");
        finding.locations = invalid.places.into_iter().take(EXAMPLES).collect();
        finding.locations.dedup();
        finding
    };
    shared(accounts, invalid).into_iter().map(finding).collect()
}

fn wildcard(accounts: &[Groups<'_>]) -> Vec<Finding> {
    let finding = |(place, sharing): (Location, Vec<&Groups<'_>>)| {
        let (who, note) = told(sharing.iter().map(|groups| &groups.paired.account));
        let mut finding = critical(
            "channels.telegram.groups.allowFrom.wildcard",
            "Everyone in a Telegram group may give the agent commands",
        )
        .detail(format!(
            "The list of those who may give commands in groups holds \"*\"{who}: every member of every group that is \
             let in can run commands, and anybody who joins can, too.{note}"
        ))
        .remediation("Remove \"*\" and list the numeric ids of those who may give commands");
        finding.locations.push(place);
        finding
    };
    shared(accounts, Groups::wildcard).into_iter().map(finding).collect()
}

fn missing<'a>(accounts: &[Groups<'a>], config: &Node<'a>) -> Vec<Finding> {
    let unlisted = |groups: &Groups<'a>| {
        let is_missing = groups.wildcard().is_none() && !groups.has_senders();
        let skills = groups.paired.account.native_commands(config, "nativeSkills").is_some();
        is_missing.then(|| (groups.list.clone(), groups.entrance.clone(), skills))
    };
    let finding = |((list, entrance, skills), sharing): ((Node<'_>, Node<'_>, bool), Vec<&Groups<'_>>)| {
        let (who, note) = told(sharing.iter().map(|groups| &groups.paired.account));
        let (path, cause) = (list.dotted(), entrance.dotted());
        let what = if skills { "run commands, those of skills among them" } else { "run commands" };
        critical(
            "channels.telegram.groups.allowFrom.missing",
            "Telegram groups have no list of who may give the agent commands",
        )
        .detail(format!(
            "{cause} lets groups in, and neither {path} nor a list of a single group nor the pairing store names \
             anybody{who}: every member of such a group can {what}.{note}"
        ))
        .remediation(format!("Set {path} to the numeric ids of those who may give commands in groups"))
        .at(&list)
        .at(&entrance)
    };
    shared(accounts, unlisted).into_iter().map(finding).collect()
}

/// A numeric id, with or without a prefix, or everyone.
fn is_sender(entry: &str) -> bool {
    let id = senders::normalise("telegram", entry);
    let digits = id.strip_prefix('-').unwrap_or(&id);
    id == "*" || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Path;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const INVALID: &str = "channels.telegram.allowFrom.invalid_entries:warn";
    const WILDCARD: &str = "channels.telegram.groups.allowFrom.wildcard:critical";
    const MISSING: &str = "channels.telegram.groups.allowFrom.missing:critical";
    const NOTHING: [&str; 0] = [];

    fn host(section: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{channels: {{telegram: {section}}}}}"))
    }

    fn ids(section: &str) -> Vec<String> {
        host(section).ids(audit)
    }

    fn findings(host: &MemoryHost) -> Vec<Finding> {
        host.run(audit).expect("a verdict")
    }

    fn at(pointer: &str) -> Location {
        Location::Config(pointer.to_owned())
    }

    #[test]
    fn groups_come_in_by_an_open_policy_or_by_an_allowed_group() {
        assert_eq!(ids(r#"{groupPolicy: "open"}"#), [MISSING]);
        assert_eq!(ids(r#"{groups: {"-100": {}}}"#), [MISSING]);
        for closed in [
            "{}",
            "{groups: {}}",
            r#"{groups: ["-100"]}"#,
            r#"{groupPolicy: "disabled", groups: {"-100": {}}}"#,
        ] {
            assert_eq!(ids(closed), NOTHING, "{closed}");
        }
        let config = r#"{channels: {defaults: {groupPolicy: "open"}, telegram: {}}}"#;
        assert_eq!(MemoryHost::new(config).ids(audit), [MISSING]);
    }

    #[test]
    fn without_text_commands_nothing_is_asked() {
        let config =
            r#"{commands: {text: false}, channels: {telegram: {groupPolicy: "open", allowFrom: ["@a"]}}}"#;
        assert_eq!(MemoryHost::new(config).ids(audit), NOTHING);
    }

    #[test]
    fn a_list_anywhere_names_senders() {
        for list in [
            r#"groupAllowFrom: ["1"]"#,
            "groupAllowFrom: [-100123]",
            r#"groups: {"-100": {allowFrom: ["tg:1"]}}"#,
            r#"groups: {"-1": {}, "-100": {topics: {"5": {allowFrom: [1]}}}}"#,
            r#"groups: {"-100": {allowFrom: ["*"]}}"#,
        ] {
            assert_eq!(ids(&format!(r#"{{groupPolicy: "open", {list}}}"#)), NOTHING, "{list}");
        }
        for list in [
            "groupAllowFrom: []",
            r#"groupAllowFrom: "1""#,
            r#"groupAllowFrom: [" ", null]"#,
            r#"allowFrom: ["1"]"#,
        ] {
            assert_eq!(ids(&format!(r#"{{groupPolicy: "open", {list}}}"#)), [MISSING], "{list}");
        }
    }

    #[test]
    fn an_invalid_list_names_nobody() {
        assert_eq!(ids(r#"{groupPolicy: "open", groupAllowFrom: ["@bob"]}"#), [INVALID, MISSING]);
        let one = r#"{groups: {"-100": {topics: {"5": {allowFrom: ["@x"]}}}}}"#;
        assert_eq!(ids(one), [INVALID, MISSING]);
        let stored = host(r#"{groupPolicy: "open"}"#);
        let stored = stored.file("credentials", "telegram-allowFrom.json", 0o600, r#"{"allowFrom": ["@z"]}"#);
        assert_eq!(stored.ids(audit), [INVALID, MISSING]);
    }

    #[test]
    fn bad_entries_are_found_in_every_list() {
        let section = r#"{groups: {
            "-100": {allowFrom: ["1"]},
            "-200": {allowFrom: ["@late"], topics: {"5": {allowFrom: ["TG:@late", "12x"]}}}
        }, groupAllowFrom: ["-", "*"], allowFrom: ["@dm"]}"#;
        let host = host(section);
        assert_eq!(host.ids(audit), [INVALID, WILDCARD]);
        let invalid = findings(&host).remove(0);
        assert!(invalid.detail.starts_with("\"-\", \"@dm\", \"@late\", \"12x\":"), "{}", invalid.detail);
        assert_eq!(
            invalid.locations,
            [
                at("/channels/telegram/groupAllowFrom/0"),
                at("/channels/telegram/allowFrom/0"),
                at("/channels/telegram/groups/-200/allowFrom/0"),
                at("/channels/telegram/groups/-200/topics/5/allowFrom/1"),
            ]
        );
    }

    #[test]
    fn many_bad_entries_are_counted() {
        let host = host(r#"{groupPolicy: "open", groupAllowFrom: ["a", "b", "c", "d", "e", "f", "g", 1]}"#);
        let invalid = findings(&host).remove(0);
        assert!(invalid.detail.contains("\"e\" and 2 more:"));
        assert_eq!(invalid.locations.len(), EXAMPLES);
    }

    #[test]
    fn a_wildcard_is_pointed_at_and_ends_the_matter() {
        let host = host(r#"{groupPolicy: "open", groupAllowFrom: ["1", " * "]}"#);
        assert_eq!(host.ids(audit), [WILDCARD]);
        assert_eq!(findings(&host)[0].locations, [at("/channels/telegram/groupAllowFrom/1")]);
    }

    #[test]
    fn a_wildcard_in_a_pairing_store_is_seen() {
        let store = |name: &str| {
            let host = host(r#"{groups: {"-100": {}}, accounts: {Work: {}}}"#);
            host.file("credentials", name, 0o600, r#"{"allowFrom": ["*"]}"#)
        };
        for name in ["telegram-allowFrom.json", "telegram-work-allowFrom.json"] {
            assert_eq!(store(name).ids(audit), [WILDCARD]);
            let places = [Location::Object(Path::new("credentials", name))];
            assert_eq!(findings(&store(name))[0].locations, places);
        }
    }

    #[test]
    fn every_account_is_looked_at() {
        let section = r#"{groupPolicy: "open", accounts: {
            a: {}, B: {groupAllowFrom: ["1"]}, c: {groupPolicy: "disabled"}, d: {groupAllowFrom: ["*"]}, e: {}
        }}"#;
        let findings = findings(&host(section));
        let told: Vec<(&str, &Location)> =
            findings.iter().map(|finding| (finding.check_id.as_str(), &finding.locations[0])).collect();
        let wildcard = at("/channels/telegram/accounts/d/groupAllowFrom/0");
        let missing = at("/channels/telegram/groupAllowFrom");
        assert_eq!(
            told,
            [
                ("channels.telegram.groups.allowFrom.wildcard", &wildcard),
                ("channels.telegram.groups.allowFrom.missing", &missing),
            ]
        );
        assert!(findings[1].detail.contains("(accounts \"a\" and \"e\")"));
    }

    #[test]
    fn the_detail_tells_of_skills_where_they_have_commands() {
        let detail = |commands: &str| {
            let config =
                format!(r#"{{channels: {{telegram: {{groupPolicy: "open"}}}}, commands: {commands}}}"#);
            findings(&MemoryHost::new(&config)).remove(0).detail
        };
        assert!(detail("{}").contains("those of skills"));
        assert!(!detail("{nativeSkills: false}").contains("those of skills"));
    }
}
