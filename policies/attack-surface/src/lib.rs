//! What this installation offers to those who would attack it.

use chitin_policy_sdk::openclaw::{browser, installs};
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, all, any, info};

const ID: &str = "summary.attack_surface";

/// What the release of a row says of `hooks.internal`, from the release of the row on.
#[derive(Clone, Copy, Debug, PartialEq)]
enum InternalHooks {
    /// On where `enabled` is exactly `true`.
    Chosen,
    /// On unless `enabled` is exactly `false`.
    Always,
    /// On unless `enabled` is exactly `false`, where there is something to run.
    Configured,
}

/// When internal hooks run (reference: releases/changes, 2026.3.31 and 2026.4.22; 2026.9-delta 4.1).
const INTERNAL_HOOKS: [((u16, u8, u16), InternalHooks); 3] = [
    ((2026, 4, 22), InternalHooks::Configured),
    ((2026, 3, 31), InternalHooks::Always),
    ((2026, 1, 30), InternalHooks::Chosen),
];

/// Since then the browser is a plugin that the config of plugins can keep out (reference: releases/changes, 2026.7.1).
const BROWSER_IS_PLUGIN: (u16, u8, u16) = (2026, 7, 1);

/// Since then the records of installed hooks stand in the database of the state (reference: 2026.9-delta 4.10).
const HOOKS_IN_DATABASE: (u16, u8, u16) = (2026, 8, 1);

fn since(cx: &Context<'_>, (year, month, patch): (u16, u8, u16)) -> bool {
    cx.release().since(year, month, patch)
}

/// Sums up what is open; always one finding.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let channels = config.get("channels");
    let elevated = config.at("tools.elevated.enabled");
    let webhooks = config.at("hooks.enabled");
    let internal = config.at("hooks.internal.enabled");
    let browser_control = config.at("browser.enabled");
    let mut answer = Answer::new();

    let switches =
        [elevated.is_false().map(|is_off| !is_off), webhooks.is_true(), internal_hooks(cx), has_browser(cx)];
    let [elevated_tools, web, inner, browsers] = switches.map(|switch| on_off(&mut answer, switch));
    // The first place is the whole config, then each setting that is in it. A withheld one may not be named.
    let written = [&channels, &elevated, &webhooks, &internal, &browser_control]
        .into_iter()
        .filter(|node| matches!(node.is_nullish(), Ok(false)));
    let finding = info(ID, "What this installation exposes")
        .detail(format!(
            "Channels whose groups are open to everyone: {}. Elevated tools: {elevated_tools}. Webhooks: {web}. Internal \
             hooks: {inner}. Browser control: {browsers}. What is on widens what a message, a page or a request from others \
             can reach. All of it assumes one owner: whoever is let in acts with that owner's rights.",
            groups(&mut answer, &channels),
        ))
        .at(&config);
    answer.findings.push(written.fold(finding, |finding, node| finding.at(node)));
    Ok(answer)
}

/// The gateway runs hooks of its own.
fn internal_hooks(cx: &Context<'_>) -> Result<bool, NotAssessed> {
    let hooks = cx.config().at("hooks.internal");
    let enabled = hooks.get("enabled");
    let row = INTERNAL_HOOKS.iter().find(|(release, _)| since(cx, *release));
    match row.map_or(InternalHooks::Chosen, |(_, when)| *when) {
        InternalHooks::Chosen => enabled.is_true(),
        InternalHooks::Always => Ok(!enabled.is_false()?),
        InternalHooks::Configured => {
            let has_some =
                any([enabled.is_true(), has_entry(&hooks), has_folder(&hooks), has_install(cx, &hooks)]);
            all([enabled.is_false().map(|is_off| !is_off), has_some])
        }
    }
}

/// An entry is not switched off.
fn has_entry(hooks: &Node<'_>) -> Result<bool, NotAssessed> {
    any(hooks.get("entries").entries()?.map(|(_, entry)| Ok(!entry.get("enabled").is_false()?)))
}

/// A folder of hooks is named. A text that is not shown is not blank.
fn has_folder(hooks: &Node<'_>) -> Result<bool, NotAssessed> {
    let named = |folder: Node<'_>| match folder.hidden() {
        Some(_) => folder.is_text(),
        None => Ok(folder.trimmed()?.is_some()),
    };
    any(hooks.at("load.extraDirs").items()?.map(named))
}

/// Hooks were installed by the program.
fn has_install(cx: &Context<'_>, hooks: &Node<'_>) -> Result<bool, NotAssessed> {
    if !since(cx, HOOKS_IN_DATABASE) {
        return Ok(hooks.get("installs").entries()?.next().is_some());
    }
    let records = installs::stored(cx, installs::HOOK_RECORDS)?;
    Ok(records.as_object().is_some_and(|records| !records.is_empty()))
}

