//! Slack slash commands that everyone may use, or nobody.

use chitin_policy_sdk::openclaw::channels::{self, Account, Channel, judge, told};
use chitin_policy_sdk::openclaw::pairing::{self, Store};
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, any, critical, warn};

const OPEN: &str = "channels.slack.commands.slash.useAccessGroups_off";
const NOBODY: &str = "channels.slack.commands.slash.no_allowlists";

/// Looks at each account that offers slash commands.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let config = cx.config();
    let access = config.at("commands.useAccessGroups");
    // From 2026.8.1 on there is no such key: lists hold in any case.
    let is_off = if cx.release().since(2026, 8, 1) { Ok(false) } else { access.is_false() };
    match (channels::find(cx, "slack"), is_off) {
        (Ok(None), _) => {}
        (Ok(Some(channel)), Ok(true)) => open_to_all(&mut answer, &channel, &config, &access),
        (Ok(Some(channel)), Ok(false)) => no_allowlists(cx, &mut answer, &channel, &config),
        (Err(reason), _) | (_, Err(reason)) => {
            answer.leave_open(OPEN, reason.clone());
            answer.leave_open(NOBODY, reason);
        }
    }
    Ok(answer)
}

/// The setting that switches slash commands on, where they are on.
fn switch<'a>(account: &Account<'a>, config: &Node<'a>) -> Result<Option<Node<'a>>, NotAssessed> {
    let slash = account.get("slashCommand")?.get("enabled");
    if slash.is_true()? {
        return Ok(Some(slash));
    }
    let native = account.native_commands(config, "native")?;
    if native.is_some() { Ok(native) } else { account.native_commands(config, "nativeSkills") }
}

fn open_to_all(answer: &mut Answer, channel: &Channel<'_>, config: &Node<'_>, access: &Node<'_>) {
    judge(
        answer,
        OPEN,
        &channel.accounts,
        |account| switch(account, config),
        |switch, sharing| {
            let (cause, (who, note)) = (switch.dotted(), told(sharing));
            critical(OPEN, "Everyone in the Slack workspace may use commands")
                .detail(format!(
                    "{cause} switches slash commands on{who}, and commands.useAccessGroups is false: nobody asks who gives \
                     a command, so every member and guest of the workspace can.{note}"
                ))
                .remediation(
                    "Set commands.useAccessGroups to true and channels.slack.allowFrom to those who may give commands",
                )
                .at(access)
                .at(&switch)
        },
    );
}

fn no_allowlists(cx: &Context<'_>, answer: &mut Answer, channel: &Channel<'_>, config: &Node<'_>) {
    let accounts: Vec<_> = channel.accounts.iter().zip(pairing::stores(cx, channel)).collect();
    judge(
        answer,
        NOBODY,
        &accounts,
        |(account, stores)| unowned(cx, account, stores, config),
        |(owners, switch), sharing| {
            let (list, cause) = (owners.dotted(), switch.dotted());
            // The common switch is that of the other channels, too.
            let off = if cause.starts_with("channels.") { &cause } else { "channels.slack.commands.native" };
            let (who, note) = told(sharing.into_iter().map(|(account, _)| *account));
            warn(NOBODY, "Slack slash commands are on, and nobody may use them")
                .detail(format!(
                    "{cause} switches slash commands on{who}, and neither {list} nor the pairing store nor a channel's list \
                     of users names anybody: every command is refused. Nothing is open now, but a \"*\" that makes them \
                     work would open them to everybody.{note}"
                ))
                .remediation(format!("Add your own user id to {list}, or set {off} to false"))
                .at(&owners)
                .at(&switch)
        },
    );
}

/// The list that names nobody, and what switches the commands on; none where they are off, or somebody may use them.
fn unowned<'a>(
    cx: &Context<'_>,
    account: &Account<'a>,
    stores: &Result<Vec<Store>, NotAssessed>,
    config: &Node<'a>,
) -> Result<Option<(Node<'a>, Node<'a>)>, NotAssessed> {
    let Some(switch) = switch(account, config)? else { return Ok(None) };
    let owners = account.direct_list()?;
    let named = owners.items().and_then(|items| any(items.map(|item| Ok(cx.identity(&item)?.is_some()))));
    let paired = match stores {
        Ok(stores) => Ok(stores.iter().any(|store| !store.senders.is_empty())),
        Err(reason) => Err(reason.clone()),
    };
    let allowed = any([named, paired, has_users(account)])?;
    Ok((!allowed).then_some((owners, switch)))
}

/// Some channel says who may use commands there.
fn has_users(account: &Account<'_>) -> Result<bool, NotAssessed> {
    let channels = account.get("channels")?;
    any(channels.entries()?.map(|(_, channel)| Ok(channel.get("users").items()?.next().is_some())))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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
        let findings = host(section, "{}").findings(audit);
        let at = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(findings.len(), 1);
        let switch = at("/channels/slack/accounts/a/slashCommand/enabled");
        assert_eq!(findings[0].locations, [at("/channels/slack/allowFrom"), switch.clone()]);
        let open = host(section, "{useAccessGroups: false}").findings(audit);
        assert_eq!(open[0].locations, [at("/commands/useAccessGroups"), switch]);
        assert_eq!(open.len(), 2);
    }

    #[test]
    fn a_bot_that_the_environment_configures_is_looked_at() {
        let host = MemoryHost::new("{commands: {native: true}}");
        assert_eq!(host.ids(audit), NOTHING);
        assert_eq!(host.variable("SLACK_APP_TOKEN", "t").ids(audit), NO_LISTS);
    }

    #[test]
    fn what_is_not_shown_leaves_open_what_it_decides() {
        let open = |check: &str| vec![format!("{check}:not assessed")];
        let on = "slashCommand: {enabled: true}";
        for (section, commands, expected) in [
            (format!(r#"{{{on}, channels: {{c: {{"$hidden": "withheld"}}}}}}"#), "{}", open(NOBODY)),
            (r#"{slashCommand: {"$hidden": "withheld"}}"#.to_owned(), "{}", open(NOBODY)),
            (r#"{slashCommand: {"$hidden": "withheld"}}"#.to_owned(), "{useAccessGroups: false}", open(OPEN)),
            (format!("{{{on}}}"), r#"{"$hidden": "withheld"}"#, [open(OPEN), open(NOBODY)].concat()),
        ] {
            let host = host(&section, commands);
            assert_eq!(host.ids(audit), expected, "{section} {commands}");
        }
        // A hidden entry still counts as an entry.
        let hidden = host(&format!(r#"{{{on}, allowFrom: ["U1"]}}"#), "{}");
        assert_eq!(hidden.hide("/channels/slack/allowFrom/0", Hidden::Variable).ids(audit), NOTHING);
        let store = host(&format!("{{{on}}}"), "{}").deny("credentials", "slack-allowFrom.json");
        assert_eq!(store.ids(audit), open(NOBODY));
    }
}
