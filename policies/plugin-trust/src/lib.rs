//! Plugins that run without having been chosen, or that agents can call without need.

mod installed;
mod known;
mod native_skills;
mod reach;

use chitin_policy_sdk::openclaw::plugins::has_allowlist;
use chitin_policy_sdk::{Answer, Context, Finding, Severity, Verdict, finding, listing, warn};

use installed::{Folder, Plugins};
use known::Known;
use native_skills::Chat;

const UNLISTED: &str = "plugins.extensions_no_allowlist";
const PHANTOM: &str = "plugins.allow_phantom_entries";
const CHECKS: [&str; 2] = [UNLISTED, "plugins.tools_reachable_permissive_policy"];

/// An entry of the allowlist that stands for all plugins.
const ALL_PLUGINS: &str = "group:plugins";

/// Looks at the plugins in the state directory: who chose them, and who can call their tools.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let folder = match installed::look(cx) {
        Ok(Some(folder)) => folder,
        Ok(None) => return Ok(answer),
        Err(reason) => {
            // An allowlist without entries names nothing that is not there.
            if has_allowlist(&cx.config()) != Ok(false) {
                answer.leave_open(PHANTOM, reason.clone());
            }
            answer.checks(&CHECKS, Err::<Option<Finding>, _>(reason));
            return Ok(answer);
        }
    };
    let known = Known::new(cx, &folder);
    no_allowlist(cx, &folder, &known, &mut answer);
    phantoms(cx, &known, &mut answer);
    reach::permissive(cx, &folder, &mut answer);
    if let Some(reason) = folder.open {
        answer.checks(&CHECKS, Err::<Option<Finding>, _>(reason));
    }
    Ok(answer)
}

fn no_allowlist(cx: &Context<'_>, folder: &Folder, known: &Known<'_, '_>, answer: &mut Answer) {
    let is_chosen = has_allowlist(&cx.config());
    if is_chosen == Ok(true) {
        return;
    }
    let (chats, open) = native_skills::channels(cx, known);
    // One chat is enough to make it critical. Without one, another that cannot be told might.
    let verdict = match (is_chosen, open) {
        (Err(reason), _) => Err(reason),
        (Ok(_), Some(reason)) if chats.is_empty() => Err(reason),
        (Ok(_), open) => {
            answer.check(UNLISTED, open.map_or(Ok(None), Err));
            Ok([unlisted(cx, folder, &chats)])
        }
    };
    answer.check(UNLISTED, verdict);
}

/// Adds one finding for all entries of the allowlist that name no plugin.
fn phantoms(cx: &Context<'_>, known: &Known<'_, '_>, answer: &mut Answer) {
    // Earlier releases have no such check, and what it looks at costs something.
    if !cx.release().since(2026, 4, 15) {
        return;
    }
    let allow = cx.config().at("plugins.allow");
    let items = match allow.items() {
        Ok(items) => items,
        Err(reason) => return answer.leave_open(PHANTOM, reason),
    };
    let (mut names, mut nodes) = (Vec::new(), Vec::new());
    for item in items {
        let phantom = item.trimmed().and_then(|id| match id.filter(|id| *id != ALL_PLUGINS) {
            Some(id) => Ok((!known.has(id)?).then_some(id)),
            None => Ok(None),
        });
        match phantom {
            Ok(Some(id)) => {
                names.push(format!("\"{id}\""));
                nodes.push(item);
            }
            Ok(None) => {}
            Err(reason) => answer.leave_open(PHANTOM, reason),
        }
    }
    if names.is_empty() {
        return;
    }
    let number = if names.len() == 1 { "a plugin" } else { "plugins" };
    answer.findings.push(
        warn(PHANTOM, "The allowlist of plugins names what is not installed")
            .detail(format!(
                "plugins.allow lets {} load, {number} that neither comes with this release nor is installed: whatever is \
                 put in place under such a name later is trusted before anybody has looked at it.",
                listing::words(&names)
            ))
            .remediation("Remove from plugins.allow what you do not use, and add a plugin when you install it")
            .at_all(&nodes),
    );
}

