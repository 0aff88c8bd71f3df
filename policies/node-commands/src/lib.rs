//! Node commands that are blocked in vain, and dangerous ones that are let through.

mod commands;

use std::collections::BTreeSet;

use chitin_policy_sdk::openclaw::gateway::Gateway;
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, finding, js, listing, warn,
};

use commands::Commands;

const IDLE: &str = "gateway.nodes.deny_commands_ineffective";
const DANGEROUS: &str = "gateway.nodes.allow_commands_dangerous";

/// The two lists, and how people write their places.
struct Lists<'a> {
    deny: Node<'a>,
    allow: Node<'a>,
}

impl<'a> Lists<'a> {
    /// They have other names from 2026.8.1 on.
    fn read(cx: &'a Context<'_>) -> Self {
        let nodes = cx.config().at("gateway.nodes");
        if cx.release().since(2026, 8, 1) {
            let commands = nodes.get("commands");
            return Self { deny: commands.get("deny"), allow: commands.get("allow") };
        }
        Self { deny: nodes.get("denyCommands"), allow: nodes.get("allowCommands") }
    }
}

/// Looks for blocked commands that are none, and for dangerous ones that the config adds.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let lists = Lists::read(cx);
    let mut answer = Answer::new();
    blocked_in_vain(cx, &lists, &mut answer);
    dangerous(cx, &lists, &mut answer);
    Ok(answer)
}

/// The texts of a list.
struct Names<'a> {
    names: BTreeSet<&'a str>,
    /// Why there may be others; none where these are all.
    open: Option<NotAssessed>,
}

impl<'a> Names<'a> {
    fn read(list: &Node<'a>) -> Self {
        let mut names = Self { names: BTreeSet::new(), open: None };
        let items = match list.items() {
            Ok(items) => items,
            Err(reason) => return Self { open: Some(reason), ..names },
        };
        for item in items {
            match item.trimmed() {
                Ok(name) => names.names.extend(name),
                Err(reason) => names.open = Some(reason),
            }
        }
        names
    }

    fn has(&self, name: &str) -> Result<bool, NotAssessed> {
        match &self.open {
            Some(reason) if !self.names.contains(name) => Err(reason.clone()),
            _ => Ok(self.names.contains(name)),
        }
    }
}

fn blocked_in_vain(cx: &Context<'_>, lists: &Lists<'_>, answer: &mut Answer) {
    let denied = match lists.deny.items() {
        Ok(denied) => denied,
        Err(reason) => return answer.leave_open(IDLE, reason),
    };
    let (commands, added) = (Commands::of(cx), Names::read(&lists.allow));
    let mut idle = Vec::new();
    for entry in denied {
        match idle_name(&entry, &commands, &added) {
            Ok(Some(name)) => idle.push((entry, name)),
            Ok(None) => {}
            Err(reason) => answer.leave_open(IDLE, reason),
        }
    }
    if !idle.is_empty() {
        answer.findings.push(idle_finding(lists, &commands, &idle));
    }
}

/// The text of an entry that matches no command; none where it matches one, or is no text.
fn idle_name<'a>(
    entry: &Node<'a>,
    commands: &Commands,
    added: &Names<'_>,
) -> Result<Option<&'a str>, NotAssessed> {
    let Some(name) = entry.trimmed()? else { return Ok(None) };
    let is_idle = is_pattern(name) || (!commands.is_known(name)? && !added.has(name)?);
    Ok(is_idle.then_some(name))
}

fn idle_finding(lists: &Lists<'_>, commands: &Commands, idle: &[(Node<'_>, &str)]) -> Finding {
    let (deny, allow) = (lists.deny.dotted(), lists.allow.dotted());
    let is_off = |text: &str| commands.dangerous().any(|command| command == text);
    let sentence = |what: &str, is: &dyn Fn(&str) -> bool| {
        let texts = idle.iter().map(|(_, text)| *text).filter(|text| is(text));
        let names: Vec<String> = texts.map(|text| format!("\"{text}\"")).collect();
        if names.is_empty() { String::new() } else { format!(" {what}: {}.", listing::words(&names)) }
    };
    let only_off = idle.iter().all(|(_, text)| is_off(text));
    let end = if only_off {
        "The entries change nothing; they would count again where one of them is allowed."
    } else {
        "What the patterns and unknown names were to block stays allowed."
    };
    let is_unknown = |text: &str| !is_pattern(text) && !is_off(text);
    let unknown = idle.iter().map(|(_, text)| *text).filter(|text| is_unknown(text));
    let meant: Vec<String> = unknown
        .filter_map(|text| {
            let names = commands.like(text);
            (!names.is_empty()).then(|| format!("\"{text}\": {}", listing::words(&names)))
        })
        .collect();
    let start = warn(IDLE, "Blocked node commands block nothing")
        .detail(format!(
            "{deny} blocks a command only by its exact name.{}{}{} {end}{}",
            sentence("Patterns match nothing", &is_pattern),
            sentence("No command has this name", &is_unknown),
            sentence(&format!("These are off anyway, unless {allow} names them"), &|text| {
                is_off(text) && !is_pattern(text)
            }),
            if meant.is_empty() { "" } else { " These may be meant:" },
        ))
        .remediation(format!(
            "Write exact names such as \"system.run\" or \"camera.list\" in {deny}; take commands that the config added out of \
             {allow}",
        ))
        .at_all(idle.iter().map(|(node, _)| node));
    if meant.is_empty() { start } else { start.list(&meant, 0) }
}

