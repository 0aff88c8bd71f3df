//! Telegram groups where the wrong people can give the agent commands.

use std::collections::BTreeSet;

use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge, told};
use chitin_policy_sdk::openclaw::pairing::{self, Store};
use chitin_policy_sdk::openclaw::senders::{self, is_everyone, is_hidden_number};
use chitin_policy_sdk::{
    Answer, Context, Finding, Location, Node, NotAssessed, Release, Verdict, any, critical, warn,
};

const INVALID: &str = "channels.telegram.allowFrom.invalid_entries";
const WILDCARD: &str = "channels.telegram.groups.allowFrom.wildcard";
const MISSING: &str = "channels.telegram.groups.allowFrom.missing";

/// So many bad entries are named and pointed at; the others are counted.
const EXAMPLES: usize = 5;

/// Looks at each account: at those who may write, and at those who may give commands in groups that are let in.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    match (channels::find(cx, "telegram"), cx.config().at("commands.text").is_false()) {
        (Ok(None), _) => {}
        (_, Ok(true)) if !is_always_checked(cx.release()) => {}
        (Ok(Some(channel)), Ok(no_commands)) => look(cx, &channel, no_commands, &mut answer),
        (Err(reason), _) | (_, Err(reason)) => leave_open(&mut answer, &reason),
    }
    Ok(answer)
}

fn leave_open(answer: &mut Answer, reason: &NotAssessed) {
    for check in [INVALID, WILDCARD, MISSING] {
        answer.leave_open(check, reason.clone());
    }
}

/// The list of those who may write directly is checked also where no group is let in (reference: 2026.9-delta 5.4; seen in
/// 2026.4.29, and not in 2026.4.22).
fn is_always_checked(release: Release) -> bool {
    release.since(2026, 4, 29)
}

/// The ids of groups, which are negative, stand for nobody (reference: 2026.9-delta 5.4; seen in 2026.4.15, and not in
/// 2026.4.2).
fn groups_are_nobody(release: Release) -> bool {
    release.since(2026, 4, 15)
}

fn look(cx: &Context<'_>, channel: &Channel<'_>, no_commands: bool, answer: &mut Answer) {
    let (mut accounts, mut closed) = (Vec::new(), Vec::new());
    for (account, stores) in channel.accounts.iter().zip(pairing::stores(cx, channel)) {
        let groups = if no_commands { Ok(None) } else { Groups::of(cx, account, stores) };
        match groups {
            Ok(Some(groups)) => accounts.push(groups),
            Ok(None) => closed.push(account),
            Err(reason) => leave_open(answer, &reason),
        }
    }
    if is_always_checked(cx.release()) {
        invalid_entries(cx, answer, &closed);
    }
    invalid_entries(cx, answer, &accounts);
    wildcard(cx, answer, &accounts);
    missing(cx, answer, &accounts);
}

/// An account whose groups are let in.
struct Groups<'a> {
    account: &'a Account<'a>,
    stores: Result<Vec<Store>, NotAssessed>,
    /// The setting that lets groups in: the open policy, or else the groups it allows.
    entrance: Node<'a>,
    /// Who may give commands in every group.
    list: Result<Node<'a>, NotAssessed>,
    /// The lists of single groups and topics, and why others are not known.
    narrower: Vec<Result<Node<'a>, NotAssessed>>,
}

impl<'a> Groups<'a> {
    fn of(
        cx: &'a Context<'_>,
        account: &'a Account<'a>,
        stores: Result<Vec<Store>, NotAssessed>,
    ) -> Result<Option<Self>, NotAssessed> {
        let groups = account.get("groups");
        let (policy, name) = account.group_policy(cx)?;
        let entrance = match name {
            "open" => policy,
            "allowlist" => groups.clone()?,
            _ => return Ok(None),
        };
        if name == "allowlist" && entrance.entries()?.next().is_none() {
            return Ok(None);
        }
        let (list, narrower) = (account.get("groupAllowFrom"), narrower(groups));
        Ok(Some(Self { account, stores, entrance, list, narrower }))
    }

    fn stores(&self) -> Result<&[Store], NotAssessed> {
        self.stores.as_deref().map_err(Clone::clone)
    }

