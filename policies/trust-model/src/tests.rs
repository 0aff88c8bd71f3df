use chitin_policy_sdk::Hidden;
use chitin_policy_sdk::testing::MemoryHost;

use super::*;

const NOTHING: [&str; 0] = [];
const PEOPLE_WARN: &str = "security.trust_model.multi_user_heuristic:warn";
const PEOPLE_OPEN: &str = "security.trust_model.multi_user_heuristic:not assessed";
const GROUPS_WARN: &str = "security.trust_model.group_scope_main:warn";
const GROUPS_OPEN: &str = "security.trust_model.group_scope_main:not assessed";
const CROSSED_WARN: &str = "security.trust_model.cross_agent_session_access_default:warn";
const CROSSED_INFO: &str = "security.trust_model.cross_agent_session_access_default:info";
const CROSSED_OPEN: &str = "security.trust_model.cross_agent_session_access_default:not assessed";

fn host(config: &str) -> MemoryHost {
    MemoryHost::new(config).release(2026, 9, 6)
}

#[test]
fn several_people_are_told_of_also_where_nothing_is_exposed() {
    let open = host(r#"{channels: {x: {dmPolicy: "open"}}}"#);
    assert_eq!(open.ids(audit), [PEOPLE_WARN]);
    let detail = open.findings(audit).remove(0).detail;
    assert!(detail.contains("and agents run commands outside of a sandbox"), "{detail}");
    let held = host(r#"{channels: {x: {dmPolicy: "open"}}, agents: {defaults: {sandbox: {mode: "all"}}}}"#);
    let detail = held.findings(audit).remove(0).detail;
    assert!(detail.contains("and no agent runs commands") && !detail.contains('\n'), "{detail}");
    assert_eq!(host(r#"{channels: {x: {dmPolicy: "pairing"}}}"#).ids(audit), NOTHING);
}

#[test]
fn what_is_not_shown_of_a_channel_leaves_it_open() {
    let config = r#"{channels: {x: {dmPolicy: "open"}, y: {groupPolicy: "allowlist"}}}"#;
    let hidden = |pointer: &str| host(config).hide(pointer, Hidden::Variable).ids(audit);
    assert_eq!(hidden("/channels/x/dmPolicy"), [PEOPLE_OPEN]);
    assert_eq!(hidden("/channels/y/groupPolicy"), [PEOPLE_WARN, PEOPLE_OPEN]);
    assert_eq!(host(config).withhold("/channels").ids(audit), [PEOPLE_OPEN]);
}

#[test]
fn groups_share_a_session_by_the_global_setting() {
    assert_eq!(host(r#"{session: {groupScope: "main"}}"#).ids(audit), [GROUPS_WARN]);
    for scope in [r#""per-group""#, r#""MAIN""#, "null", "5"] {
        assert_eq!(host(&format!("{{session: {{groupScope: {scope}}}}}")).ids(audit), NOTHING, "{scope}");
    }
    assert_eq!(host("{}").withhold("/session").ids(audit), [GROUPS_OPEN]);
}

fn bindings(bindings: &str) -> Vec<String> {
    let main = r#"session: {groupScope: "main"}"#;
    host(&format!("{{bindings: [{}]}}", bindings.replace("MAIN", main))).ids(audit)
}

#[test]
fn a_binding_counts_where_it_leads_a_message_of_a_group() {
    for (list, found) in [
        (r#"{agentId: "a", match: {channel: "x"}, MAIN}"#, true),
        (r#"{type: "route", agentId: "a", match: {channel: "x"}, MAIN}"#, true),
        (r#"{type: "acp", agentId: "a", match: {channel: "x"}, MAIN}"#, false),
        (r#"{match: {channel: "x", peer: {kind: "direct", id: "1"}}, MAIN}"#, false),
        (r#"{match: {channel: "x", peer: {kind: "group"}}, MAIN}"#, false),
        (r#"{match: {channel: "x", peer: {kind: "group", id: "1"}}, MAIN}"#, true),
        // An earlier one of the same kind comes first, a later one does not.
        (r#"{match: {channel: "x"}}, {match: {channel: "X"}, MAIN}"#, false),
        (r#"{match: {channel: "x"}, MAIN}, {match: {channel: "x"}}"#, true),
        (r#"{match: {channel: "y"}}, {match: {channel: "x"}, MAIN}"#, true),
        (r#"{match: {channel: "x", accountId: "w"}}, {match: {channel: "x"}, MAIN}"#, true),
        (r#"{match: {channel: "x", accountId: "*"}}, {match: {channel: "x"}, MAIN}"#, true),
        (r#"{match: {channel: "x"}}, {match: {channel: "x", accountId: "*"}, MAIN}"#, true),
        (r#"{match: {channel: "x", accountId: "*"}}, {match: {channel: "x", accountId: "*"}, MAIN}"#, false),
        // What names a peer comes before what names none, wherever it stands.
        (r#"{match: {channel: "x"}}, {match: {channel: "x", peer: {kind: "group", id: "*"}}, MAIN}"#, true),
        (r#"{match: {channel: "x", peer: {kind: "group", id: "*"}}}, {match: {channel: "x"}, MAIN}"#, false),
        (r#"{match: {channel: "x", peer: {kind: "group", id: "1"}}}, {match: {channel: "x"}, MAIN}"#, true),
        (
            r#"{match: {channel: "x", peer: {kind: "group", id: "*"}}},
                {match: {channel: "x", peer: {kind: "group", id: "1"}}, MAIN}"#,
            true,
        ),
        (
            r#"{match: {channel: "x", guildId: "g"}}, {match: {channel: "x", guildId: "g", roles: ["r"]}, MAIN}"#,
            true,
        ),
        (
            r#"{match: {channel: "x", guildId: "g", roles: ["r"]}}, {match: {channel: "x", guildId: "g", roles: ["r", "s"]}, MAIN}"#,
            true,
        ),
        (
            r#"{match: {channel: "x", guildId: "g", roles: ["r", "s"]}}, {match: {channel: "x", guildId: "g", roles: ["r"]}, MAIN}"#,
            false,
        ),
        (r#"{match: {channel: "x", guildId: "g"}}, {match: {channel: "x", teamId: "t"}, MAIN}"#, true),
        (r#"{match: {channel: "x", teamId: "t"}}, {match: {channel: "x"}, MAIN}"#, true),
        ("5, null", false),
    ] {
        let expected = if found { [GROUPS_WARN].as_slice() } else { &[] };
        assert_eq!(bindings(list), expected, "{list}");
    }
}

#[test]
fn a_binding_that_is_not_shown_may_come_first() {
    let config = r#"{bindings: [
        {match: {channel: "y"}}, {match: {channel: "x"}, session: {groupScope: "main"}}, {match: {channel: "x"}}
    ]}"#;
    let hidden = |pointer: &str| host(config).hide(pointer, Hidden::Variable).ids(audit);
    assert_eq!(hidden("/bindings/0/match/channel"), [GROUPS_OPEN]);
    assert_eq!(hidden("/bindings/1/match/channel"), [GROUPS_OPEN]);
    assert_eq!(hidden("/bindings/1/session/groupScope"), [GROUPS_OPEN]);
    assert_eq!(host(config).withhold("/bindings").ids(audit), [GROUPS_OPEN]);
    let shadowed = r#"{bindings: [{match: {channel: "x"}}, {match: {channel: "x"}, session: {groupScope: "main"}},
        {match: {channel: "y"}}]}"#;
    assert_eq!(host(shadowed).hide("/bindings/2/match/channel", Hidden::Variable).ids(audit), NOTHING);
}

fn agents(list: &str, rest: &str) -> MemoryHost {
    host(&format!("{{agents: {{list: [{list}]}}{rest}}}"))
}

const TWO: &str = r#"{id: "a"}, {id: "b"}"#;

#[test]
fn agents_reach_each_other_where_nothing_narrows_it() {
    assert_eq!(agents(TWO, "").ids(audit), [CROSSED_INFO]);
    assert_eq!(agents(r#"{id: "a"}"#, "").ids(audit), NOTHING);
    assert_eq!(agents(r#"{id: "a"}, {id: "A"}"#, "").ids(audit), NOTHING);
    for (tools, found) in [
        (r#"{sessions: {visibility: "ALL"}}"#, true),
        (r#"{sessions: {visibility: "odd"}}"#, true),
        (r#"{sessions: {visibility: "Tree"}}"#, false),
        (r#"{sessions: {visibility: "agent"}}"#, false),
        ("{agentToAgent: {enabled: false}}", false),
        (r#"{agentToAgent: {enabled: "false"}}"#, true),
        (r#"{agentToAgent: {allow: ["a"]}}"#, false),
        ("{agentToAgent: {allow: []}}", true),
        (r#"{deny: ["group:sessions"]}"#, false),
        (r#"{profile: "minimal"}"#, true),
    ] {
        let ids = agents(TWO, &format!(", tools: {tools}")).ids(audit);
        assert_eq!(ids.len(), usize::from(found), "{tools} {ids:?}");
    }
}

#[test]
fn a_sandbox_keeps_an_agent_from_other_sessions() {
    let all = r#"sandbox: {mode: "all"}"#;
    let both = format!(r#"{{id: "a", {all}}}, {{id: "b", {all}}}"#);
    assert_eq!(agents(&both, "").ids(audit), NOTHING);
    let config = format!(
        r#"{{agents: {{defaults: {{sandbox: {{sessionToolsVisibility: "all"}}}}, list: [{both}]}}}}"#
    );
    assert_eq!(host(&config).ids(audit), [CROSSED_WARN]);
    let one = format!(r#"{{id: "a", {all}}}, {{id: "b"}}"#);
    let finding = agents(&one, "").findings(audit).remove(0);
    assert!(
        finding.detail.contains("- agents.entries.b: sandbox.mode off")
            && !finding.detail.contains("entries.a")
    );
}

#[test]
fn signs_that_agents_are_kept_apart_make_it_worse() {
    for (own, rest) in [
        (r#"tools: {profile: "full"}"#, ""),
        (r"tools: {deny: []}", ""),
        (r#"tools: {allow: ["*"]}"#, ""),
        (r#"sandbox: {mode: "non-main"}"#, ""),
    ] {
        let list = format!(r#"{{id: "a", {own}}}, {{id: "b"}}"#);
        assert_eq!(agents(&list, rest).ids(audit), [CROSSED_WARN], "{own}");
    }
    let people = agents(TWO, r#", channels: {x: {dmPolicy: "open"}}"#);
    assert_eq!(people.ids(audit), [PEOPLE_WARN, CROSSED_WARN]);
}

#[test]
fn a_model_of_an_agent_may_have_no_tool_for_it() {
    let by = r#", tools: {byProvider: {z: {deny: ["group:sessions"]}}}"#;
    let list = |model: &str| {
        format!(r#"{{id: "a", model: {model}}}, {{id: "b", tools: {{deny: ["group:sessions"]}}}}"#)
    };
    assert_eq!(agents(&list(r#""z/x""#), by).ids(audit), NOTHING);
    assert_eq!(agents(&list(r#"{primary: "z/x"}"#), by).ids(audit), NOTHING);
    assert_eq!(agents(&list(r#""y/x""#), by).ids(audit), [CROSSED_WARN]);
    assert_eq!(agents(&list("{}"), by).ids(audit), [CROSSED_WARN]);
}

#[test]
fn what_is_not_shown_counts_where_it_decides() {
    let rest = r#", tools: {sessions: {visibility: "all"}}"#;
    let hidden = |list: &str, pointer: &str| agents(list, rest).hide(pointer, Hidden::Variable).ids(audit);
    assert_eq!(hidden(TWO, "/tools/sessions/visibility"), [CROSSED_OPEN]);
    assert_eq!(hidden(TWO, "/agents/list/0/id"), [CROSSED_OPEN]);
    let mode = r#"{id: "a", sandbox: {mode: "off"}}, {id: "b"}"#;
    assert_eq!(hidden(mode, "/agents/list/0/sandbox/mode"), [CROSSED_INFO, CROSSED_OPEN]);
    let off = agents(TWO, ", tools: {agentToAgent: {enabled: false}}").withhold("/agents/list");
    assert_eq!(off.ids(audit), NOTHING);
    for pointer in ["/agents/list", "/tools", "/agents"] {
        assert_eq!(agents(TWO, rest).withhold(pointer).ids(audit), [CROSSED_OPEN], "{pointer}");
    }
    let channels = agents(TWO, "").withhold("/channels").ids(audit);
    assert_eq!(channels, [CROSSED_INFO, PEOPLE_OPEN, CROSSED_OPEN]);
}
