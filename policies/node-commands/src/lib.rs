//! Blocked node commands that block nothing.

use std::collections::BTreeSet;

use chitin_policy_sdk::{Context, Node, Verdict, js, listing, warn};

/// The commands that nodes offer unless the config adds others (reference: config-checks 1.11).
const COMMANDS: [&str; 22] = [
    "canvas.present",
    "canvas.hide",
    "canvas.navigate",
    "canvas.eval",
    "canvas.snapshot",
    "canvas.a2ui.push",
    "canvas.a2ui.pushJSONL",
    "canvas.a2ui.reset",
    "camera.list",
    "location.get",
    "device.info",
    "device.status",
    "contacts.search",
    "calendar.events",
    "reminders.list",
    "photos.latest",
    "motion.activity",
    "motion.pedometer",
    "system.notify",
    "system.run",
    "system.which",
    "browser.proxy",
];

/// Looks for entries of `gateway.nodes.denyCommands` that match no command.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let nodes = cx.config().at("gateway.nodes");
    let added: BTreeSet<&str> = nodes.get("allowCommands").texts().collect();
    let denied = nodes.get("denyCommands");
    let entries: Vec<(Node<'_>, &str)> =
        denied.items().filter_map(|item| item.trimmed().map(|text| (item, text))).collect();
    let is_unknown = |text: &str| !COMMANDS.contains(&text) && !added.contains(text);
    let idle: Vec<&(Node<'_>, &str)> =
        entries.iter().filter(|(_, text)| is_pattern(text) || is_unknown(text)).collect();
    if idle.is_empty() {
        return Ok(Vec::new());
    }
    let named = |pattern: bool| -> Vec<String> {
        let texts = idle.iter().map(|(_, text)| *text).filter(|text| is_pattern(text) == pattern);
        texts.map(|text| format!("\"{text}\"")).collect()
    };
    let sentence = |what: &str, names: Vec<String>| {
        if names.is_empty() { String::new() } else { format!(" {what}: {}.", listing::words(&names)) }
    };
    let finding = warn("gateway.nodes.deny_commands_ineffective", "Blocked node commands name no command")
        .detail(format!(
            "gateway.nodes.denyCommands blocks a command only by its exact name.{}{} What was to be blocked by these \
             entries stays allowed.",
            sentence("Patterns match nothing", named(true)),
            sentence("No node offers a command of this name", named(false)),
        ))
        .remediation(
            "Write exact names such as \"system.run\" or \"canvas.eval\" in gateway.nodes.denyCommands; take commands that \
             the config added out of gateway.nodes.allowCommands",
        )
        .at_all(idle.iter().map(|(node, _)| node));
    Ok(vec![finding])
}

/// Whoever wrote it expected more than one name to match (reference: config-checks 10).
fn is_pattern(text: &str) -> bool {
    text.contains(|c: char| "?*[]{}(),|".contains(c) || js::is_space(c))
        || text.starts_with(['/', '^'])
        || text.ends_with(['/', '$'])
        || text.contains("group:")
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(deny: &str, allow: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {{nodes: {{denyCommands: {deny}, allowCommands: {allow}}}}}}}"))
    }

    fn is_idle(entry: &str) -> bool {
        let ids = host(&format!("[{entry}]"), "[]").ids(audit);
        assert!(ids.is_empty() || ids == ["gateway.nodes.deny_commands_ineffective:warn"]);
        !ids.is_empty()
    }

    #[test]
    fn exact_names_of_commands_block_them() {
        for command in COMMANDS {
            assert!(!is_idle(&format!("\" {command} \"")), "{command}");
        }
        for other in ["System.Run", "system.runn", "camera.snap", "sms.send", "x"] {
            assert!(is_idle(&format!("\"{other}\"")), "{other}");
        }
    }

    #[test]
    fn patterns_block_nothing() {
        for pattern in [
            "system.*",
            "canvas.?",
            "[a]",
            "{a}",
            "(a)",
            "a,b",
            "a|b",
            "/x",
            "x/",
            "^x",
            "x$",
            "a b",
            "a\u{a0}b",
            "group:web",
            "x-group:y",
        ] {
            assert!(is_idle(&format!("\"{pattern}\"")), "{pattern}");
            let ids = host(&format!("[\"{pattern}\"]"), &format!("[\"{pattern}\"]")).ids(audit);
            assert_eq!(ids.len(), 1, "also where the config adds it: {pattern}");
        }
    }

    #[test]
    fn a_command_that_the_config_adds_can_be_blocked() {
        assert_eq!(host(r#"["camera.snap"]"#, r#"[5, " camera.snap "]"#).ids(audit), NOTHING);
        assert_eq!(host(r#"["camera.snap"]"#, r#""camera.snap""#).ids(audit).len(), 1);
    }

    #[test]
    fn what_is_no_list_of_texts_blocks_nothing_and_says_nothing() {
        for deny in [r#""system.*""#, "[5, null, {}]", r#"["", "  "]"#, "null", "{}"] {
            assert_eq!(host(deny, "[]").ids(audit), NOTHING, "{deny}");
        }
    }

    #[test]
    fn one_finding_tells_patterns_from_unknown_names_and_points_at_each() {
        let findings = host(r#"["foo", "system.run", "a*", "bar"]"#, "[]").run(audit).expect("a verdict");
        assert_eq!(findings.len(), 1);
        assert!(findings[0].detail.contains(
            r#"name. Patterns match nothing: "a*". No node offers a command of this name: "foo" and "bar". What"#
        ));
        let places = [0, 2, 3].map(|index| Location::Config(format!("/gateway/nodes/denyCommands/{index}")));
        assert_eq!(findings[0].locations, places);
    }
}
