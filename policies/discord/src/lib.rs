//! Discord slash commands that everyone may use, or nobody.

use chitin_policy_sdk::channels::{self, Account, shared, told};
use chitin_policy_sdk::pairing::{self, Paired};
use chitin_policy_sdk::{Context, Finding, Node, Verdict, critical, warn};

/// Looks at each account that offers slash commands in servers.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let Some(channel) = channels::find(cx, "discord")? else { return Ok(Vec::new()) };
    let mut accounts = pairing::read(cx, &channel)?;
    accounts
        .retain(|paired| offers_commands(cx, &paired.account) && !has_users(&paired.account.get("guilds")));
    let access = config.at("commands.useAccessGroups");
    Ok(if access.is_false() { unrestricted(&accounts, &access) } else { no_allowlists(&accounts) })
}

/// Slash commands are on, and there are servers that they could come from.
fn offers_commands(cx: &Context<'_>, account: &Account<'_>) -> bool {
    let config = cx.config();
    let on = ["native", "nativeSkills"].iter().any(|key| account.native_commands(&config, key).is_some());
    on && account.group_policy(cx).1 != "disabled" && account.get("guilds").entries().next().is_some()
}

/// Some server, or a channel of one, says who may use commands there.
fn has_users(guilds: &Node<'_>) -> bool {
    let names_users = |place: &Node<'_>| place.get("users").items().next().is_some();
    guilds.entries().any(|(_, guild)| {
        names_users(&guild) || guild.get("channels").entries().any(|(_, channel)| names_users(&channel))
    })
}

fn unrestricted(accounts: &[Paired<'_>], access: &Node<'_>) -> Vec<Finding> {
    let finding = |(guilds, sharing): (Node<'_>, Vec<&Paired<'_>>)| {
        let (path, (who, note)) = (guilds.dotted(), told(sharing.iter().map(|paired| &paired.account)));
        critical("channels.discord.commands.native.unrestricted", "Everyone in a Discord server may use commands")
            .detail(format!(
                "commands.useAccessGroups is false, and no server in {path} names the users who may give commands{who}: \
                 whoever can write in a channel where the bot is can run its slash commands.{note}"
            ))
            .remediation(format!(
                "Set commands.useAccessGroups to true, or list user ids in {path}.<server id>.users"
            ))
            .at(access)
            .at(&guilds)
    };
    shared(accounts, |paired| Some(paired.account.get("guilds"))).into_iter().map(finding).collect()
}

fn no_allowlists<'a>(accounts: &[Paired<'a>]) -> Vec<Finding> {
    let unowned = |paired: &Paired<'a>| {
        let owners = paired.account.direct_list();
        let is_owned = owners.items().any(|item| item.id().is_some()) || paired.senders().next().is_some();
        (!is_owned).then(|| (owners, paired.account.get("guilds")))
    };
    let finding = |((owners, guilds), sharing): ((Node<'_>, Node<'_>), Vec<&Paired<'_>>)| {
        let (list, servers, (who, note)) =
            (owners.dotted(), guilds.dotted(), told(sharing.iter().map(|paired| &paired.account)));
        warn("channels.discord.commands.native.no_allowlists", "Discord slash commands are on, and nobody may use them")
            .detail(format!(
                "Neither {list} nor the pairing store names an owner, and no server in {servers} names users{who}: \
                 every slash command is refused, and whoever wants them to work may be led to open them to all.{note}"
            ))
            .remediation(format!(
                "Set {list} to your own user id, or list user ids in {servers}.<server id>.users"
            ))
            .at(&owners)
            .at(&guilds)
    };
    shared(accounts, unowned).into_iter().map(finding).collect()
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

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
        let findings = host(section, "{}").run(audit).expect("a verdict");
        let guilds: Vec<&Location> = findings.iter().map(|finding| &finding.locations[1]).collect();
        let at = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(guilds, [&at("/channels/discord/guilds"), &at("/channels/discord/accounts/c/guilds")]);
        assert!(findings[0].detail.contains("(accounts \"a\" and \"e\")"));
        let open = host(section, "{useAccessGroups: false}").run(audit).expect("a verdict");
        assert_eq!(open.len(), 2);
        assert_eq!(open[0].locations, [at("/commands/useAccessGroups"), at("/channels/discord/guilds")]);
    }
}
