//! Discord slash commands that everyone may use, or nobody.

use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge, told};
use chitin_policy_sdk::openclaw::pairing::{self, Store};
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, all, any, critical, warn};

const OPEN: &str = "channels.discord.commands.native.unrestricted";
const NOBODY: &str = "channels.discord.commands.native.no_allowlists";

/// Looks at each account that offers slash commands in servers.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let access = cx.config().at("commands.useAccessGroups");
    match (channels::find(cx, "discord"), access.is_false()) {
        (Ok(None), _) => {}
        (Ok(Some(channel)), Ok(true)) => unrestricted(cx, &mut answer, &channel, &access),
        (Ok(Some(channel)), Ok(false)) => no_allowlists(cx, &mut answer, &channel),
        (Err(reason), _) | (_, Err(reason)) => {
            answer.leave_open(OPEN, reason.clone());
            answer.leave_open(NOBODY, reason);
        }
    }
    Ok(answer)
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
    let owners = account.direct_list()?;
    let named = owners.items().and_then(|items| any(items.map(|item| Ok(cx.identity(&item)?.is_some()))));
    let paired = match stores {
        Ok(stores) => Ok(stores.iter().any(|store| !store.senders.is_empty())),
        Err(reason) => Err(reason.clone()),
    };
    let is_owned = any([named, paired]);
    if is_owned == Ok(true) {
        return Ok(None);
    }
    let Some(guilds) = without_users(cx, account)? else { return Ok(None) };
    Ok((!is_owned?).then_some((owners, guilds)))
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
        // A name that is hidden is one all the same.
        let hidden = host(r#"{guilds: {"1": {}}, allowFrom: ["5"]}"#, "{}");
        assert_eq!(hidden.hide("/channels/discord/allowFrom/0", Hidden::Variable).ids(audit), NOTHING);
        let store = host(r#"{guilds: {"1": {}}}"#, "{}").deny("credentials", "discord-allowFrom.json");
        assert_eq!(store.ids(audit), open(NOBODY));
    }
}
