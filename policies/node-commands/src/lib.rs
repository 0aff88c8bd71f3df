//! Blocked node commands that block nothing.

use std::collections::BTreeSet;

use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, js, listing, warn};

const CHECK: &str = "gateway.nodes.deny_commands_ineffective";

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

/// Commands that nodes have and the gateway does not pass on unless `allowCommands` says so (reference: config-checks 1.11).
const OFF: [&str; 7] = [
    "camera.snap",
    "camera.clip",
    "screen.record",
    "contacts.add",
    "calendar.add",
    "reminders.add",
    "sms.send",
];

/// Looks for entries of `gateway.nodes.denyCommands` that match no command.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let nodes = cx.config().at("gateway.nodes");
    let added = Added::read(&nodes.get("allowCommands"));
    let mut answer = Answer::new();
    let denied = match nodes.get("denyCommands").items() {
        Ok(denied) => denied,
        Err(reason) => {
            answer.leave_open(CHECK, reason);
            return Ok(answer);
        }
    };
    let mut idle = Vec::new();
    for entry in denied {
        match idle_name(&entry, &added) {
            Ok(Some(name)) => idle.push((entry, name)),
            Ok(None) => {}
            Err(reason) => answer.leave_open(CHECK, reason),
        }
    }
    if !idle.is_empty() {
        answer.findings.push(finding(&idle));
    }
    Ok(answer)
}

/// The commands that the config adds.
struct Added<'a> {
    names: BTreeSet<&'a str>,
    /// Why there may be others; none where these are all.
    open: Option<NotAssessed>,
}

impl<'a> Added<'a> {
    fn read(list: &Node<'a>) -> Self {
        let mut added = Self { names: BTreeSet::new(), open: None };
        let items = match list.items() {
            Ok(items) => items,
            Err(reason) => return Self { open: Some(reason), ..added },
        };
        for item in items {
            match item.trimmed() {
                Ok(name) => added.names.extend(name),
                Err(reason) => added.open = Some(reason),
            }
        }
        added
    }

    fn has(&self, name: &str) -> Result<bool, NotAssessed> {
        match &self.open {
            Some(reason) if !self.names.contains(name) => Err(reason.clone()),
            _ => Ok(self.names.contains(name)),
        }
    }
}

/// The text of an entry that matches no command; none where it matches one, or is no text.
fn idle_name<'a>(entry: &Node<'a>, added: &Added<'_>) -> Result<Option<&'a str>, NotAssessed> {
    let Some(name) = entry.trimmed()? else { return Ok(None) };
    let is_idle = is_pattern(name) || (!COMMANDS.contains(&name) && !added.has(name)?);
    Ok(is_idle.then_some(name))
}

fn finding(idle: &[(Node<'_>, &str)]) -> Finding {
    let sentence = |what: &str, is: fn(&str) -> bool| {
        let texts = idle.iter().map(|(_, text)| *text).filter(|text| is(text));
        let names: Vec<String> = texts.map(|text| format!("\"{text}\"")).collect();
        if names.is_empty() { String::new() } else { format!(" {what}: {}.", listing::words(&names)) }
    };
    let only_off = idle.iter().all(|(_, text)| OFF.contains(text));
    let end = if only_off {
        "The entries change nothing; they would count again where one of them is allowed."
    } else {
        "What the patterns and unknown names were to block stays allowed."
    };
    warn(CHECK, "Blocked node commands block nothing")
        .detail(format!(
            "gateway.nodes.denyCommands blocks a command only by its exact name.{}{}{} {end}",
            sentence("Patterns match nothing", is_pattern),
            sentence("No command has this name", |text| !is_pattern(text) && !OFF.contains(&text)),
            sentence("These are off anyway, unless gateway.nodes.allowCommands names them", |text| OFF.contains(&text)),
        ))
        .remediation(
            "Write exact names such as \"system.run\" or \"canvas.eval\" in gateway.nodes.denyCommands; take commands that \
             the config added out of gateway.nodes.allowCommands",
        )
        .at_all(idle.iter().map(|(node, _)| node))
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
        let findings = host(r#"["foo", "system.run", "a*", "bar"]"#, "[]").findings(audit);
        assert_eq!(findings.len(), 1);
        assert!(findings[0].detail.contains(
            r#"name. Patterns match nothing: "a*". No command has this name: "foo" and "bar". What"#
        ));
        let places = [0, 2, 3].map(|index| Location::Config(format!("/gateway/nodes/denyCommands/{index}")));
        assert_eq!(findings[0].locations, places);
    }

    #[test]
    fn a_command_that_is_off_anyway_is_told_as_such() {
        let detail = |deny: &str| host(deny, "[]").findings(audit).remove(0).detail;
        let off = detail(r#"["camera.snap", "sms.send"]"#);
        assert!(
            off.contains("names them: \"camera.snap\" and \"sms.send\". The entries change nothing"),
            "{off}"
        );
        assert!(!off.contains("stays allowed"), "{off}");
        let both = detail(r#"["camera.snap", "foo"]"#);
        assert!(
            both.contains("No command has this name: \"foo\"") && both.contains("stays allowed"),
            "{both}"
        );
    }

    #[test]
    fn an_entry_that_is_not_shown_leaves_the_check_open() {
        let (idle, open) = (
            "gateway.nodes.deny_commands_ineffective:warn",
            "gateway.nodes.deny_commands_ineffective:not assessed",
        );
        for (deny, allow, expected) in [
            ("[HIDDEN]", "[]", [open].as_slice()),
            (r#"["a*", HIDDEN]"#, "[]", &[idle, open]),
            (r#"["system.run", HIDDEN]"#, "[]", &[open]),
            ("HIDDEN", "[]", &[]),
            (r#"["x"]"#, "[HIDDEN]", &[open]),
            (r#"["x", "y"]"#, r#"["x", HIDDEN]"#, &[open]),
            (r#"["x"]"#, r#"["x", HIDDEN]"#, &[]),
            (r#"["system.run"]"#, "[HIDDEN]", &[]),
            (r#"["a*"]"#, "[HIDDEN]", &[idle]),
        ] {
            let hidden = |list: &str| list.replace("HIDDEN", r#"{"$hidden": "variable"}"#);
            assert_eq!(host(&hidden(deny), &hidden(allow)).ids(audit), expected, "{deny} {allow}");
        }
    }

    #[test]
    fn lists_that_are_withheld_are_not_taken_for_empty() {
        let ids = |pointer| host(r#"["a*", "system.run", "x"]"#, "[]").withhold(pointer).ids(audit);
        let open = "gateway.nodes.deny_commands_ineffective:not assessed";
        assert_eq!(
            ids("/gateway/nodes/allowCommands"),
            ["gateway.nodes.deny_commands_ineffective:warn", open]
        );
        for pointer in ["/gateway/nodes/denyCommands", "/gateway/nodes", "/gateway"] {
            assert_eq!(ids(pointer), [open], "{pointer}");
        }
        assert_eq!(host("[]", "[]").withhold("/gateway/nodes/allowCommands").ids(audit), NOTHING);
    }
}