fn dangerous(cx: &Context<'_>, lists: &Lists<'_>, answer: &mut Answer) {
    let allowed = match lists.allow.items() {
        Ok(allowed) => allowed,
        Err(reason) => return answer.leave_open(DANGEROUS, reason),
    };
    let (commands, denied) = (Commands::of(cx), Names::read(&lists.deny));
    let mut hits: Vec<(&str, Node<'_>)> = Vec::new();
    for entry in allowed {
        let name = entry.trimmed().map(|name| {
            name.filter(|name| commands.dangerous().any(|command| command == *name))
                .filter(|name| !hits.iter().any(|(known, _)| known == name))
        });
        let is_let_through = |name: Option<_>| name.map_or(Ok(false), |name| denied.has(name).map(|is| !is));
        match name.clone().and_then(is_let_through) {
            Ok(true) => hits.extend(name.ok().flatten().map(|name| (name, entry))),
            Ok(false) => {}
            Err(reason) => answer.leave_open(DANGEROUS, reason),
        }
    }
    if !hits.is_empty() {
        let is_remote = Gateway::read(cx).is_remote();
        answer.check(DANGEROUS, is_remote.map(|is_remote| [dangerous_finding(lists, &hits, is_remote)]));
    }
}

fn dangerous_finding(lists: &Lists<'_>, hits: &[(&str, Node<'_>)], is_remote: bool) -> Finding {
    let allow = lists.allow.dotted();
    let names: Vec<&str> = hits.iter().map(|(name, _)| *name).collect();
    let severity = if is_remote { Severity::Critical } else { Severity::Warn };
    finding(DANGEROUS, severity, "Agents may use dangerous commands of phones and computers")
        .detail(format!(
            "{allow} lists {}: whoever can talk an agent into it takes pictures, records screens, changes contacts and calendars or \
             sends messages on the owner's devices{}",
            listing::words(&names),
            if is_remote { ", and others can reach the gateway." } else { "." }
        ))
        .remediation(format!("Remove {} from {allow}", listing::words(&names)))
        .at_all(hits.iter().map(|(_, node)| node))
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
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn host(deny: &str, allow: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {{nodes: {{denyCommands: {deny}, allowCommands: {allow}}}}}}}"))
    }

    /// What is said of blocked commands.
    fn blocked(host: &MemoryHost) -> Vec<String> {
        let mut ids = host.ids(audit);
        ids.retain(|id| id.starts_with(IDLE));
        ids
    }

    fn is_idle(entry: &str) -> bool {
        let ids = blocked(&host(&format!("[{entry}]"), "[]"));
        assert!(ids.is_empty() || ids == ["gateway.nodes.deny_commands_ineffective:warn"]);
        !ids.is_empty()
    }

    #[test]
    fn exact_names_of_commands_block_them() {
        for command in ["canvas.present", "camera.list", "system.run", "browser.proxy"] {
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
            let ids = blocked(&host(&format!("[\"{pattern}\"]"), &format!("[\"{pattern}\"]")));
            assert_eq!(ids.len(), 1, "also where the config adds it: {pattern}");
        }
    }

    #[test]
    fn a_command_that_the_config_adds_can_be_blocked() {
        assert_eq!(blocked(&host(r#"["camera.snap"]"#, r#"[5, " camera.snap "]"#)), NOTHING);
        assert_eq!(blocked(&host(r#"["camera.snap"]"#, r#""camera.snap""#)).len(), 1);
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
            assert_eq!(blocked(&host(&hidden(deny), &hidden(allow))), expected, "{deny} {allow}");
        }
    }

    #[test]
    fn lists_that_are_withheld_are_not_taken_for_empty() {
        let ids = |pointer| blocked(&host(r#"["a*", "system.run", "x"]"#, "[]").withhold(pointer));
        let open = "gateway.nodes.deny_commands_ineffective:not assessed";
        assert_eq!(
            ids("/gateway/nodes/allowCommands"),
            ["gateway.nodes.deny_commands_ineffective:warn", open]
        );
        for pointer in ["/gateway/nodes/denyCommands", "/gateway/nodes", "/gateway"] {
            assert_eq!(ids(pointer), [open], "{pointer}");
        }
        assert_eq!(blocked(&host("[]", "[]").withhold("/gateway/nodes/allowCommands")), NOTHING);
    }

    #[test]
    fn the_lists_have_other_names_from_2026_8_1_on() {
        let new =
            |deny: &str| MemoryHost::new(&format!("{{gateway: {{nodes: {{commands: {{deny: {deny}}}}}}}}}"));
        assert_eq!(new(r#"["x"]"#).release(2026, 7, 35).ids(audit), NOTHING);
        let finding = new(r#"["x"]"#).release(2026, 8, 1).findings(audit).remove(0);
        assert!(finding.detail.starts_with("gateway.nodes.commands.deny blocks"), "{}", finding.detail);
        assert_eq!(host(r#"["x"]"#, "[]").release(2026, 8, 1).ids(audit), NOTHING);
    }

    #[test]
    fn a_command_that_may_be_meant_is_named() {
        let host = host(r#"["system.runn", "zzzzzzzzzzzz"]"#, "[]").release(2026, 3, 13);
        let detail = host.findings(audit).remove(0).detail;
        assert!(detail.ends_with("These may be meant:\n- \"system.runn\": system.run"), "{detail}");
    }

    const WARN: &str = "gateway.nodes.allow_commands_dangerous:warn";
    const CRITICAL: &str = "gateway.nodes.allow_commands_dangerous:critical";
    const OPEN: &str = "gateway.nodes.allow_commands_dangerous:not assessed";

    /// What is said of added commands.
    fn added(gateway: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{gateway: {gateway}}}")).release(2026, 9, 6)
    }

    fn commands(allow: &str, deny: &str) -> MemoryHost {
        added(&format!("{{nodes: {{commands: {{allow: {allow}, deny: {deny}}}}}}}"))
    }

    #[test]
    fn a_dangerous_command_that_is_added_and_not_blocked_is_told() {
        for (allow, deny, expected) in [
            (r#"["camera.snap"]"#, "[]", [WARN].as_slice()),
            (r#"[5, " sms.send ", "system.run"]"#, "[]", &[WARN]),
            (r#"["camera.snap"]"#, r#"[" camera.snap "]"#, &[]),
            (r#"["Camera.Snap", "system.run"]"#, "[]", &[]),
            (r#""camera.snap""#, "[]", &[]),
        ] {
            assert_eq!(commands(allow, deny).ids(audit), expected, "{allow} {deny}");
        }
        let findings = commands(r#"["sms.send", "sms.send", "camera.clip"]"#, "null").findings(audit);
        assert!(findings[0].detail.contains("lists sms.send and camera.clip:"), "{}", findings[0].detail);
        assert_eq!(findings[0].locations.len(), 2);
    }

    #[test]
    fn it_is_critical_where_others_can_reach_the_gateway() {
        let place = |place: &str| {
            added(&format!(r#"{{{place}, nodes: {{commands: {{allow: ["health.summary"]}}}}}}"#))
        };
        assert_eq!(place(r#"bind: "lan""#).ids(audit), [CRITICAL]);
        assert_eq!(place(r#"tailscale: {mode: "serve"}"#).ids(audit), [CRITICAL]);
        assert_eq!(place(r#"bind: "loopback""#).ids(audit), [WARN]);
        let hidden = place(r#"bind: "lan""#).hide("/gateway/bind", Hidden::Variable);
        assert_eq!(hidden.ids(audit), [OPEN]);
        assert_eq!(place(r#"bind: "lan""#).release(2026, 7, 35).ids(audit), NOTHING, "another list");
    }

    #[test]
    fn lists_that_are_not_shown_leave_open_what_is_let_through() {
        let hidden = r#"{"$hidden": "variable"}"#;
        let with = |allow: &str, deny: &str| {
            let host = commands(&allow.replace("HIDDEN", hidden), &deny.replace("HIDDEN", hidden));
            let mut ids = host.ids(audit);
            ids.retain(|id| id.starts_with(DANGEROUS));
            ids
        };
        assert_eq!(with(r#"["sms.send", HIDDEN]"#, "[]"), [WARN, OPEN]);
        assert_eq!(with(r#"["x", HIDDEN]"#, "[]"), [OPEN]);
        assert_eq!(with(r#"["sms.send"]"#, "[HIDDEN]"), [OPEN]);
        assert_eq!(with(r#"["sms.send"]"#, r#"["sms.send", HIDDEN]"#), NOTHING);
        assert_eq!(with(r#"["system.run"]"#, "[HIDDEN]"), NOTHING);
        let withheld = commands(r#"["sms.send"]"#, "[]").withhold("/gateway/nodes/commands/allow");
        assert_eq!(withheld.ids(audit), [OPEN]);
        let deny = commands(r#"["sms.send"]"#, "[]").withhold("/gateway/nodes/commands/deny");
        assert!(deny.ids(audit).contains(&OPEN.to_owned()));
    }
}