    /// Somebody in particular may give commands, or everybody in one group.
    fn has_senders(&self, cx: &Context<'_>) -> Result<bool, NotAssessed> {
        let names_sender = |list| any(items(list)?.map(|item| is_sender_entry(cx, &item)));
        let stored = self
            .stores()
            .map(|stores| stores.iter().flat_map(|store| &store.senders).any(|sender| is_sender(cx, sender)));
        let listed = [&self.list].into_iter().chain(&self.narrower).map(names_sender);
        any([stored].into_iter().chain(listed))
    }

    /// Everyone in every group is let in, and where; a store in the database has no place.
    #[expect(clippy::option_option, reason = "there is one or not, and it has a place or not")]
    fn wildcard(&self, cx: &Context<'_>) -> Result<Option<Option<Location>>, NotAssessed> {
        let mut open = None;
        match items(&self.list) {
            Ok(items) => {
                for item in items {
                    match is_everyone(cx, &item) {
                        Ok(true) => return Ok(Some(Some(item.location()))),
                        Ok(false) => {}
                        Err(reason) => open = Some(reason),
                    }
                }
            }
            Err(reason) => open = Some(reason),
        }
        match self.stores() {
            Ok(stores) => {
                if let Some(store) = stores.iter().find(|store| store.has_wildcard) {
                    return Ok(Some(store.location()));
                }
            }
            Err(reason) => open = Some(reason),
        }
        open.map_or(Ok(None), Err)
    }
}

/// The lists of single groups and topics, and why others are not known.
fn narrower(groups: Result<Node<'_>, NotAssessed>) -> Vec<Result<Node<'_>, NotAssessed>> {
    let groups = match groups.and_then(|groups| groups.entries()) {
        Ok(groups) => groups,
        Err(reason) => return vec![Err(reason)],
    };
    let mut lists = Vec::new();
    for (_, group) in groups {
        lists.push(Ok(group.get("allowFrom")));
        match group.get("topics").entries() {
            Ok(topics) => lists.extend(topics.map(|(_, topic)| Ok(topic.get("allowFrom")))),
            Err(reason) => lists.push(Err(reason)),
        }
    }
    lists
}

/// What the lists of an account hold that matches nobody, and where that stands; and why others cannot be told.
trait Listed<'a> {
    fn account(&self) -> &'a Account<'a>;

    fn collect(&self, cx: &Context<'_>, entries: &mut Entries);

    fn invalid(&self, cx: &Context<'_>) -> Entries {
        let mut entries = Entries::default();
        self.collect(cx, &mut entries);
        entries
    }
}

/// An account that lets no group in has the list of those who may write directly.
impl<'a> Listed<'a> for &'a Account<'a> {
    fn account(&self) -> &'a Account<'a> {
        self
    }

    fn collect(&self, cx: &Context<'_>, entries: &mut Entries) {
        entries.add_list(cx, &self.get("allowFrom"));
    }
}

impl<'a> Listed<'a> for Groups<'a> {
    fn account(&self) -> &'a Account<'a> {
        self.account
    }

    fn collect(&self, cx: &Context<'_>, entries: &mut Entries) {
        match self.stores() {
            Ok(stores) => {
                for store in stores {
                    for sender in &store.senders {
                        entries.add(cx, sender, store.location());
                    }
                }
            }
            Err(reason) => entries.open.push(reason),
        }
        entries.add_list(cx, &self.list);
        entries.add_list(cx, &self.account.get("allowFrom"));
        for list in &self.narrower {
            entries.add_list(cx, list);
        }
    }
}

/// The items of a list, or why the list is not known.
fn items<'a>(
    list: &Result<Node<'a>, NotAssessed>,
) -> Result<impl Iterator<Item = Node<'a>> + use<'a>, NotAssessed> {
    list.as_ref().map_err(Clone::clone)?.items()
}

/// Entries of lists that match nobody, each once.
#[derive(Default)]
struct Entries {
    /// Each with its place; those of a store in the database have none.
    invalid: Vec<(String, Option<Location>)>,
    open: Vec<NotAssessed>,
    seen: BTreeSet<String>,
}

impl Entries {
    fn add_list(&mut self, cx: &Context<'_>, list: &Result<Node<'_>, NotAssessed>) {
        match items(list) {
            Ok(items) => {
                for item in items {
                    self.add_item(cx, &item);
                }
            }
            Err(reason) => self.open.push(reason),
        }
    }

