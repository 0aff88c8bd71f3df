//! What this installation offers to those who would attack it.

use chitin_policy_sdk::openclaw::browser;
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, info};

const ID: &str = "summary.attack_surface";

/// Sums up what is open; always one finding.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let channels = config.get("channels");
    let elevated = config.at("tools.elevated.enabled");
    let webhooks = config.at("hooks.enabled");
    let internal = config.at("hooks.internal.enabled");
    let browser_control = config.at("browser.enabled");
    let mut answer = Answer::new();

    let switches = [
        elevated.is_false().map(|is_off| !is_off),
        webhooks.is_true(),
        internal.is_true(),
        browser::is_enabled(&config),
    ];
    let [elevated_tools, web, inner, browsers] = switches.map(|switch| on_off(&mut answer, switch));
    // A summary points at what is written down; the first place is the config as a whole. What is withheld is no place.
    let written = [&channels, &elevated, &webhooks, &internal, &browser_control]
        .into_iter()
        .filter(|node| matches!(node.is_nullish(), Ok(false)));
    let finding = info(ID, "What this installation exposes")
        .detail(format!(
            "Channels whose groups are open to everyone: {}. Elevated tools: {elevated_tools}. Webhooks: {web}. Internal \
             hooks: {inner}. Browser control: {browsers}. What is on widens what a message, a page or a request from others can reach.",
            groups(&mut answer, &channels),
        ))
        .at(&config);
    answer.findings.push(written.fold(finding, |finding, node| finding.at(node)));
    Ok(answer)
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
    use chitin_policy_sdk::{Hidden, Location};

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
