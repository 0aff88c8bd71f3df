//! Discord servers where the wrong people can talk to the agent, and slash commands that everyone may use, or nobody.

use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge, told};
use chitin_policy_sdk::openclaw::pairing::{self, Store};
use chitin_policy_sdk::openclaw::senders::{is_changeable, is_changeable_entry, is_everyone};
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, all, any, critical, finding, warn,
};

const OPEN: &str = "channels.discord.commands.native.unrestricted";
const NOBODY: &str = "channels.discord.commands.native.no_allowlists";

const NAMES: &str = "channels.discord.allowFrom.name_based_entries";
const MEMBERS: &str = "channels.discord.allowlisted_groups.broad_members";

/// More places than this help nobody.
const PLACES: usize = 5;

/// Looks at each account: at who its lists let in, and who may use slash commands.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let release = cx.release();
    let channel = match channels::find(cx, "discord") {
        Ok(Some(channel)) => channel,
        Ok(None) => return Ok(answer),
        Err(reason) => {
            for check in [OPEN, NOBODY, NAMES, MEMBERS] {
                answer.leave_open(check, reason.clone());
            }
            return Ok(answer);
        }
    };
    let access = cx.config().at("commands.useAccessGroups");
    // From 2026.8.1 on there is no such key: lists hold in any case.
    let is_off = if release.since(2026, 8, 1) { Ok(false) } else { access.is_false() };
    match is_off {
        Ok(true) => unrestricted(cx, &mut answer, &channel, &access),
        Ok(false) => no_allowlists(cx, &mut answer, &channel),
        Err(reason) => {
            answer.leave_open(OPEN, reason.clone());
            answer.leave_open(NOBODY, reason);
        }
    }
    if release.since(2026, 2, 22) {
        name_based_entries(cx, &mut answer, &channel);
    }
    if release.since(2026, 8, 1) {
        broad_members(cx, &mut answer, &channel);
    }
    Ok(answer)
}

/// What is found, and why there may be more.
struct Seen<T> {
    found: Vec<T>,
    open: Vec<NotAssessed>,
}

impl<T> Seen<T> {
    const fn new() -> Self {
        Self { found: Vec::new(), open: Vec::new() }
    }

    /// What is known, and nothing where it is not.
    fn known<I>(&mut self, seen: Result<impl Iterator<Item = I>, NotAssessed>) -> Vec<I> {
        match seen {
            Ok(seen) => seen.collect(),
            Err(reason) => {
                self.open.push(reason);
                Vec::new()
            }
        }
    }
}

/// A list with names in it, and how many; none for the pairing store.
type Named<'a> = (Option<Node<'a>>, usize);

/// The lists of an account that hold names instead of ids.
fn named<'a>(
    cx: &Context<'_>,
    account: &Account<'a>,
    stores: &Result<Vec<Store>, NotAssessed>,
) -> Seen<Named<'a>> {
    let mut seen = Seen::new();
    let mut lists = Vec::new();
    let top = [account.get("allowFrom"), account.get("dm").map(|dm| dm.get("allowFrom"))];
    for list in top {
        lists.extend(seen.known(list.map(|list| [list].into_iter())));
    }
    let guilds = account.get("guilds").and_then(|guilds| guilds.entries());
    for (_, guild) in seen.known(guilds) {
        lists.push(guild.get("users"));
        for (_, channel) in seen.known(guild.get("channels").entries()) {
            lists.push(channel.get("users"));
        }
    }
    for list in lists {
        let mut names = 0;
        for item in seen.known(list.items()) {
            match is_changeable_entry(cx, "discord", &item) {
                Ok(is_name) => names += usize::from(is_name),
                Err(reason) => seen.open.push(reason),
            }
        }
        if names > 0 {
            seen.found.push((Some(list), names));
        }
    }
    match stores {
        Ok(stores) => {
            let senders = stores.iter().flat_map(|store| &store.senders);
            let names = senders.filter(|sender| is_changeable("discord", sender) == Some(true)).count();
            if names > 0 {
                seen.found.push((None, names));
            }
        }
        Err(reason) => seen.open.push(reason.clone()),
    }
    seen
}

