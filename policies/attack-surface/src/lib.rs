//! What this installation offers to those who would attack it.

use chitin_policy_sdk::{Context, Node, Verdict, browser, info};

/// Sums up what is open; always one finding.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let channels = config.get("channels");
    let elevated = config.at("tools.elevated.enabled");
    let webhooks = config.at("hooks.enabled");
    let internal = config.at("hooks.internal.enabled");
    let browser_control = config.at("browser.enabled");

    // A summary points at what is written down; the first place is the config as a whole.
    let written = [&channels, &elevated, &webhooks, &internal, &browser_control]
        .into_iter()
        .filter(|node| !node.is_nullish());
    let finding = info("summary.attack_surface", "What this installation exposes")
        .detail(format!(
            "Channels whose groups are open to everyone: {}, open to an allowlist: {}. Elevated tools: {}. Webhooks: \
             {}. Internal hooks: {}. Browser control: {}. Each thing that is on is a way in for text that others write.",
            with_group_policy(&channels, "open"),
            with_group_policy(&channels, "allowlist"),
            on_off(!elevated.is_false()),
            on_off(webhooks.is_true()),
            on_off(internal.is_true()),
            on_off(browser::is_enabled(&config)),
        ))
        .at(&config);
    Ok(vec![written.fold(finding, |finding, node| finding.at(node))])
}

fn with_group_policy(channels: &Node<'_>, policy: &str) -> usize {
    channels.entries().filter(|(_, channel)| channel.get("groupPolicy").text() == Some(policy)).count()
}

fn on_off(on: bool) -> &'static str {
    if on { "on" } else { "off" }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn detail(config: &str) -> String {
        let host = MemoryHost::new(config);
        assert_eq!(host.ids(audit), ["summary.attack_surface:info"], "{config}");
        host.run(audit).expect("a verdict").remove(0).detail
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
}