/// Agents can control a browser.
fn has_browser(cx: &Context<'_>) -> Result<bool, NotAssessed> {
    let config = cx.config();
    let is_on = browser::is_enabled(&config);
    if since(cx, BROWSER_IS_PLUGIN) { all([is_on, browser::is_loaded(&config)]) } else { is_on }
}

/// How many channels open their groups to everyone, and how many to an allowlist.
fn groups(answer: &mut Answer, channels: &Node<'_>) -> String {
    let entries = match channels.entries() {
        Ok(entries) => entries,
        Err(reason) => {
            answer.leave_open(ID, reason);
            return "not known, open to an allowlist: not known".to_owned();
        }
    };
    let (mut open, mut listed, mut hidden) = (0, 0, 0);
    for (_, channel) in entries {
        match channel.get("groupPolicy").text() {
            Ok(Some("open")) => open += 1,
            Ok(Some("allowlist")) => listed += 1,
            Ok(_) => {}
            Err(reason) => {
                answer.leave_open(ID, reason);
                hidden += 1;
            }
        }
    }
    let more = if hidden > 0 { format!(", not known: {hidden}") } else { String::new() };
    format!("{open}, open to an allowlist: {listed}{more}")
}

fn on_off(answer: &mut Answer, switch: Result<bool, NotAssessed>) -> &'static str {
    match switch {
        Ok(true) => "on",
        Ok(false) => "off",
        Err(reason) => {
            answer.leave_open(ID, reason);
            "not known"
        }
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Cell, Hidden, Location};

    use super::*;

    fn detail(config: &str) -> String {
        let host = MemoryHost::new(config);
        assert_eq!(host.ids(audit), ["summary.attack_surface:info"], "{config}");
        host.findings(audit).remove(0).detail
    }

    #[test]
    fn an_empty_config_has_elevated_tools_and_browser_control() {
        for config in ["{}", "[]", "null", "{channels: 5, tools: [], hooks: \"on\", browser: null}"] {
            assert!(detail(config).starts_with(
                "Channels whose groups are open to everyone: 0, open to an allowlist: 0. Elevated tools: on. Webhooks: \
                 off. Internal hooks: off. Browser control: on."
            ));
        }
    }

    #[test]
    fn every_object_among_the_channels_counts_and_no_account() {
        let text = detail(
            r#"{channels: {
                defaults: {groupPolicy: "open"},
                telegram: {groupPolicy: "open", accounts: {a: {groupPolicy: "open"}}},
                discord: {groupPolicy: "allowlist"},
                slack: {groupPolicy: "disabled"},
                signal: "open",
                irc: null
            }}"#,
        );
        assert!(text.contains("open to everyone: 2, open to an allowlist: 1."));
    }

    #[test]
    fn elevated_tools_go_off_by_exactly_false_alone() {
        assert!(detail("{tools: {elevated: {enabled: false}}}").contains("Elevated tools: off"));
        assert!(detail("{tools: {elevated: {enabled: 0}}}").contains("Elevated tools: on"));
    }

    #[test]
    fn hooks_go_on_by_exactly_true_alone() {
        let text = detail("{hooks: {enabled: true, internal: {enabled: true}}}");
        assert!(text.contains("Webhooks: on. Internal hooks: on."));
        let text = detail(r#"{hooks: {enabled: 1, internal: {enabled: "true"}}}"#);
        assert!(text.contains("Webhooks: off. Internal hooks: off."));
    }

    #[test]
    fn browser_control_is_on_where_it_is_absent_or_true() {
        for (enabled, on) in
            [("null", "on"), ("true", "on"), (r#""false""#, "on"), ("false", "off"), ("0", "off")]
        {
            let text = detail(&format!("{{browser: {{enabled: {enabled}}}}}"));
            assert!(text.contains(&format!("Browser control: {on}.")), "{enabled}");
        }
    }

    /// The words for internal hooks, in a release.
    fn internal(hooks: &str, (year, month, patch): (u16, u8, u16)) -> &'static str {
        let host = MemoryHost::new(&format!("{{hooks: {{internal: {hooks}}}}}")).release(year, month, patch);
        switch(&host, "Internal hooks")
    }

    fn switch(host: &MemoryHost, name: &str) -> &'static str {
        let detail = host.run(audit).expect("an answer").findings.remove(0).detail;
        let is = |word: &&&str| detail.contains(&format!("{name}: {word}."));
        ["on", "off", "not known"].iter().find(is).expect("one of them")
    }

    #[test]
    fn when_internal_hooks_run_depends_on_the_release() {
        let [chosen, last_chosen, always, last_always, configured, new] =
            [(2026, 1, 30), (2026, 3, 24), (2026, 3, 31), (2026, 4, 15), (2026, 4, 22), (2026, 9, 6)];
        for (hooks, expected) in [
            ("{}", ["off", "off", "on", "on", "off", "off"]),
            ("{enabled: true}", ["on"; 6]),
            ("{enabled: false}", ["off"; 6]),
            ("{entries: {a: {}}}", ["off", "off", "on", "on", "on", "on"]),
            ("{entries: {a: {enabled: false}}}", ["off", "off", "on", "on", "off", "off"]),
            ("{enabled: false, entries: {a: {}}}", ["off"; 6]),
            (r#"{load: {extraDirs: [" "]}}"#, ["off", "off", "on", "on", "off", "off"]),
            (r#"{load: {extraDirs: ["x"]}}"#, ["off", "off", "on", "on", "on", "on"]),
            ("{installs: {a: {}}}", ["off", "off", "on", "on", "on", "off"]),
        ] {
            let seen =
                [chosen, last_chosen, always, last_always, configured, new].map(|at| internal(hooks, at));
            assert_eq!(seen, expected, "{hooks}");
        }
    }

    #[test]
    fn later_releases_record_hooks_in_the_database() {
        let host = |records: &str| {
            let row = [installs::HOOK_RECORDS, records].map(|text| Cell::Text(text.to_owned())).to_vec();
            let columns = ["state_key", "value_json"];
            MemoryHost::new("{}").release(2026, 8, 1).table("config_machine_state", &columns, vec![row])
        };
        assert_eq!(switch(&host("{}"), "Internal hooks"), "off");
        let some = host(r#"{"h": {"source": "npm"}}"#);
        assert_eq!(switch(&some, "Internal hooks"), "on");
        let withheld = some.ungranted("records:config_machine_state.value_json");
        assert_eq!(switch(&withheld, "Internal hooks"), "not known");
        assert_eq!(withheld.unassessed(audit).len(), 1);
        let off = withheld.clone().release(2026, 7, 35);
        assert_eq!(switch(&off, "Internal hooks"), "off", "it is not asked for");
    }

    #[test]
    fn the_browser_is_a_plugin_in_later_releases() {
        let host = |patch| MemoryHost::new("{plugins: {enabled: false}}").release(2026, 7, patch);
        assert_eq!(switch(&host(1), "Browser control"), "off");
        assert_eq!(switch(&host(0), "Browser control"), "on");
    }

    #[test]
    fn what_is_not_shown_is_told_as_such_beside_the_rest() {
        let config =
            r#"{channels: {telegram: {groupPolicy: "open"}, irc: {groupPolicy: "open"}, slack: {}}}"#;
        let host = MemoryHost::new(config)
            .hide("/channels/irc/groupPolicy", Hidden::Variable)
            .withhold("/channels/slack/groupPolicy")
            .withhold("/tools");
        let answer = host.run(audit).expect("an answer");
        assert!(answer.findings[0].detail.starts_with(
            "Channels whose groups are open to everyone: 1, open to an allowlist: 0, not known: 2. Elevated tools: not \
             known. Webhooks: off."
        ));
        let places = ["", "/channels"].map(|pointer| Location::Config(pointer.to_owned()));
        assert_eq!(answer.findings[0].locations, places, "what is withheld is no place");
        let open = [
            "summary.attack_surface: withheld config:/tools/elevated/enabled",
            "summary.attack_surface: hidden variable",
            "summary.attack_surface: withheld config:/channels/slack/groupPolicy",
        ];
        assert_eq!(host.unassessed(audit), open);
    }

    #[test]
    fn channels_that_are_not_granted_are_not_counted() {
        for pointer in ["/channels", "/hooks", "/browser"] {
            let host = MemoryHost::new("{}").withhold(pointer);
            let answer = host.run(audit).expect("an answer");
            assert!(answer.findings[0].detail.contains(": not known"), "{pointer}");
            assert!(!answer.unassessed.is_empty(), "{pointer}");
        }
    }

    #[test]
    fn a_hidden_text_is_a_switch_like_any_other_text() {
        let config = r#"{tools: {elevated: {enabled: "x"}}, hooks: {enabled: "x"}, browser: {enabled: "x"}}"#;
        let host = ["/tools/elevated/enabled", "/hooks/enabled", "/browser/enabled"]
            .into_iter()
            .fold(MemoryHost::new(config), |host, pointer| host.hide(pointer, Hidden::Variable));
        let detail = host.findings(audit).remove(0).detail;
        assert!(
            detail.contains("Elevated tools: on. Webhooks: off. Internal hooks: off. Browser control: on.")
        );
    }
}