    fn add(&mut self, cx: &Context<'_>, entry: &str, place: Option<Location>) {
        let id = senders::normalise("telegram", entry);
        if !id.is_empty() && !is_sender(cx, &id) && self.seen.insert(id.clone()) {
            self.invalid.push((id, place));
        }
    }

    fn add_item(&mut self, cx: &Context<'_>, item: &Node<'_>) {
        match entry(cx, item) {
            Ok(Entry::Id(id)) => self.add(cx, &id, Some(item.location())),
            Ok(Entry::Blank | Entry::Number) => {}
            Err(reason) => self.open.push(reason),
        }
    }
}

/// What is known of an entry of a list.
enum Entry {
    /// Nobody.
    Blank,
    /// A number that is not shown.
    Number,
    /// What is shown.
    Id(String),
}

fn entry(cx: &Context<'_>, item: &Node<'_>) -> Result<Entry, NotAssessed> {
    let reason = match item.id() {
        Ok(id) => return Ok(id.map_or(Entry::Blank, Entry::Id)),
        Err(reason) => reason,
    };
    if cx.identity(item).is_ok_and(|identity| identity.is_none()) {
        return Ok(Entry::Blank);
    }
    if is_hidden_number(cx, item) == Ok(true) { Ok(Entry::Number) } else { Err(reason) }
}

/// An entry of a list is a sender, shown or not.
fn is_sender_entry(cx: &Context<'_>, item: &Node<'_>) -> Result<bool, NotAssessed> {
    Ok(match entry(cx, item)? {
        Entry::Blank => false,
        Entry::Number => true,
        Entry::Id(id) => is_sender(cx, &id),
    })
}

fn invalid_entries<'a>(cx: &Context<'_>, answer: &mut Answer, accounts: &[impl Listed<'a>]) {
    for account in accounts {
        for reason in account.invalid(cx).open {
            answer.leave_open(INVALID, reason);
        }
    }
    judge(
        answer,
        INVALID,
        accounts,
        |account| Ok(Some(account.invalid(cx).invalid).filter(|invalid| !invalid.is_empty())),
        |invalid, sharing| {
            let (who, note) = told(sharing.iter().map(|account| account.account()));
            let examples: Vec<String> =
                invalid.iter().take(EXAMPLES).map(|(entry, _)| format!("\"{entry}\"")).collect();
            let more = match invalid.len().saturating_sub(EXAMPLES) {
                0 => String::new(),
                more => format!(" and {more} more"),
            };
            let mut finding = warn(INVALID, "Telegram lists of senders hold entries that match nobody")
                .detail(format!(
                    "{}{more}{who}: Telegram tells people apart by their numeric ids, so that a user name here lets \
                     nobody in and protects nothing, though it looks as if it did.{note}",
                    examples.join(", ")
                ))
                .remediation("Replace each by the numeric id of the person, or remove it");
            finding.locations = invalid.into_iter().take(EXAMPLES).filter_map(|(_, place)| place).collect();
            finding.locations.dedup();
            finding
        },
    );
}

fn wildcard(cx: &Context<'_>, answer: &mut Answer, accounts: &[Groups<'_>]) {
    judge(
        answer,
        WILDCARD,
        accounts,
        |groups| groups.wildcard(cx),
        |place, sharing| {
            let (who, note) = told(sharing.iter().map(|groups| groups.account));
            let found = critical(WILDCARD, "Everyone in a Telegram group may give the agent commands")
                .detail(format!(
                    "The list of those who may give commands in groups holds \"*\"{who}: every member of every group \
                     that is let in can run commands, and anybody who joins can, too.{note}"
                ))
                .remediation("Remove \"*\" and list the numeric ids of those who may give commands");
            place.iter().fold(found, Finding::at_location)
        },
    );
}