fn name_based_entries(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let mut accounts = Vec::new();
    for (account, stores) in channel.accounts.iter().zip(pairing::stores(cx, channel)) {
        let Seen { found, open } = named(cx, account, &stores);
        for reason in open {
            answer.leave_open(NAMES, reason);
        }
        if !found.is_empty() {
            accounts.push((account, found));
        }
    }
    // The switch counts from 2026.2.23 on.
    let has_switch = cx.release().since(2026, 2, 23);
    judge(
        answer,
        NAMES,
        &accounts,
        |(account, lists)| {
            let by_choice = has_switch && account.get("dangerouslyAllowNameMatching")?.is_true()?;
            Ok(Some((by_choice, lists.clone())))
        },
        |(by_choice, lists), sharing| {
            let (who, note) = told(sharing.into_iter().map(|(account, _)| *account));
            let names: usize = lists.iter().map(|(_, names)| names).sum();
            let places: Vec<String> = lists
                .iter()
                .map(|(list, names)| {
                    let place = list.as_ref().map_or("the pairing store".to_owned(), Node::dotted);
                    format!("{place} ({names})")
                })
                .collect();
            let shown = places.get(..PLACES).unwrap_or(&places);
            let more = match places.len() - shown.len() {
                0 => String::new(),
                more => format!(" and {more} more lists"),
            };
            let (severity, effect) = if by_choice {
                (
                    Severity::Info,
                    "dangerouslyAllowNameMatching is true, so that each lets in whoever takes the name: names and tags can be \
                     changed, and two people can have the same one",
                )
            } else {
                (
                    Severity::Warn,
                    "names and tags can be changed, and two people can have the same one: such an entry lets in somebody else than \
                     you think, or nobody at all",
                )
            };
            let found = finding(NAMES, severity, "Discord lists name people instead of their ids")
                .detail(format!(
                    "{names} entries are no ids{who}, in {}{more}: {effect}.{note}",
                    shown.join(", ")
                ))
                .remediation(if by_choice {
                    "Replace each by the numeric id of the person, and set dangerouslyAllowNameMatching to false"
                } else {
                    "Replace each by the numeric id of the person, or remove it"
                });
            let lists: Vec<&Node<'_>> = lists.iter().filter_map(|(list, _)| list.as_ref()).collect();
            lists.into_iter().take(PLACES).fold(found, Finding::at)
        },
    );
}

/// Nobody in particular is let in: the lists of users and roles that hold here are both empty, or one holds "*".
fn lets_all_in(cx: &Context<'_>, guild: &Node<'_>, channel: Option<&Node<'_>>) -> Result<bool, NotAssessed> {
    let list = |key: &str| {
        let own = channel.map(|channel| channel.get(key));
        match own {
            Some(own) if !own.is_nullish()? => Ok(own),
            _ => Ok(guild.get(key)),
        }
    };
    let lists = [list("users"), list("roles")];
    let everyone = any(lists
        .iter()
        .map(|list| any(list.as_ref().map_err(Clone::clone)?.items()?.map(|entry| is_everyone(cx, &entry)))));
    let somebody =
        any(lists.iter().map(|list| Ok(list.as_ref().map_err(Clone::clone)?.items()?.next().is_some())));
    any([everyone, somebody.map(|somebody| !somebody)])
}

/// The servers and channels of an account that are let in with all of their members.
fn broad<'a>(cx: &Context<'_>, account: &Account<'a>) -> Seen<Node<'a>> {
    let mut seen = Seen::new();
    match account.group_policy(cx) {
        Ok((_, "allowlist")) => {}
        Ok(_) => return seen,
        Err(reason) => {
            seen.open.push(reason);
            return seen;
        }
    }
    let guilds = account.get("guilds").and_then(|guilds| guilds.entries());
    for (_, guild) in seen.known(guilds) {
        let channels = match guild.get("channels").entries() {
            Ok(channels) => channels.map(|(_, channel)| channel).collect::<Vec<_>>(),
            Err(reason) => {
                seen.open.push(reason);
                continue;
            }
        };
        let targets = if channels.is_empty() { vec![None] } else { channels.into_iter().map(Some).collect() };
        for target in targets {
            let is_on = target.as_ref().map_or(Ok(true), |channel| Ok(!channel.get("enabled").is_false()?));
            match all([is_on, lets_all_in(cx, &guild, target.as_ref())]) {
                Ok(true) => seen.found.push(target.unwrap_or_else(|| guild.clone())),
                Ok(false) => {}
                Err(reason) => seen.open.push(reason),
            }
        }
    }
    seen
}

