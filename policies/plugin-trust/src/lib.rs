//! Plugins that run without having been chosen, or that agents can call without need.

mod installed;
mod native_skills;
mod reach;

use chitin_policy_sdk::{Context, Failure, Finding, Severity, Verdict, finding, listing};

use installed::{Folder, Plugins};

/// Looks at the plugins in the state directory: who chose them, and who can call their tools.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let Some(folder) = installed::look(cx)? else { return Ok(Vec::new()) };
    let findings = [no_allowlist(cx, &folder)?, reach::permissive(cx, &folder)?];
    Ok(findings.into_iter().flatten().collect())
}

fn no_allowlist(cx: &Context<'_>, folder: &Folder) -> Result<Option<Finding>, Failure> {
    let config = cx.config();
    let allow = config.at("plugins.allow");
    if allow.items().next().is_some() {
        return Ok(None);
    }
    let chats = native_skills::channels(cx)?;
    let names: Vec<&str> = chats.iter().map(|chat| chat.name).collect();
    let (severity, exposure) = match names.as_slice() {
        [] => (Severity::Warn, String::new()),
        names => (
            Severity::Critical,
            format!(
                " Native skill commands are on for {}: people in chats can call what a plugin brings.",
                listing::words(names)
            ),
        ),
    };
    let start = finding("plugins.extensions_no_allowlist", severity, "Installed plugins load without an allowlist")
        .detail(format!(
            "{}, and plugins.allow lists none: the gateway loads whatever lies there, with all of its own rights, and also \
             what gets there tomorrow.{exposure}",
            seen(cx, folder)
        ))
        .remediation("Set plugins.allow to the ids of the plugins that you trust, and remove the folders of the others")
        .at(&allow)
        .at_object(&folder.path);
    Ok(Some(chats.iter().fold(start, |finding, chat| finding.at(&chat.switch))))
}

