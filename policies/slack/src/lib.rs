//! Slack slash commands that everyone may use, or nobody.

use chitin_policy_sdk::channels::{self, Account, shared, told};
use chitin_policy_sdk::pairing::{self, Paired};
use chitin_policy_sdk::{Context, Finding, Node, Verdict, critical, warn};

/// Looks at each account that offers slash commands.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let Some(channel) = channels::find(cx, "slack")? else { return Ok(Vec::new()) };
    let accounts = pairing::read(cx, &channel)?;
    let access = config.at("commands.useAccessGroups");
    Ok(if access.is_false() {
        open_to_all(&accounts, &config, &access)
    } else {
        no_allowlists(&accounts, &config)
    })
}

/// The setting that switches slash commands on, where they are on.
fn switch<'a>(account: &Account<'a>, config: &Node<'a>) -> Option<Node<'a>> {
    let slash = account.get("slashCommand").get("enabled");
    let native = ["native", "nativeSkills"].iter().find_map(|key| account.native_commands(config, key));
    if slash.is_true() { Some(slash) } else { native }
}

fn open_to_all<'a>(accounts: &[Paired<'a>], config: &Node<'a>, access: &Node<'a>) -> Vec<Finding> {
    let finding = |(switch, sharing): (Node<'_>, Vec<&Paired<'_>>)| {
        let (cause, (who, note)) = (switch.dotted(), told(sharing.iter().map(|paired| &paired.account)));
        critical(
            "channels.slack.commands.slash.useAccessGroups_off",
            "Everyone in the Slack workspace may use commands",
        )
        .detail(format!(
            "{cause} switches slash commands on{who}, and commands.useAccessGroups is false: nobody asks who gives a \
             command, so every member and guest of the workspace can.{note}"
        ))
        .remediation("Set commands.useAccessGroups to true and channels.slack.allowFrom to those who may give commands")
        .at(access)
        .at(&switch)
    };
    shared(accounts, |paired| switch(&paired.account, config)).into_iter().map(finding).collect()
}

fn no_allowlists<'a>(accounts: &[Paired<'a>], config: &Node<'a>) -> Vec<Finding> {
    let unowned = |paired: &Paired<'a>| {
        let switch = switch(&paired.account, config)?;
        let owners = paired.account.direct_list();
        let is_owned = owners.items().any(|item| item.id().is_some()) || paired.senders().next().is_some();
        let channels = paired.account.get("channels");
        let has_users = channels.entries().any(|(_, channel)| channel.get("users").items().next().is_some());
        (!is_owned && !has_users).then_some((owners, switch))
    };
    let finding = |((owners, switch), sharing): ((Node<'_>, Node<'_>), Vec<&Paired<'_>>)| {
        let (list, cause, (who, note)) =
            (owners.dotted(), switch.dotted(), told(sharing.iter().map(|paired| &paired.account)));
        warn("channels.slack.commands.slash.no_allowlists", "Slack slash commands are on, and nobody may use them")
            .detail(format!(
                "{cause} switches slash commands on{who}, and neither {list} nor the pairing store nor a channel's list \
                 of users names anybody: every command is refused, and whoever wants them to work may be led to open \
                 them to all.{note}"
            ))
            .remediation(format!("Set {list} to your own user id, or switch slash commands off"))
            .at(&owners)
            .at(&switch)
    };
    shared(accounts, unowned).into_iter().map(finding).collect()
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const OFF: [&str; 1] = ["channels.slack.commands.slash.useAccessGroups_off:critical"];
    const NO_LISTS: [&str; 1] = ["channels.slack.commands.slash.no_allowlists:warn"];
    const NOTHING: [&str; 0] = [];

    fn host(section: &str, commands: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{channels: {{slack: {section}}}, commands: {commands}}}"))
    }

    #[test]
    fn slash_commands_are_off_unless_something_switches_them_on() {
        for (section, commands, expected) in [
            ("{}", "{}", NOTHING.as_slice()),
            ("{}", r#"{native: "auto"}"#, &NOTHING),
            ("{slashCommand: {enabled: 1}}", "{}", &NOTHING),
            ("{slashCommand: {enabled: true}}", "{}", &NO_LISTS),
            ("{}", "{native: true}", &NO_LISTS),
            ("{}", "{nativeSkills: true}", &NO_LISTS),
            ("{commands: {native: false}}", "{native: true}", &NOTHING),
            ("{commands: {native: true}}", "{native: false}", &NO_LISTS),
        ] {
            assert_eq!(host(section, commands).ids(audit), expected, "{section} {commands}");
        }
    }

    #[test]
    fn without_access_groups_lists_do_not_help() {
        let section = r#"{slashCommand: {enabled: true}, allowFrom: ["U1"]}"#;
        assert_eq!(host(section, "{useAccessGroups: false}").ids(audit), OFF);
        assert_eq!(host("{}", "{useAccessGroups: false}").ids(audit), NOTHING);
    }

    #[test]
    fn somebody_is_named_by_a_list_a_channel_or_the_pairing_store() {
        for (lists, expected) in [
            (r#"allowFrom: ["U1"]"#, NOTHING.as_slice()),
            (r#"dm: {allowFrom: ["U1"]}"#, &NOTHING),
            (r#"channels: {C1: {}, C2: {users: ["U1"]}}"#, &NOTHING),
            (r#"allowFrom: [], dm: {allowFrom: ["U1"]}"#, &NO_LISTS),
            (r#"allowFrom: "U1", channels: [5]"#, &NO_LISTS),
            ("channels: {C1: {users: []}}", &NO_LISTS),
        ] {
            let section = format!("{{slashCommand: {{enabled: true}}, {lists}}}");
            assert_eq!(host(&section, "{}").ids(audit), expected, "{lists}");
        }
        let store = host("{slashCommand: {enabled: true}, accounts: {Work: {}}}", "{}");
        let store = store.file("credentials", "slack-work-allowFrom.json", 0o600, r#"{"allowFrom": ["U1"]}"#);
        assert_eq!(store.ids(audit), NOTHING);
    }

    #[test]
    fn every_account_is_looked_at() {
        let section = r#"{accounts: {
            a: {slashCommand: {enabled: true}}, B: {slashCommand: {enabled: true}, allowFrom: ["U1"]}, c: {}
        }}"#;
        let findings = host(section, "{}").run(audit).expect("a verdict");
        let at = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(findings.len(), 1);
        let switch = at("/channels/slack/accounts/a/slashCommand/enabled");
        assert_eq!(findings[0].locations, [at("/channels/slack/allowFrom"), switch.clone()]);
        let open = host(section, "{useAccessGroups: false}").run(audit).expect("a verdict");
        assert_eq!(open[0].locations, [at("/commands/useAccessGroups"), switch]);
        assert_eq!(open.len(), 2);
    }

    #[test]
    fn a_bot_that_the_environment_configures_is_looked_at() {
        let host = MemoryHost::new("{commands: {native: true}}");
        assert_eq!(host.ids(audit), NOTHING);
        assert_eq!(host.variable("SLACK_APP_TOKEN", "t").ids(audit), NO_LISTS);
    }
}