fn broad_members(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let mut accounts = Vec::new();
    for account in &channel.accounts {
        let Seen { found, open } = broad(cx, account);
        for reason in open {
            answer.leave_open(MEMBERS, reason);
        }
        if !found.is_empty() {
            accounts.push((account, found));
        }
    }
    judge(
        answer,
        MEMBERS,
        &accounts,
        |(_, places)| Ok(Some(places.clone())),
        |places, sharing| {
            let (who, note) = told(sharing.into_iter().map(|(account, _)| *account));
            let mut names: Vec<String> = places.iter().map(Node::dotted).collect();
            names.sort();
            let more = names.len().saturating_sub(PLACES);
            names.truncate(PLACES);
            let found = warn(MEMBERS, "All members of some Discord servers can talk to the agent")
                .detail(format!(
                    "The group policy is \"allowlist\"{who}, which chooses servers and channels, and these have no list of \
                     users or roles: all of their members can give the agent orders.{note}"
                ))
                .list(&names, more)
                .remediation("Give each of them a list of users or roles, where not all of its members are meant");
            places.iter().take(PLACES).fold(found, Finding::at)
        },
    );
}

/// The servers of an account whose slash commands are on, where none of them says who may use them.
fn without_users<'a>(cx: &Context<'_>, account: &Account<'a>) -> Result<Option<Node<'a>>, NotAssessed> {
    let guilds = account.get("guilds")?;
    let is_open = all([
        guilds.entries().map(|mut guilds| guilds.next().is_some()),
        account.group_policy(cx).map(|(_, name)| name != "disabled"),
        offers_commands(cx, account),
        has_users(&guilds).map(|has_users| !has_users),
    ])?;
    Ok(is_open.then_some(guilds))
}

fn offers_commands(cx: &Context<'_>, account: &Account<'_>) -> Result<bool, NotAssessed> {
    let config = cx.config();
    any(["native", "nativeSkills"].map(|key| Ok(account.native_commands(&config, key)?.is_some())))
}

/// Some server, or a channel of one, says who may use commands there.
fn has_users(guilds: &Node<'_>) -> Result<bool, NotAssessed> {
    let names_users = |place: &Node<'_>| Ok(place.get("users").items()?.next().is_some());
    any(guilds.entries()?.map(|(_, guild)| {
        let channels = guild.get("channels");
        let in_channel = || any(channels.entries()?.map(|(_, channel)| names_users(&channel)));
        any([names_users(&guild), in_channel()])
    }))
}

fn unrestricted(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>, access: &Node<'_>) {
    judge(
        answer,
        OPEN,
        &channel.accounts,
        |account| without_users(cx, account),
        |guilds, sharing| {
            let (path, (who, note)) = (guilds.dotted(), told(sharing));
            critical(OPEN, "Everyone in a Discord server may use commands")
                .detail(format!(
                    "commands.useAccessGroups is false, and no server in {path} names the users who may give commands{who}: \
                     whoever can write in a channel where the bot is can run its slash commands.{note}"
                ))
                .remediation(format!(
                    "Set commands.useAccessGroups to true, or list user ids in {path}.<server id>.users"
                ))
                .at(access)
                .at(&guilds)
        },
    );
}

fn no_allowlists(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>) {
    let accounts: Vec<_> = channel.accounts.iter().zip(pairing::stores(cx, channel)).collect();
    judge(
        answer,
        NOBODY,
        &accounts,
        |(account, stores)| unowned(cx, account, stores),
        |(owners, guilds), sharing| {
            let (list, servers) = (owners.dotted(), guilds.dotted());
            let (who, note) = told(sharing.into_iter().map(|(account, _)| *account));
            warn(NOBODY, "Discord slash commands are on, and nobody may use them")
                .detail(format!(
                    "Slash commands are on{who}, and neither {list} nor the pairing store nor a server in {servers} names \
                     somebody who may use them. All are refused: nothing is open now, but a \"*\" that makes them work would open \
                     them to everybody.{note}"
                ))
                .remediation(format!(
                    "Add your own user id to {list} or to {servers}.<server id>.users; or set channels.discord.commands.native to \
                     false"
                ))
                .at(&owners)
                .at(&guilds)
        },
    );
}

