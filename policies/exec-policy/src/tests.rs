use chitin_policy_sdk::testing::MemoryHost;
use chitin_policy_sdk::{Cell, Hidden};

use super::*;

const NOTHING: [&str; 0] = [];
const FULL_WARN: &str = "tools.exec.security_full_configured:warn";
const FULL_CRITICAL: &str = "tools.exec.security_full_configured:critical";
const FULL_OPEN: &str = "tools.exec.security_full_configured:not assessed";
const OPEN_WARN: &str = "security.exposure.open_channels_with_exec:warn";
const OPEN_CRITICAL: &str = "security.exposure.open_channels_with_exec:critical";
const OPEN_OPEN: &str = "security.exposure.open_channels_with_exec:not assessed";
const FILES_WARN: &str = "tools.exec.fs_tools_disabled_but_exec_enabled:warn";
const FILES_OPEN: &str = "tools.exec.fs_tools_disabled_but_exec_enabled:not assessed";
const CLAUDE_WARN: &str = "agents.claude_cli.permission_mode_overridden_by_yolo:warn";
const CLAUDE_OPEN: &str = "agents.claude_cli.permission_mode_overridden_by_yolo:not assessed";

fn old(config: &str) -> MemoryHost {
    MemoryHost::new(config).release(2026, 7, 35)
}

fn new(config: &str) -> MemoryHost {
    MemoryHost::new(config).release(2026, 9, 6)
}