fn missing(cx: &Context<'_>, answer: &mut Answer, accounts: &[Groups<'_>]) {
    let config = cx.config();
    judge(
        answer,
        MISSING,
        accounts,
        |groups| {
            let is_let_in = groups.wildcard(cx).map(|place| place.is_some());
            if any([is_let_in, groups.has_senders(cx)])? {
                return Ok(None);
            }
            // This only adds a few words, so a hidden value leaves them out and the check stays assessed.
            let skills = groups.account.native_commands(&config, "nativeSkills");
            let skills = skills.is_ok_and(|switch| switch.is_some());
            Ok(Some((groups.list.clone()?, groups.entrance.clone(), skills)))
        },
        |(list, entrance, skills), sharing| {
            let (who, note) = told(sharing.iter().map(|groups| groups.account));
            let (path, cause) = (list.dotted(), entrance.dotted());
            let what = if skills { "run commands, those of skills among them" } else { "run commands" };
            critical(MISSING, "Telegram groups have no list of who may give the agent commands")
                .detail(format!(
                    "{cause} lets groups in, and neither {path} nor a list of a single group nor the pairing store names \
                     anybody{who}: every member of such a group can {what}.{note}"
                ))
                .remediation(format!("Set {path} to the numeric ids of those who may give commands in groups"))
                .at(&list)
                .at(&entrance)
        },
    );
}