/// What is installed, in words.
fn seen(cx: &Context<'_>, folder: &Folder) -> String {
    let place = cx.display_path(&folder.path);
    match &folder.plugins {
        Plugins::Listed(names) => {
            let number = if names.len() == 1 {
                "1 plugin is".to_owned()
            } else {
                format!("{} plugins are", names.len())
            };
            format!("{number} installed in {place} ({})", listing::words(names))
        }
        Plugins::Elsewhere(target) => {
            format!("{place} is a link to {target}, whose plugins cannot be listed from here")
        }
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const UNCHOSEN: &str = "plugins.extensions_no_allowlist:warn";
    const EXPOSED: &str = "plugins.extensions_no_allowlist:critical";
    const REACHABLE: &str = "plugins.tools_reachable_permissive_policy:warn";
    const NOTHING: [&str; 0] = [];

    /// A host with one plugin, "foo".
    fn host(config: &str) -> MemoryHost {
        empty(config).directory("state", "extensions/foo", 0o755)
    }

    fn empty(config: &str) -> MemoryHost {
        MemoryHost::new(config).directory("state", "extensions", 0o755)
    }

    fn linked(config: &str) -> MemoryHost {
        let host = MemoryHost::new(config).directory("state", "elsewhere", 0o755);
        host.symlink("state", "extensions", Some("elsewhere"))
    }

    #[test]
    fn without_plugins_there_is_nothing_to_judge() {
        assert_eq!(MemoryHost::new("{}").ids(audit), NOTHING);
        assert_eq!(empty("{}").ids(audit), NOTHING);
        assert_eq!(empty("{}").file("state", "extensions/foo.js", 0o644, "").ids(audit), NOTHING);
        assert_eq!(MemoryHost::new("{}").file("state", "extensions", 0o644, "").ids(audit), NOTHING);
        assert_eq!(MemoryHost::new("{}").symlink("state", "extensions", None).ids(audit), NOTHING);
    }

    #[test]
    fn any_item_in_the_list_is_an_allowlist() {
        for (allow, ids) in [
            ("null", vec![UNCHOSEN, REACHABLE]),
            ("[]", vec![UNCHOSEN, REACHABLE]),
            (r#""foo""#, vec![UNCHOSEN, REACHABLE]),
            (r#"["  "]"#, vec![REACHABLE]),
            ("[5]", vec![REACHABLE]),
            (r#"["foo"]"#, vec![REACHABLE]),
            (r#"["other"]"#, vec![]),
        ] {
            assert_eq!(host(&format!("{{plugins: {{allow: {allow}}}}}")).ids(audit), ids, "{allow}");
        }
    }

    #[test]
    fn every_folder_is_a_plugin() {
        assert_eq!(empty("{}").directory("state", "extensions/.cache", 0o755).ids(audit).len(), 2);
        let host = host("{}").directory("state", "extensions/node_modules", 0o755);
        let finding = host.run(audit).expect("a verdict").remove(0);
        assert!(
            finding.detail.starts_with("2 plugins are installed in /state/extensions (foo and node_modules)")
        );
        let places = [
            Location::Config("/plugins/allow".to_owned()),
            Location::Object(chitin_policy_sdk::Path::new("state", "extensions")),
        ];
        assert_eq!(finding.locations, places);
    }

    #[test]
    fn a_linked_plugin_counts_where_the_gateway_loads_it() {
        let host = empty("{}").directory("state", "x", 0o755).symlink("state", "extensions/foo", Some("x"));
        assert_eq!(host.ids(audit), NOTHING, "the gateway of 2026.2 passes over it");
        assert_eq!(host.clone().generation("2026.9").ids(audit), [UNCHOSEN, REACHABLE]);
        let dangling = empty("{}").symlink("state", "extensions/foo", None).generation("2026.9");
        assert_eq!(dangling.ids(audit), NOTHING);
        let to_file = empty("{}").file("state", "x", 0o644, "").symlink("state", "extensions/foo", Some("x"));
        assert_eq!(to_file.generation("2026.9").ids(audit), NOTHING);
    }

    #[test]
    fn a_linked_folder_of_plugins_is_not_taken_for_an_empty_one() {
        assert_eq!(linked("{}").ids(audit), [UNCHOSEN, REACHABLE]);
        let finding = linked("{}").run(audit).expect("a verdict").remove(0);
        assert!(
            finding.detail.starts_with("/state/extensions is a link to elsewhere, whose plugins cannot be")
        );
        assert_eq!(linked(r#"{tools: {profile: "minimal"}}"#).ids(audit), [UNCHOSEN]);
        assert_eq!(linked("{plugins: {enabled: false}}").ids(audit), [UNCHOSEN]);
        let to_file =
            MemoryHost::new("{}").file("state", "x", 0o644, "").symlink("state", "extensions", Some("x"));
        assert_eq!(to_file.ids(audit), NOTHING);
    }

    #[test]
    fn behind_a_link_the_allowed_plugins_are_looked_for_by_name() {
        let config = r#"{plugins: {allow: ["foo", "Bar", "../x", "100%"]}}"#;
        assert_eq!(linked(config).ids(audit), NOTHING, "none of them is there");
        assert_eq!(linked(config).directory("state", "extensions/foo", 0o755).ids(audit), [REACHABLE]);
        assert_eq!(linked(config).directory("state", "extensions/Bar", 0o755).ids(audit), [REACHABLE]);
        assert_eq!(linked(config).file("state", "extensions/foo", 0o644, "").ids(audit), NOTHING);
        assert_eq!(linked(config).directory("state", "extensions/other", 0o755).ids(audit), NOTHING);
    }

    #[test]
    fn native_skills_are_on_by_themselves_for_discord_and_telegram() {
        for (channels, id) in [
            (r#"{discord: {token: "t"}}"#, EXPOSED),
            (r#"{telegram: {botToken: "t"}}"#, EXPOSED),
            (r#"{telegram: {tokenFile: "/t"}}"#, EXPOSED),
            (r#"{slack: {botToken: "t"}}"#, UNCHOSEN),
            (r#"{slack: {botToken: "t", commands: {nativeSkills: true}}}"#, EXPOSED),
            (r#"{discord: {token: "t", commands: {nativeSkills: false}}}"#, UNCHOSEN),
            (r#"{discord: {token: "t", commands: {nativeSkills: "auto"}}}"#, EXPOSED),
            (r#"{discord: {token: "t", enabled: false}}"#, EXPOSED),
            (r#"{discord: {token: " "}}"#, UNCHOSEN),
            ("{discord: {token: 5}}", UNCHOSEN),
            (r#"{discord: {accounts: {a: {token: "t"}}}}"#, EXPOSED),
            (r#"{discord: {accounts: {a: {token: "t", commands: {nativeSkills: false}}}}}"#, EXPOSED),
            (r#"{whatsapp: {dmPolicy: "pairing"}}"#, UNCHOSEN),
            ("[5]", UNCHOSEN),
        ] {
            let ids = host(&format!("{{channels: {channels}}}")).ids(audit);
            assert_eq!(ids, [id, REACHABLE], "{channels}");
        }
    }

    #[test]
    fn a_channel_that_is_not_loaded_switches_nothing_on() {
        for (plugins, id) in [
            ("{enabled: true, deny: [], entries: {discord: {enabled: true}}}", EXPOSED),
            ("{entries: {discord: {enabled: false}}}", UNCHOSEN),
            (r#"{deny: ["discord"]}"#, UNCHOSEN),
        ] {
            let ids =
                host(&format!("{{plugins: {plugins}, channels: {{discord: {{token: \"t\"}}}}}}")).ids(audit);
            assert_eq!(ids, [id, REACHABLE], "{plugins}");
        }
        let off = host(r#"{plugins: {enabled: false}, channels: {discord: {token: "t"}}}"#);
        assert_eq!(off.ids(audit), [UNCHOSEN]);
    }

    #[test]
    fn the_global_switch_of_native_skills_stands_in_for_the_channels() {
        let severity = |global: &str, slack: &str| {
            let commands = format!(r#"{{botToken: "t", commands: {{nativeSkills: {slack}}}}}"#);
            let config = format!("{{commands: {{nativeSkills: {global}}}, channels: {{slack: {commands}}}}}");
            host(&config).ids(audit).remove(0)
        };
        assert_eq!(severity("true", "null"), EXPOSED);
        assert_eq!(severity("true", "false"), UNCHOSEN);
        assert_eq!(severity(r#""auto""#, "null"), UNCHOSEN);
        assert_eq!(severity("false", "true"), EXPOSED);
    }

    #[test]
    fn a_token_in_the_environment_configures_a_channel() {
        let ids = |name: &str, value: &str| {
            host("{commands: {nativeSkills: true}}").variable(name, value).ids(audit).remove(0)
        };
        for name in ["DISCORD_BOT_TOKEN", "TELEGRAM_BOT_TOKEN", "SLACK_BOT_TOKEN", "SLACK_APP_TOKEN"] {
            assert_eq!(ids(name, "t"), EXPOSED, "{name}");
            assert_eq!(ids(name, " "), UNCHOSEN, "{name}");
        }
    }

    #[test]
    fn the_chats_are_named_and_pointed_at() {
        let config =
            r#"{channels: {discord: {token: "t"}, slack: {appToken: "t"}}, commands: {nativeSkills: true}}"#;
        let finding = host(config).run(audit).expect("a verdict").remove(0);
        assert!(finding.detail.contains("are on for Discord and Slack:"));
        let place = Location::Config("/commands/nativeSkills".to_owned());
        assert_eq!(finding.locations[2..], [place.clone(), place]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        assert!(
            MemoryHost::new("{}")
                .deny("state", "extensions")
                .inconclusive(audit)
                .contains("/state/extensions")
        );
    }
}