fn unlisted(cx: &Context<'_>, folder: &Folder, chats: &[Chat<'_>]) -> Finding {
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
    let start = finding(UNLISTED, severity, "Installed plugins load without an allowlist")
        .detail(format!(
            "{}, and plugins.allow lists none: the gateway loads whatever lies there, with all of its own rights, and also \
             what gets there tomorrow.{exposure}",
            seen(cx, folder)
        ))
        .remediation("Set plugins.allow to the ids of the plugins that you trust, and remove the folders of the others")
        .at(&cx.config().at("plugins.allow"))
        .at_object(&folder.path);
    chats.iter().fold(start, |finding, chat| finding.at(&chat.switch))
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
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

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
    fn any_item_that_is_not_blank_is_an_allowlist() {
        for (allow, ids) in [
            ("null", vec![UNCHOSEN, REACHABLE]),
            ("[]", vec![UNCHOSEN, REACHABLE]),
            (r#""foo""#, vec![UNCHOSEN, REACHABLE]),
            (r#"["  "]"#, vec![UNCHOSEN, REACHABLE]),
            ("[5]", vec![REACHABLE]),
            (r#"["foo"]"#, vec![REACHABLE]),
            (r#"["other"]"#, vec![]),
        ] {
            assert_eq!(host(&format!("{{plugins: {{allow: {allow}}}}}")).ids(audit), ids, "{allow}");
        }
    }

    fn phantom(host: &MemoryHost) -> Vec<String> {
        let mut ids = host.ids(audit);
        ids.retain(|id| id.starts_with(PHANTOM));
        ids
    }

    /// A host of 2026.9.6 with the plugin "foo" and this allowlist.
    fn allowing(allow: &str) -> MemoryHost {
        host(&format!("{{plugins: {{allow: {allow}}}}}")).release(2026, 9, 6)
    }

    const NAMES_NOTHING: &str = "plugins.allow_phantom_entries:warn";
    const NAMES_UNKNOWN: &str = "plugins.allow_phantom_entries:not assessed";

    #[test]
    fn an_entry_of_the_allowlist_names_a_plugin() {
        for fine in [
            "null",
            "5",
            "[]",
            r#"["foo"]"#,
            r#"[" FOO ", "browser", "Telegram", "group:plugins"]"#,
            r#"["", 5]"#,
        ] {
            assert_eq!(phantom(&allowing(fine)), NOTHING, "{fine}");
        }
        let wrong = allowing(r#"["foo", "ghost", "discord", "group:Plugins"]"#);
        let finding = wrong.findings(audit).into_iter().find(|finding| finding.check_id == PHANTOM);
        let finding = finding.expect("it is found");
        assert!(finding.detail.contains(r#"lets "ghost", "discord" and "group:Plugins" load, plugins that"#));
        let places = [1, 2, 3].map(|number| Location::Config(format!("/plugins/allow/{number}")));
        assert_eq!(finding.locations, places);
        assert_eq!(phantom(&wrong.clone().release(2026, 4, 15)).len(), 1, "ghost");
        assert_eq!(
            phantom(&allowing(r#"["discord"]"#).release(2026, 4, 29)),
            NOTHING,
            "it came with that release"
        );
        let empty = empty(r#"{plugins: {allow: ["ghost"]}}"#).release(2026, 9, 6);
        assert_eq!(phantom(&empty), NOTHING, "where nothing is installed, nothing is asked");
    }

    #[test]
    fn a_plugin_is_known_by_all_its_names_and_from_all_its_places() {
        let host = || allowing(r#"["ghost"]"#);
        let manifest = |text: &str| host().file("state", "extensions/foo/openclaw.plugin.json", 0o644, text);
        assert_eq!(phantom(&manifest(r#"{"id": "Ghost"}"#)), NOTHING);
        assert_eq!(phantom(&manifest(r#"{"id": "foo", "legacyPluginIds": [5, "ghost"]}"#)), NOTHING);
        assert_eq!(phantom(&manifest(r#"{"id": 5}"#)), [NAMES_NOTHING]);
        assert_eq!(phantom(&manifest("{nope")), [NAMES_UNKNOWN]);
        let workspace = "workspace-main/.openclaw/extensions/ghost";
        assert_eq!(phantom(&host().directory("state", workspace, 0o755)), NOTHING);
        assert_eq!(phantom(&host().deny("state", workspace)), [NAMES_UNKNOWN]);
        let recorded = host().table(
            "config_machine_state",
            &["state_key", "value_json"],
            vec![
                ["plugins.installedIndex", r#"{"index": {"installRecords": {"ghost": {}}}}"#]
                    .map(|text| chitin_policy_sdk::Cell::Text(text.to_owned()))
                    .to_vec(),
            ],
        );
        assert_eq!(phantom(&recorded), NOTHING);
        assert_eq!(phantom(&recorded.ungranted("records:config_machine_state.value_json")), [NAMES_UNKNOWN]);
    }

    #[test]
    fn a_load_path_may_hold_what_is_not_found() {
        let seen = |paths: &str| {
            let config = format!(r#"{{plugins: {{allow: ["ghost"], load: {{paths: {paths}}}}}}}"#);
            phantom(&host(&config).release(2026, 9, 6))
        };
        for named in [r#"["/opt/ghost/"]"#, r#"["x", "~/Ghost.ts"]"#] {
            assert_eq!(seen(named), NOTHING, "{named}");
        }
        for elsewhere in [r#"["/opt/plugins"]"#, r#"[{"$hidden": "variable"}]"#] {
            assert_eq!(seen(elsewhere), [NAMES_UNKNOWN], "{elsewhere}");
        }
        for none in ["[]", r#"[" ", 5]"#, "5"] {
            assert_eq!(seen(none), [NAMES_NOTHING], "{none}");
        }
    }

    #[test]
    fn an_allowlist_that_is_not_shown_is_not_called_sound() {
        assert_eq!(phantom(&allowing("[]").withhold("/plugins/allow")), [NAMES_UNKNOWN]);
        let hidden = allowing(r#"[{"$hidden": "variable"}, "ghost"]"#);
        assert_eq!(phantom(&hidden), [NAMES_NOTHING, NAMES_UNKNOWN]);
        let unseen = allowing(r#"["ghost"]"#).deny("state", "extensions");
        assert_eq!(phantom(&unseen), [NAMES_UNKNOWN]);
        assert_eq!(phantom(&allowing("[]").deny("state", "extensions")), NOTHING);
    }

    #[test]
    fn later_releases_pass_over_what_is_no_plugin() {
        let leftovers = [
            "node_modules",
            ".openclaw-install-backups",
            ".hidden",
            "old.bak",
            "a.backup-1",
            "z.Disabled",
            "NODE_MODULES",
        ];
        for name in leftovers {
            let host = empty("{}").directory("state", &format!("extensions/{name}"), 0o755);
            assert_eq!(host.clone().release(2026, 4, 29).ids(audit).len(), 2, "{name}");
            assert_eq!(host.release(2026, 5, 2).ids(audit), NOTHING, "{name}");
        }
    }

    #[test]
    fn a_channel_that_is_a_plugin_of_its_own_has_to_be_installed() {
        let severity = |channels: &str, name: &str, (year, month, patch)| {
            let host = empty(&format!("{{channels: {channels}}}")).release(year, month, patch);
            host.directory("state", &format!("extensions/{name}"), 0o755).ids(audit).remove(0)
        };
        let discord = r#"{discord: {token: "t"}}"#;
        assert_eq!(severity(discord, "foo", (2026, 4, 29)), EXPOSED);
        assert_eq!(severity(discord, "foo", (2026, 5, 2)), UNCHOSEN);
        assert_eq!(severity(discord, "discord", (2026, 9, 6)), EXPOSED);
        assert_eq!(severity(r#"{telegram: {botToken: "t"}}"#, "foo", (2026, 9, 6)), EXPOSED);
        let off = r#"{telegram: {botToken: "t", enabled: false}}"#;
        assert_eq!(severity(off, "foo", (2026, 7, 35)), EXPOSED);
        assert_eq!(severity(off, "foo", (2026, 8, 1)), UNCHOSEN);
    }

    #[test]
    fn every_folder_is_a_plugin() {
        assert_eq!(empty("{}").directory("state", "extensions/.cache", 0o755).ids(audit).len(), 2);
        let host = host("{}").directory("state", "extensions/node_modules", 0o755);
        let finding = host.findings(audit).remove(0);
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
        assert_eq!(host.clone().release(2026, 9, 6).ids(audit), [UNCHOSEN, REACHABLE]);
        let dangling = empty("{}").symlink("state", "extensions/foo", None).release(2026, 9, 6);
        assert_eq!(dangling.ids(audit), NOTHING);
        let to_file = empty("{}").file("state", "x", 0o644, "").symlink("state", "extensions/foo", Some("x"));
        assert_eq!(to_file.release(2026, 9, 6).ids(audit), NOTHING);
    }

    #[test]
    fn a_linked_folder_of_plugins_is_not_taken_for_an_empty_one() {
        assert_eq!(linked("{}").ids(audit), [UNCHOSEN, REACHABLE]);
        let finding = linked("{}").findings(audit).remove(0);
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
        let finding = host(config).findings(audit).remove(0);
        assert!(finding.detail.contains("are on for Discord and Slack:"));
        let place = Location::Config("/commands/nativeSkills".to_owned());
        assert_eq!(finding.locations[2..], [place.clone(), place]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        let open = |why: &str| CHECKS.map(|check| format!("{check}: {why}"));
        let denied = MemoryHost::new("{}").deny("state", "extensions");
        assert_eq!(
            denied.unassessed(audit),
            open("unreadable: cannot look at /state/extensions: permission denied")
        );
        for (capability, why) in [
            ("stat:state/extensions", "withheld stat:state/extensions"),
            ("list:state/extensions", "withheld list:state/extensions"),
        ] {
            assert_eq!(host("{}").ungranted(capability).unassessed(audit), open(why));
        }
    }

    #[test]
    fn a_linked_plugin_that_cannot_be_looked_at_leaves_both_checks_open() {
        let linked =
            empty("{}").symlink("state", "extensions/bar", None).ungranted("stat:state/extensions/*");
        assert_eq!(linked.ids(audit), NOTHING, "an early gateway does not load it");
        let later = linked.release(2026, 9, 6);
        assert_eq!(
            later.unassessed(audit),
            CHECKS.map(|check| format!("{check}: withheld stat:state/extensions/bar"))
        );
        let both = later.directory("state", "extensions/foo", 0o755).ids(audit);
        let open = CHECKS.map(|check| format!("{check}:not assessed"));
        assert_eq!(both, [UNCHOSEN, REACHABLE, &open[0], &open[1]], "what is seen is judged");
    }

    #[test]
    fn what_is_not_shown_counts_where_it_decides_how_bad_it_is() {
        let open = "plugins.extensions_no_allowlist:not assessed";
        let hidden = r#"{"$hidden": "variable"}"#;
        for (config, expected) in [
            ("{plugins: {allow: [HIDDEN]}}", [].as_slice()),
            (r#"{channels: {discord: {token: {"$hidden": "reference"}}}}"#, &[EXPOSED]),
            (r#"{channels: {discord: {token: "t", commands: {nativeSkills: HIDDEN}}}}"#, &[EXPOSED]),
            (r#"{channels: {discord: {token: "t"}}, plugins: {deny: [HIDDEN]}}"#, &[open]),
            (r#"{channels: {discord: {token: " "}}, plugins: {deny: [HIDDEN]}}"#, &[UNCHOSEN]),
            (r#"{channels: {discord: {token: "t"}}, plugins: {deny: ["discord", HIDDEN]}}"#, &[UNCHOSEN]),
            (
                r#"{channels: {discord: {token: "t"}, slack: {botToken: "t", commands: {nativeSkills: true}}}, plugins: {deny: [HIDDEN]}}"#,
                &[EXPOSED, open],
            ),
            ("{channels: {telegram: {tokenFile: HIDDEN}}}", &[open]),
        ] {
            let ids = host(&config.replace("HIDDEN", hidden)).ids(audit);
            let own: Vec<&String> = ids.iter().filter(|id| id.contains("allowlist")).collect();
            assert_eq!(own, expected, "{config}");
        }
        let file = host(r#"{channels: {telegram: {tokenFile: "/t"}}}"#);
        assert_eq!(file.hide("/channels/telegram/tokenFile", Hidden::Variable).ids(audit)[0], EXPOSED);
    }

    #[test]
    fn settings_that_are_withheld_are_not_taken_for_absent() {
        let open = "plugins.extensions_no_allowlist:not assessed";
        let config = r#"{plugins: {allow: [], deny: [], entries: {}}, commands: {nativeSkills: false},
            channels: {discord: {token: "t", accounts: {}}}}"#;
        for (pointer, expected) in [
            ("/plugins/allow", open),
            ("/commands/nativeSkills", open),
            ("/channels/discord/commands", open),
            ("/channels/discord/accounts", UNCHOSEN),
            ("/channels/telegram/accounts", UNCHOSEN),
            ("/plugins/deny", UNCHOSEN),
        ] {
            let host = host(&config.replace("}}}", "}}, telegram: {}}")).withhold(pointer);
            let ids = host.ids(audit);
            assert!(ids.iter().any(|id| id == expected), "{pointer} {ids:?}");
        }
        let secret = host("{}").ungranted("secret:env:DISCORD_BOT_TOKEN");
        assert!(secret.ids(audit).iter().any(|id| id == open));
        assert!(!secret.ids(audit).iter().any(|id| id == UNCHOSEN));
    }
}