fn agent(id: &str, exec: &str) -> String {
    format!(r#"{{id: "{id}", tools: {{exec: {exec}}}}}"#)
}

fn names(host: &MemoryHost) -> String {
    let findings = host.findings(audit);
    let detail = findings.first().map(|finding| finding.detail.clone()).unwrap_or_default();
    let names = detail.split_once("(\"full\") for ").and_then(|(_, rest)| rest.split_once(';'));
    names.map_or_else(String::new, |(names, _)| names.to_owned())
}

#[test]
fn full_is_found_where_it_is_said() {
    for host in [old, new] {
        assert_eq!(host(r#"{tools: {exec: {security: "full"}}}"#).ids(audit), [FULL_WARN]);
        for exec in ["{}", r#"{security: "allowlist"}"#, r#"{security: "FULL"}"#, "5", r"{security: true}"] {
            assert_eq!(host(&format!("{{tools: {{exec: {exec}}}}}")).ids(audit), NOTHING, "{exec}");
        }
        let own = format!("{{agents: {{list: [{}]}}}}", agent("a", r#"{security: "full"}"#));
        assert_eq!(host(&own).ids(audit), [FULL_WARN]);
    }
}

#[test]
fn a_mode_counts_from_2026_8_1_on() {
    let config = r#"{tools: {exec: {mode: "full"}}}"#;
    assert_eq!(old(config).ids(audit), NOTHING);
    assert_eq!(MemoryHost::new(config).release(2026, 8, 1).ids(audit), [FULL_WARN]);
}

#[test]
fn the_only_agent_stands_for_all() {
    let config =
        |agents: &str| format!(r#"{{tools: {{exec: {{security: "full"}}}}, agents: {{list: [{agents}]}}}}"#);
    let (deny, other) = (r#"{security: "deny"}"#, r#"{ask: "always"}"#);
    let main = config(&agent("main", deny));
    assert_eq!((old(&main).ids(audit).len(), new(&main).ids(audit).len()), (0, 0));
    let a = config(&agent("a", deny));
    assert_eq!((names(&old(&a)).as_str(), names(&new(&a)).as_str()), ("\"main\"", ""));
    let two = config(&format!("{}, {}", agent("a", deny), agent("b", other)));
    assert_eq!(names(&old(&two)), "\"main\" and \"b\"");
    assert_eq!(names(&new(&two)), "\"global\" and \"b\"");
}

#[test]
fn open_channels_make_it_worse() {
    let config = |security: &str, channels: &str| {
        new(&format!(r#"{{tools: {{exec: {{security: "{security}"}}}}, channels: {channels}}}"#)).ids(audit)
    };
    let nested = r#"{telegram: {groups: {"-5": {groupPolicy: "open"}}}}"#;
    assert_eq!(config("full", nested), [FULL_CRITICAL, OPEN_CRITICAL]);
    assert_eq!(config("allowlist", r#"{x: {dmPolicy: "open"}}"#), [OPEN_WARN]);
    assert_eq!(config("deny", nested), NOTHING);
    assert_eq!(config("allowlist", r#"{x: {dm: {policy: "open"}, y: [{groupPolicy: "open"}]}}"#), NOTHING);
    assert_eq!(config("full", r#"{x: {groupPolicy: "allowlist"}}"#), [FULL_WARN]);
}

#[test]
fn what_is_not_shown_may_make_it_worse_or_nothing_of_it() {
    let config = r#"{tools: {exec: {security: "full"}}, channels: {x: {groupPolicy: "open"}},
        agents: {list: [{id: "a", tools: {exec: {security: "allowlist"}}}, {id: "b"}]}}"#;
    let hidden = |pointer: &str| new(config).hide(pointer, Hidden::Variable).ids(audit);
    assert_eq!(hidden("/channels/x/groupPolicy"), [FULL_OPEN, OPEN_OPEN]);
    assert_eq!(
        hidden("/agents/list/0/tools/exec/security"),
        [FULL_CRITICAL, OPEN_CRITICAL, FULL_OPEN, OPEN_OPEN]
    );
    assert_eq!(hidden("/tools/exec/security"), [OPEN_WARN, FULL_OPEN, OPEN_OPEN]);
    let id = new(config).hide("/agents/list/0/id", Hidden::Variable);
    assert_eq!(
        id.ids(audit),
        [FULL_CRITICAL, OPEN_CRITICAL, FILES_OPEN],
        "another agent's sandbox may be its own"
    );
    let only = new(r#"{agents: {list: [{id: "a", tools: {exec: {security: "full"}}}]}}"#);
    assert_eq!(
        only.hide("/agents/list/0/id", Hidden::Variable).ids(audit),
        [FULL_OPEN, OPEN_OPEN, FILES_OPEN]
    );
    for (pointer, ids) in [
        ("/channels", [FULL_OPEN, OPEN_OPEN].as_slice()),
        ("/tools/exec/security", &[OPEN_WARN, FULL_OPEN, OPEN_OPEN]),
        ("/tools/exec/mode", &[OPEN_WARN, FULL_OPEN, OPEN_OPEN]),
        ("/agents/list", &[FULL_OPEN, OPEN_OPEN, FILES_OPEN]),
    ] {
        assert_eq!(new(config).withhold(pointer).ids(audit), ids, "{pointer}");
    }
    let closed = new(r#"{tools: {exec: {security: "deny"}}}"#).withhold("/channels");
    assert_eq!(closed.ids(audit), NOTHING);
}

#[test]
fn commands_write_files_that_tools_may_not() {
    let ids = |tools: &str, agents: &str| new(&format!("{{tools: {tools}, agents: {agents}}}")).ids(audit);
    let denied = r#"{deny: ["write", "edit", "apply_patch"]}"#;
    assert_eq!(ids(denied, "{}"), [FILES_WARN]);
    assert_eq!(ids(r#"{allow: ["exec", "read"]}"#, "{}"), [FILES_WARN]);
    assert_eq!(ids(r#"{deny: ["write", "edit"]}"#, "{}"), NOTHING);
    assert_eq!(ids(r#"{deny: ["group:fs", "exec"]}"#, "{}"), NOTHING);
    assert_eq!(ids("{}", "{}"), NOTHING);
    let all = r#"{defaults: {sandbox: {mode: "all"}}}"#;
    assert_eq!(ids(denied, all), NOTHING);
    let rw = r#"{defaults: {sandbox: {mode: "all", workspaceAccess: "rw"}}}"#;
    assert_eq!(ids(denied, rw), [FILES_WARN]);
    assert_eq!(ids(&denied.replace('}', r#", exec: {host: "node"}}"#), all), [FILES_WARN]);
    assert_eq!(ids(&denied.replace('}', r#", exec: {host: "auto"}}"#), all), NOTHING);
    let own = r#"{list: [{id: "a", tools: {deny: ["group:fs"]}}, {id: "b"}]}"#;
    let finding = new(&format!("{{agents: {own}}}")).findings(audit).remove(0);
    assert!(
        finding.detail.contains("- agents.entries.a.tools: exec and process without"),
        "{}",
        finding.detail
    );
    assert!(!finding.detail.contains("entries.b"));
}

#[test]
fn a_tool_that_is_not_shown_counts_where_it_decides() {
    let hidden = |tools: &str| {
        new(&format!("{{tools: {tools}}}").replace("HIDDEN", r#"{"$hidden": "variable"}"#)).ids(audit)
    };
    assert_eq!(hidden(r#"{deny: ["group:fs", HIDDEN]}"#), [FILES_OPEN]);
    assert_eq!(hidden(r#"{deny: ["exec"], allow: [HIDDEN]}"#), [FILES_OPEN]);
    assert_eq!(hidden(r#"{profile: HIDDEN, deny: ["exec"]}"#), NOTHING);
    let mode = r#"{tools: {deny: ["group:fs"]}, agents: {defaults: {sandbox: {mode: "all"}}}}"#;
    assert_eq!(new(mode).hide("/agents/defaults/sandbox/mode", Hidden::Variable).ids(audit), [FILES_OPEN]);
}

fn claude(args: &str, rest: &str) -> MemoryHost {
    old(&format!(
        r#"{{agents: {{defaults: {{cliBackends: {{"claude-cli": {{args: {args}}}}}}}, list: [{{id: "a"}}]}} {rest}}}"#
    ))
}

#[test]
fn the_last_permission_mode_counts() {
    for (args, found) in [
        (r#"["-p", "--permission-mode", "plan"]"#, true),
        (r#"["--permission-mode=acceptEdits"]"#, true),
        (r#"["--permission-mode", "bypassPermissions", "--permission-mode", "plan"]"#, true),
        (r#"["--permission-mode", "plan", "--permission-mode", "bypassPermissions"]"#, false),
        (r#"["--permission-mode"]"#, false),
        (r#"["--permission-mode=", "--permission-mode", "-p"]"#, false),
        (r#"["--permission-modes", "plan", 5, null]"#, false),
        (r#""--permission-mode=plan""#, false),
        ("[]", false),
    ] {
        let expected = if found { [CLAUDE_WARN].as_slice() } else { &[] };
        assert_eq!(claude(args, "").ids(audit), expected, "{args}");
    }
    let named =
        old(r#"{agents: {defaults: {cliBackends: {" Claude-CLI ": {resumeArgs: ["--permission-mode=PLAN"]},
        "codex-cli": {args: ["--permission-mode=plan"]}}}}}"#);
    assert!(named.findings(audit)[0].detail.contains("resumeArgs (\"PLAN\") set"));
}

#[test]
fn a_permission_mode_holds_where_somebody_is_asked() {
    let set = r#"["--permission-mode", "plan"]"#;
    for (rest, found) in [
        (r#", tools: {exec: {ask: "always"}}"#, false),
        (r#", tools: {exec: {security: "allowlist"}}"#, false),
        (r#", tools: {exec: {mode: "ask"}}"#, true),
        (r#", tools: {exec: {host: "sandbox"}}"#, false),
        (r#", tools: {exec: {host: "node"}}"#, true),
    ] {
        let expected = if found { [CLAUDE_WARN].as_slice() } else { &[] };
        assert_eq!(claude(set, rest).ids(audit), expected, "{rest}");
    }
    let approvals = |document: &str| {
        let rows = vec![vec![Cell::Text(document.to_owned())]];
        claude(set, "").table("exec_approvals_config", &["raw_json"], rows)
    };
    let one = approvals(
        r#"{"version": 1, "defaults": {"security": "allowlist"}, "agents": {"a": {"security": "full"}}}"#,
    );
    assert!(one.findings(audit)[0].detail.contains("For a all commands"));
    assert_eq!(approvals(r#"{"version": 1, "defaults": {"ask": "on-miss"}}"#).ids(audit), NOTHING);
}

#[test]
fn a_permission_mode_that_is_not_shown_is_not_guessed() {
    let set = r#"["--permission-mode", "plan"]"#;
    let args = claude(set, "").hide("/agents/defaults/cliBackends/claude-cli/args/1", Hidden::Variable);
    assert_eq!(args.ids(audit), [CLAUDE_OPEN]);
    let rows = vec![vec![Cell::Hidden]];
    let approvals = claude(set, "").table("exec_approvals_config", &["raw_json"], rows);
    assert_eq!(approvals.ids(audit), [CLAUDE_OPEN]);
    let backends = claude(set, "").withhold("/agents/defaults/cliBackends");
    assert_eq!(backends.ids(audit), [CLAUDE_OPEN]);
}