/// The list that names nobody, and the servers; none where no command is offered, or somebody may use them.
fn unowned<'a>(
    cx: &Context<'_>,
    account: &Account<'a>,
    stores: &Result<Vec<Store>, NotAssessed>,
) -> Result<Option<(Node<'a>, Node<'a>)>, NotAssessed> {
    let owners = account.direct_list();
    let items = owners.as_ref().map_err(Clone::clone).and_then(Node::items);
    let named = items.and_then(|items| any(items.map(|item| Ok(cx.identity(&item)?.is_some()))));
    let paired = match stores {
        Ok(stores) => Ok(stores.iter().any(|store| !store.senders.is_empty())),
        Err(reason) => Err(reason.clone()),
    };
    let is_owned = any([named, paired]);
    if is_owned == Ok(true) {
        return Ok(None);
    }
    let Some(guilds) = without_users(cx, account)? else { return Ok(None) };
    if is_owned? { Ok(None) } else { Ok(Some((owners?, guilds))) }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::*;

    const UNRESTRICTED: [&str; 1] = ["channels.discord.commands.native.unrestricted:critical"];
    const NO_LISTS: [&str; 1] = ["channels.discord.commands.native.no_allowlists:warn"];
    const NOTHING: [&str; 0] = [];

    fn host(section: &str, commands: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{channels: {{discord: {section}}}, commands: {commands}}}"))
    }

    fn ids(section: &str) -> Vec<String> {
        host(section, "{}").ids(audit)
    }

    #[test]
    fn commands_in_a_server_need_somebody_who_may_use_them() {
        assert_eq!(ids(r#"{guilds: {"1": {}}}"#), NO_LISTS);
        assert_eq!(ids(r#"{guilds: {"1": {roles: ["9"], users: []}}}"#), NO_LISTS);
        for silent in [
            "{}",
            "{guilds: {}}",
            r#"{guilds: ["1"]}"#,
            r#"{guilds: {"1": {users: ["5"]}}}"#,
            r#"{guilds: {"1": {}, "2": {channels: {c: {users: ["5"]}}}}}"#,
            r#"{guilds: {"1": {}}, groupPolicy: "disabled"}"#,
        ] {
            assert_eq!(ids(silent), NOTHING, "{silent}");
        }
    }

    #[test]
    fn without_access_groups_everyone_may_use_them() {
        let open = |section: &str| host(section, "{useAccessGroups: false}").ids(audit);
        assert_eq!(open(r#"{guilds: {"1": {}}}"#), UNRESTRICTED);
        assert_eq!(open(r#"{guilds: {"1": {}}, allowFrom: ["5"]}"#), UNRESTRICTED);
        assert_eq!(open(r#"{guilds: {"1": {users: ["5"]}}}"#), NOTHING);
        assert_eq!(open("{}"), NOTHING);
    }

    #[test]
    fn an_owner_is_found_in_either_list_and_in_the_pairing_store() {
        for (owners, expected) in [
            (r#"allowFrom: ["5"]"#, NOTHING.as_slice()),
            (r#"dm: {allowFrom: ["5"]}"#, &NOTHING),
            (r#"allowFrom: [], dm: {allowFrom: ["5"]}"#, &NO_LISTS),
            (r#"allowFrom: [" ", null]"#, &NO_LISTS),
            (r#"dm: {allowFrom: "5"}"#, &NO_LISTS),
        ] {
            assert_eq!(ids(&format!(r#"{{guilds: {{"1": {{}}}}, {owners}}}"#)), expected, "{owners}");
        }
        let store = |list: &str| {
            let content = format!(r#"{{"allowFrom": {list}}}"#);
            host(r#"{guilds: {"1": {}}}"#, "{}").file(
                "credentials",
                "discord-allowFrom.json",
                0o600,
                &content,
            )
        };
        assert_eq!(store(r#"["5"]"#).ids(audit), NOTHING);
        assert_eq!(store(r#"["*"]"#).ids(audit), NO_LISTS);
    }

    #[test]
    fn commands_that_are_off_are_not_judged() {
        for (own, global, expected) in [
            ("{native: false, nativeSkills: false}", "{}", NOTHING.as_slice()),
            ("{}", "{native: false, nativeSkills: false}", &NOTHING),
            ("{}", "{native: false}", &NO_LISTS),
            (r#"{native: "auto"}"#, "{native: false, nativeSkills: false}", &NO_LISTS),
        ] {
            let section = format!(r#"{{guilds: {{"1": {{}}}}, commands: {own}}}"#);
            assert_eq!(host(&section, global).ids(audit), expected, "{own} {global}");
        }
    }

    #[test]
    fn every_account_is_looked_at() {
        let section = r#"{guilds: {"1": {}}, accounts: {
            a: {}, B: {allowFrom: ["5"]}, c: {guilds: {"2": {}}}, d: {guilds: {}}, e: {}
        }}"#;
        let findings = host(section, "{}").findings(audit);
        let guilds: Vec<&Location> = findings.iter().map(|finding| &finding.locations[1]).collect();
        let at = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(guilds, [&at("/channels/discord/guilds"), &at("/channels/discord/accounts/c/guilds")]);
        assert!(findings[0].detail.contains("(accounts \"a\" and \"e\")"));
        let open = host(section, "{useAccessGroups: false}").findings(audit);
        assert_eq!(open.len(), 2);
        assert_eq!(open[0].locations, [at("/commands/useAccessGroups"), at("/channels/discord/guilds")]);
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let open = |check: &str| vec![format!("{check}:not assessed")];
        let withheld = r#"{"$hidden": "withheld"}"#;
        for (section, commands, expected) in [
            (format!("{{guilds: {withheld}}}"), "{}", open(NOBODY)),
            (format!(r#"{{guilds: {{"1": {{users: {withheld}}}}}}}"#), "{}", open(NOBODY)),
            (format!(r#"{{guilds: {{"1": {{users: {withheld}}}}}, groupPolicy: "disabled"}}"#), "{}", vec![]),
            (format!("{{guilds: {withheld}}}"), "{useAccessGroups: false}", open(OPEN)),
            (r#"{guilds: {"1": {}}}"#.to_owned(), withheld, [open(OPEN), open(NOBODY)].concat()),
        ] {
            assert_eq!(host(&section, commands).ids(audit), expected, "{section} {commands}");
        }
        // A hidden entry still counts as an entry.
        let hidden = host(r#"{guilds: {"1": {}}, allowFrom: ["5"]}"#, "{}");
        assert_eq!(hidden.hide("/channels/discord/allowFrom/0", Hidden::Variable).ids(audit), NOTHING);
        let store = host(r#"{guilds: {"1": {}}}"#, "{}").deny("credentials", "discord-allowFrom.json");
        assert_eq!(store.ids(audit), open(NOBODY));
    }

    const NAMED: [&str; 1] = ["channels.discord.allowFrom.name_based_entries:warn"];
    const BROAD: [&str; 1] = ["channels.discord.allowlisted_groups.broad_members:warn"];

    fn at_release(section: &str, month: u8, patch: u16) -> Vec<String> {
        let commands = "{native: false, nativeSkills: false}";
        host(section, commands).release(2026, month, patch).ids(audit)
    }

    #[test]
    fn names_are_found_in_every_list() {
        for section in [
            r#"{allowFrom: ["bob"]}"#,
            r#"{dm: {allowFrom: ["bob#1234"]}}"#,
            r#"{guilds: {"1": {users: ["5", "bob"]}}}"#,
            r#"{guilds: {"1": {channels: {c: {users: ["bob"]}}}}}"#,
            r#"{accounts: {a: {allowFrom: ["bob"]}, b: {allowFrom: ["5"]}}}"#,
        ] {
            assert_eq!(at_release(section, 2, 22), NAMED, "{section}");
            assert_eq!(at_release(section, 2, 21), NOTHING, "{section}");
        }
        for section in [
            r#"{allowFrom: ["5", "<@5>", "user:bob", "*", " ", null]}"#,
            r#"{allowFrom: "bob"}"#,
            r#"{guilds: {"1": {roles: ["bob"]}}}"#,
        ] {
            assert_eq!(at_release(section, 7, 35), NOTHING, "{section}");
        }
        let store = r#"{"allowFrom": ["bob"]}"#;
        let stored = host("{}", "{}").release(2026, 2, 23);
        assert_eq!(stored.file("credentials", "discord-allowFrom.json", 0o600, store).ids(audit), NAMED);
    }

    #[test]
    fn names_by_choice_are_an_info() {
        let section = r#"{allowFrom: ["bob"], dangerouslyAllowNameMatching: true}"#;
        assert_eq!(at_release(section, 2, 22), NAMED, "there is no such switch yet");
        assert_eq!(at_release(section, 2, 23), ["channels.discord.allowFrom.name_based_entries:info"]);
        assert_eq!(at_release(&section.replace("true", "false"), 9, 6), NAMED);
    }

    #[test]
    fn names_are_counted_and_not_shown() {
        let section = r#"{allowFrom: ["bob", "ann"], dm: {allowFrom: ["bob"]}, guilds: {
            "1": {users: ["x"]}, "2": {users: ["x"]}, "3": {users: ["x"]}, "4": {users: ["x"]}
        }}"#;
        let names = host(section, "{native: false, nativeSkills: false}")
            .release(2026, 2, 23)
            .findings(audit)
            .remove(0);
        assert!(
            names.detail.starts_with("7 entries are no ids, in channels.discord.allowFrom (2),"),
            "{}",
            names.detail
        );
        assert!(names.detail.contains("and 1 more lists"), "{}", names.detail);
        assert!(!names.detail.contains("bob"));
        assert_eq!(names.locations.len(), PLACES);
    }

    #[test]
    fn a_server_without_lists_lets_all_of_its_members_in() {
        for broad in [
            r#"{guilds: {"1": {}}}"#,
            r#"{guilds: {"1": {users: [], roles: []}}}"#,
            r#"{guilds: {"1": {users: ["5"], roles: ["*"]}}}"#,
            r#"{guilds: {"1": {users: ["5"], channels: {c: {users: []}}}}}"#,
            r#"{guilds: {"1": {users: ["5"], channels: {c: {users: ["*"]}}}}}"#,
        ] {
            assert_eq!(at_release(broad, 8, 1), BROAD, "{broad}");
            assert_eq!(at_release(broad, 7, 35), NOTHING, "{broad}");
        }
        for narrow in [
            "{}",
            r#"{guilds: {"1": {roles: ["9"]}}}"#,
            r#"{guilds: {"1": {channels: {c: {enabled: false}}}}}"#,
            r#"{guilds: {"1": {users: ["5"], channels: {c: {}, d: {roles: ["9"]}}}}}"#,
            r#"{guilds: {"1": {}}, groupPolicy: "open"}"#,
            r#"{guilds: {"1": {}}, groupPolicy: "disabled"}"#,
        ] {
            assert_eq!(at_release(narrow, 8, 1), NOTHING, "{narrow}");
        }
        let section = r#"{guilds: {"1": {channels: {b: {}, a: {}}}}}"#;
        let found = host(section, "{native: false, nativeSkills: false}").release(2026, 9, 6).findings(audit);
        let place = |name: &str| Location::Config(format!("/channels/discord/guilds/1/channels/{name}"));
        assert_eq!(found[0].locations, [place("b"), place("a")]);
    }

    #[test]
    fn lists_that_are_not_shown_leave_open_what_they_decide() {
        let open = |check: &str| vec![format!("{check}:not assessed")];
        let withheld = r#"{"$hidden": "withheld"}"#;
        assert_eq!(at_release(&format!("{{allowFrom: {withheld}}}"), 2, 23), open(NAMES));
        let users = format!(r#"{{guilds: {{"1": {{users: {withheld}}}, "2": {{}}}}}}"#);
        assert_eq!(
            at_release(&users, 9, 6),
            [BROAD[0].to_owned(), open(NAMES).remove(0), open(MEMBERS).remove(0)]
        );
        let policy = format!(r#"{{groupPolicy: {withheld}, guilds: {{"1": {{}}}}}}"#);
        assert_eq!(at_release(&policy, 9, 6), open(MEMBERS));
        let switch = format!(r#"{{allowFrom: ["bob"], dangerouslyAllowNameMatching: {withheld}}}"#);
        assert_eq!(at_release(&switch, 2, 23), open(NAMES));
        let all = MemoryHost::new("{channels: {discord: {}}}").withhold("/channels").release(2026, 9, 6);
        assert_eq!(all.ids(audit).len(), 4);
    }

    #[test]
    fn without_access_groups_a_later_release_asks_for_lists_all_the_same() {
        let config =
            host(r#"{guilds: {"1": {roles: ["9"]}}}"#, "{useAccessGroups: false}").release(2026, 8, 1);
        assert_eq!(config.ids(audit), NO_LISTS);
    }
}