/// A numeric id, with or without a prefix, or everyone.
fn is_sender(cx: &Context<'_>, entry: &str) -> bool {
    let id = senders::normalise("telegram", entry);
    let sign = if groups_are_nobody(cx.release()) { None } else { id.strip_prefix('-') };
    let digits = sign.unwrap_or(&id);
    id == "*" || (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Cell, Finding, Hidden, Location, Path};

    use super::{EXAMPLES, audit};

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
        host.findings(audit)
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

    #[test]
    fn a_sender_who_is_not_shown_is_neither_missing_nor_invalid() {
        let entry = "/channels/telegram/groupAllowFrom/0";
        let hidden = |id: &str, more: &str| {
            let host = host(&format!(r#"{{groups: {{"-1": {{}}}}, groupAllowFrom: ["{id}"{more}]}}"#));
            host.hide(entry, Hidden::Variable).ids(audit)
        };
        let [invalid, wildcard, missing] = OPEN;
        assert_eq!(hidden("999", ""), NOTHING);
        // It may be a name, or an id with a prefix.
        assert_eq!(hidden("tg:999", ""), [invalid, missing]);
        assert_eq!(hidden("tg:999", r#", "5""#), [invalid], "somebody else is named");
        assert_eq!(hidden("tg:999", r#", "@ann""#), [INVALID, invalid, missing]);
        assert_eq!(hidden("*", ""), [invalid, wildcard, missing], "one character may be everyone");
        let withheld = r#"{groups: {"-1": {}}, groupAllowFrom: {"$hidden": "withheld"}}"#;
        assert_eq!(ids(withheld), [invalid, wildcard, missing]);
        let text = r#"{channels: {telegram: {groups: {"-1": {}}}}, commands: {"$hidden": "withheld"}}"#;
        assert_eq!(MemoryHost::new(text).ids(audit), [invalid, wildcard, missing]);
        let store = host(r#"{groups: {"-1": {}}, groupAllowFrom: ["5"]}"#)
            .deny("credentials", "telegram-allowFrom.json");
        assert_eq!(store.ids(audit), [invalid, wildcard], "who is named in the config is enough");
    }

    const OPEN: [&str; 3] = [
        "channels.telegram.allowFrom.invalid_entries:not assessed",
        "channels.telegram.groups.allowFrom.wildcard:not assessed",
        "channels.telegram.groups.allowFrom.missing:not assessed",
    ];

    #[test]
    fn what_is_withheld_costs_no_verdict_that_stands_without_it() {
        let [invalid, wildcard, missing] = OPEN;
        for (section, pointer, expected) in [
            // Topics of one group.
            (r#"{groups: {"-1": {}, "-2": {allowFrom: ["5"]}}}"#, "/groups/-1/topics", [invalid].as_slice()),
            (r#"{groups: {"-1": {allowFrom: ["5"]}}}"#, "/groups/-1/topics", &[invalid]),
            (r#"{groups: {"-1": {allowFrom: ["@a"]}}}"#, "/groups/-1/topics", &[INVALID, invalid, missing]),
            // The list of an account.
            (
                r#"{groups: {"-1": {allowFrom: ["5", "@a"]}}, accounts: {a: {}}}"#,
                "/accounts/a/groupAllowFrom",
                &[INVALID, invalid, wildcard],
            ),
            (
                r#"{groups: {"-1": {}}, accounts: {a: {}}}"#,
                "/accounts/a/groupAllowFrom",
                &[invalid, wildcard, missing],
            ),
            // The groups of an account.
            (r#"{groupPolicy: "disabled", accounts: {a: {}}}"#, "/accounts/a/groups", &[]),
            (r#"{groupPolicy: "open", accounts: {a: {}}}"#, "/accounts/a/groups", &[invalid, missing]),
            ("{accounts: {a: {}}}", "/accounts/a/groups", &[invalid, wildcard, missing]),
            // Only the words of the finding depend on it.
            (r#"{groupPolicy: "open"}"#, "/commands", &[MISSING]),
        ] {
            let host = host(section).withhold(&format!("/channels/telegram{pointer}"));
            assert_eq!(host.ids(audit), expected, "{section} {pointer}");
        }
    }

    #[test]
    fn everyone_in_a_store_is_seen_also_where_the_list_is_withheld() {
        let store = host(r#"{groupPolicy: "open", accounts: {a: {}}}"#)
            .file("credentials", "telegram-allowFrom.json", 0o600, r#"{"allowFrom": ["*"]}"#)
            .withhold("/channels/telegram/accounts/a/groupAllowFrom");
        assert_eq!(store.ids(audit), [WILDCARD, OPEN[0]]);
    }

    #[test]
    fn a_blank_that_a_variable_gives_is_nobody() {
        for (section, expected) in [
            (r#"{groupPolicy: "open", groupAllowFrom: [" "]}"#, [MISSING].as_slice()),
            (r#"{groupPolicy: "open", groupAllowFrom: [" ", "5"]}"#, &[]),
        ] {
            let host = host(section).hide("/channels/telegram/groupAllowFrom/0", Hidden::Variable);
            assert_eq!(host.ids(audit), expected, "{section}");
        }
    }

    #[test]
    fn the_list_for_direct_messages_is_checked_everywhere_from_a_release_on() {
        let with =
            |config: &str, month, patch| MemoryHost::new(config).release(2026, month, patch).ids(audit);
        for config in [
            r#"{channels: {telegram: {allowFrom: ["@a"], groupPolicy: "disabled"}}}"#,
            r#"{channels: {telegram: {allowFrom: ["@a"]}}}"#,
            r#"{channels: {telegram: {allowFrom: ["@a"], groups: {"-1": {}}}}, commands: {text: false}}"#,
        ] {
            assert_eq!(with(config, 4, 28), NOTHING, "{config}");
            assert_eq!(with(config, 4, 29), [INVALID], "{config}");
        }
        let others = r#"{channels: {telegram: {groupAllowFrom: ["@a"]}}}"#;
        assert_eq!(with(others, 9, 6), NOTHING, "no group is let in");
        let hidden = r#"{channels: {telegram: {allowFrom: {"$hidden": "withheld"}}}}"#;
        assert_eq!(with(hidden, 9, 6), [OPEN[0]]);
        let accounts =
            r#"{channels: {telegram: {accounts: {a: {allowFrom: ["@a"]}, b: {allowFrom: ["5"]}}}}}"#;
        assert_eq!(with(accounts, 9, 6), [INVALID]);
    }

    #[test]
    fn a_group_is_nobody_from_a_release_on() {
        let group = r#"{groupPolicy: "open", groupAllowFrom: [-100123]}"#;
        assert_eq!(host(group).release(2026, 4, 14).ids(audit), NOTHING);
        assert_eq!(host(group).release(2026, 4, 15).ids(audit), [INVALID, MISSING]);
    }

    #[test]
    fn rows_of_the_pairing_store_count_like_files() {
        let stored = |entry: &str| {
            let columns = ["channel_key", "account_id", "entry"];
            let row = ["telegram", "default", entry].map(|text| Cell::Text(text.to_owned())).to_vec();
            let host = host(r#"{groupPolicy: "open"}"#).release(2026, 9, 6);
            host.table("channel_pairing_allow_entries", &columns, vec![row])
        };
        assert_eq!(stored("5").ids(audit), NOTHING);
        assert_eq!(stored("@x").ids(audit), [INVALID, MISSING]);
        assert_eq!(stored("*").ids(audit), [WILDCARD]);
        assert!(findings(&stored("*"))[0].locations.is_empty());
        let refused = stored("5").ungranted("records:channel_pairing_allow_entries.entry");
        assert_eq!(refused.ids(audit), OPEN);
    }
}
