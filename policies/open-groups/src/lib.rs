//! What strangers can have agents do, where everybody may speak to them.

use chitin_policy_sdk::openclaw::exposure::{self, Exposed, Found};
use chitin_policy_sdk::openclaw::facts::{self, Number};
use chitin_policy_sdk::openclaw::tools::{Catalogue, Scope};
use chitin_policy_sdk::{
    Answer, Context, Finding, Node, NotAssessed, Severity, Verdict, any, critical, finding, listing,
};

const ELEVATED: &str = "security.exposure.open_groups_with_elevated";
const TOOLS: &str = "security.exposure.open_groups_with_runtime_or_fs";
const CONTROL: &str = "security.exposure.open_groups_with_control_plane_tools";

/// Tools that change the gateway itself (run: from 2026.8.1 to 2026.9.3; reference: 2026.9-delta 3.6).
const CONTROL_TOOLS: &[&str] = &["automations", "gateway"];
/// The same later.
const CONTROL_TOOLS_LATER: [(Number, &[&str]); 1] = [((2026, 9, 6), &["automations", "gateway", "plugins"])];

/// Compares who may speak with what the agents may do.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let open = exposure::open_policies(&config, cx.release());
    let mut answer = Answer::new();
    elevated(&config, &open, &mut answer);
    tools(cx, &config, &open, &mut answer);
    control(cx, &config, &open, &mut answer);
    Ok(answer)
}

/// Adds what a check found with the policies that are known to be open; those that are not known leave it open, as long as
/// something comes of them: `is_risky`.
fn judge(
    answer: &mut Answer,
    id: &str,
    open: &Found<'_>,
    is_risky: Result<bool, NotAssessed>,
    report: impl FnOnce() -> Finding,
) {
    if is_risky == Ok(false) {
        return;
    }
    if !open.nodes.is_empty() {
        answer.check(id, is_risky.map(|_| [report()]));
    }
    for reason in &open.unseen {
        answer.leave_open(id, reason.clone());
    }
}

/// What decides whether something comes of an open policy is not known.
fn leave_open(answer: &mut Answer, id: &str, open: &Found<'_>, reason: NotAssessed) {
    let reason = (!open.nodes.is_empty()).then_some(reason);
    reason.iter().chain(&open.unseen).for_each(|reason| answer.leave_open(id, reason.clone()));
}

/// The open policies as the beginning of a sentence.
fn said(open: &Found<'_>) -> String {
    let verb = if open.nodes.len() == 1 { "is" } else { "are" };
    format!("{} {verb} \"open\"", listing::words(&open.names()))
}

fn elevated(config: &Node<'_>, open: &Found<'_>, answer: &mut Answer) {
    let enabled = config.at("tools.elevated.enabled");
    let is_on = enabled.is_false().map(|is_off| !is_off);
    judge(answer, ELEVATED, open, is_on, || {
        critical(ELEVATED, "Everyone in open chats can talk to an agent with elevated tools")
            .detail(format!(
                "{} and tools.elevated.enabled is not false: whoever comes in there can put words before the agent, and one \
                 instruction that it obeys can run commands on this machine, outside any sandbox.",
                said(open)
            ))
            .remediation(
                "Set each policy that is named here to \"allowlist\", or set tools.elevated.enabled to false; keep the lists in \
                 tools.elevated.allowFrom short",
            )
            .at_all(&open.nodes)
            .at_all([&enabled])
    });
}

fn tools(cx: &Context<'_>, config: &Node<'_>, open: &Found<'_>, answer: &mut Answer) {
    let contexts = match exposure::exposed(config, cx.release()) {
        Ok(contexts) => contexts,
        Err(reason) => return leave_open(answer, TOOLS, open, reason),
    };
    let commands = any(contexts.iter().map(|context| context.commands.clone()));
    let files = any(contexts.iter().map(|context| context.files.clone()));
    let is_risky = any([commands.clone(), files]);
    // Commands make it worse.
    if let (Ok(true), Err(reason), Ok(true)) = (&is_risky, &commands, open.any()) {
        answer.leave_open(TOOLS, reason.clone());
    }
    judge(answer, TOOLS, open, is_risky, || {
        let severity = if commands == Ok(true) { Severity::Critical } else { Severity::Warn };
        let risky: Vec<&Exposed<'_>> = contexts
            .iter()
            .filter(|context| any([context.commands.clone(), context.files.clone()]) == Ok(true))
            .collect();
        let lines: Vec<&str> = risky.iter().map(|context| context.words.as_str()).collect();
        finding(TOOLS, severity, "Everyone in open chats can have agents work outside of a sandbox")
            .detail(format!(
                "{}: whoever comes in there can have these agents run commands or work on files, outside of a sandbox:",
                said(open)
            ))
            .list(&lines, 0)
            .remediation(
                "Set each policy that is named here to \"allowlist\"; or set tools.deny to [\"group:runtime\", \"group:fs\"] for \
                 these agents, or their sandbox.mode to \"all\"",
            )
            .at_all(&open.nodes)
            .at_all(risky.iter().filter_map(|context| context.scope.entry.as_ref()))
    });
}

fn control(cx: &Context<'_>, config: &Node<'_>, open: &Found<'_>, answer: &mut Answer) {
    let release = cx.release();
    let wanted = facts::at(release, CONTROL_TOOLS, &CONTROL_TOOLS_LATER);
    let scopes = match Scope::all(config) {
        Ok(scopes) => scopes,
        Err(reason) => return leave_open(answer, CONTROL, open, reason),
    };
    let mut contexts = Vec::new();
    for scope in scopes {
        let stack = Catalogue::of(release).stack(config, &scope, None);
        let reached: Vec<Result<bool, NotAssessed>> = wanted.iter().map(|tool| stack.allows(tool)).collect();
        let tools = wanted.iter().zip(&reached).filter(|(_, reached)| **reached == Ok(true));
        let tools: Vec<&str> = tools.map(|(tool, _)| *tool).collect();
        contexts.push((scope, any(reached), tools));
    }
    let is_risky = any(contexts.iter().map(|(_, reached, _)| reached.clone()));
    judge(answer, CONTROL, open, is_risky, || {
        let reached = contexts.iter().filter(|(.., tools)| !tools.is_empty());
        let lines: Vec<String> = reached
            .clone()
            .map(|(scope, _, tools)| format!("{}: {}", scope.label(release), listing::words(tools)))
            .collect();
        critical(CONTROL, "Everyone in open chats can have agents change the gateway")
            .detail(format!(
                "{}: whoever comes in there can have these agents change the gateway's settings, its plugins or what runs on a \
                 schedule, and so stay when the chat is closed:",
                said(open)
            ))
            .list(&lines, 0)
            .remediation(format!(
                "Set each policy that is named here to \"allowlist\", or add {} to tools.deny of these agents",
                listing::words(wanted)
            ))
            .at_all(&open.nodes)
            .at_all(reached.filter_map(|(scope, ..)| scope.entry.as_ref()))
    });
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::{CONTROL, ELEVATED, TOOLS};
    use chitin_policy_sdk::{Context, Verdict};

    /// What is said of elevated tools alone.
    fn audit(cx: &Context<'_>) -> Verdict {
        only(cx, &[ELEVATED])
    }

    /// What is said of the other tools.
    fn of_tools(cx: &Context<'_>) -> Verdict {
        only(cx, &[TOOLS, CONTROL])
    }

    fn only(cx: &Context<'_>, ids: &[&str]) -> Verdict {
        let mut answer = super::audit(cx)?;
        answer.findings.retain(|finding| ids.contains(&finding.check_id.as_str()));
        answer.unassessed.retain(|open| ids.contains(&open.check_id.as_str()));
        Ok(answer)
    }

    const OPEN: [&str; 1] = ["security.exposure.open_groups_with_elevated:critical"];
    const NOTHING: [&str; 0] = [];

    fn channels(channels: &str) -> Vec<String> {
        MemoryHost::new(&format!("{{channels: {channels}}}")).ids(audit)
    }

    #[test]
    fn only_the_exact_word_opens_a_group() {
        for (policy, open) in [
            (r#""open""#, true),
            (r#""OPEN""#, false),
            (r#"" open""#, false),
            (r#""allowlist""#, false),
            ("true", false),
            ("null", false),
        ] {
            let ids = channels(&format!("{{telegram: {{groupPolicy: {policy}}}}}"));
            assert_eq!(ids.len(), usize::from(open), "{policy}");
        }
    }

    #[test]
    fn defaults_accounts_and_what_is_switched_off_count_too() {
        for text in [
            r#"{defaults: {groupPolicy: "open"}}"#,
            r#"{telegram: {groupPolicy: "open", enabled: false}}"#,
            r#"{telegram: {groupPolicy: "allowlist", accounts: {a: {groupPolicy: "open"}}}}"#,
            r#"{telegram: {accounts: [{groupPolicy: "open"}]}}"#,
            r#"[{groupPolicy: "open"}]"#,
        ] {
            assert_eq!(channels(text), OPEN, "{text}");
        }
    }

    #[test]
    fn wrong_types_are_passed_over() {
        for text in ["5", r#""open""#, r#"{x: "open", y: null, z: {accounts: {a: "open"}}}"#, "null"] {
            assert_eq!(channels(text), NOTHING, "{text}");
        }
    }

    #[test]
    fn elevated_tools_go_off_by_exactly_false_alone() {
        let ids = |enabled: &str| {
            let config = format!(
                r#"{{channels: {{x: {{groupPolicy: "open"}}}}, tools: {{elevated: {{enabled: {enabled}}}}}}}"#
            );
            MemoryHost::new(&config).ids(audit)
        };
        assert_eq!(ids("false"), NOTHING);
        for enabled in ["true", r#""false""#, "0", "null"] {
            assert_eq!(ids(enabled), OPEN, "{enabled}");
        }
    }

    #[test]
    fn each_open_policy_is_named_and_pointed_at() {
        let host = MemoryHost::new(
            r#"{channels: {"a/b": {groupPolicy: "open", accounts: {one: {groupPolicy: "open"}, two: {groupPolicy: "open"}}}}}"#,
        );
        let finding = host.findings(audit).remove(0);
        assert!(finding.detail.starts_with(
            "channels.a/b.groupPolicy, channels.a/b.accounts.one.groupPolicy and channels.a/b.accounts.two.groupPolicy are"
        ));
        let place = |pointer: &str| Location::Config(pointer.to_owned());
        assert_eq!(finding.locations[0], place("/channels/a~1b/groupPolicy"));
        assert_eq!(finding.locations[3], place("/tools/elevated/enabled"));
    }

    #[test]
    fn endless_accounts_make_one_finding_that_the_runner_takes() {
        let accounts: Vec<String> = (0..500).map(|n| format!(r#"a{n}: {{groupPolicy: "open"}}"#)).collect();
        let host =
            MemoryHost::new(&format!("{{channels: {{x: {{accounts: {{{}}}}}}}}}", accounts.join(", ")));
        let finding = host.findings(audit).remove(0);
        assert_eq!(finding.locations.len(), 100);
        assert!(finding.detail.contains("and 488 more are"));
    }

    const UNSEEN: &str = "security.exposure.open_groups_with_elevated:not assessed";

    fn texts(host: &MemoryHost) -> Vec<String> {
        host.unassessed(audit).iter().map(|text| text.replace(&format!("{ELEVATED}: "), "")).collect()
    }

    #[test]
    fn a_hidden_policy_leaves_its_channel_open_and_no_other() {
        const HIDDEN: &str = r#"{"$hidden": "variable"}"#;
        for (section, expected) in [
            ("{groupPolicy: HIDDEN}", [UNSEEN].as_slice()),
            ("{groupPolicy: HIDDEN, accounts: {a: {groupPolicy: HIDDEN}}}", &[UNSEEN]),
            ("{accounts: {a: {groupPolicy: HIDDEN}}}", &[UNSEEN]),
            ("{accounts: [{groupPolicy: HIDDEN}]}", &[UNSEEN]),
            (r#"{groupPolicy: "open", accounts: {a: {groupPolicy: HIDDEN}}}"#, &[OPEN[0], UNSEEN]),
            (r#"{groupPolicy: HIDDEN, accounts: {a: {groupPolicy: "open"}}}"#, &[OPEN[0], UNSEEN]),
            // A channel that is a text has no settings.
            ("HIDDEN", &[]),
            ("{accounts: HIDDEN}", &[]),
            ("{accounts: {a: HIDDEN}}", &[]),
        ] {
            let section = section.replace("HIDDEN", HIDDEN);
            assert_eq!(channels(&format!("{{brought: {section}}}")), expected, "{section}");
            let beside = format!(r#"{{brought: {section}, irc: {{groupPolicy: "open"}}}}"#);
            let unseen = expected.iter().filter(|id| **id == UNSEEN);
            let both: Vec<&str> = OPEN.iter().chain(unseen).copied().collect();
            assert_eq!(channels(&beside), both, "{beside}");
        }
    }

    #[test]
    fn each_channel_that_is_not_known_is_named() {
        let host = MemoryHost::new(r#"{channels: {a: {groupPolicy: "x"}, b: {groupPolicy: "open"}, c: {}}}"#)
            .hide("/channels/a/groupPolicy", Hidden::Variable)
            .withhold("/channels/c/groupPolicy");
        assert_eq!(texts(&host), ["hidden variable", "withheld config:/channels/c/groupPolicy"]);
        let answer = host.run(audit).expect("an answer");
        let place = |pointer: &str| Some(Location::Config(pointer.to_owned()));
        assert_eq!(answer.unassessed[0].location, place("/channels/a/groupPolicy"));
        assert_eq!(answer.findings[0].locations.first().cloned(), place("/channels/b/groupPolicy"));
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let config = |elevated: &str| {
            let tools = format!("tools: {{elevated: {{enabled: {elevated}}}}}");
            MemoryHost::new(&format!(
                r#"{{channels: {{x: {{groupPolicy: "open", accounts: {{a: {{groupPolicy: "open"}}}}}}}}, {tools}}}"#
            ))
        };
        for (pointer, expected) in [
            ("/channels", [UNSEEN].as_slice()),
            ("/channels/x", &[UNSEEN]),
            ("/channels/x/groupPolicy", &[OPEN[0], UNSEEN]),
            ("/channels/x/accounts", &[OPEN[0], UNSEEN]),
            ("/channels/x/accounts/a", &[OPEN[0], UNSEEN]),
            ("/tools", &[UNSEEN]),
            ("/tools/elevated/enabled", &[UNSEEN]),
        ] {
            assert_eq!(config("true").withhold(pointer).ids(audit), expected, "{pointer}");
            if pointer.starts_with("/channels") {
                assert_eq!(config("false").withhold(pointer).ids(audit), NOTHING, "{pointer}");
            }
        }
    }

    #[test]
    fn endless_channels_that_are_not_known_make_an_answer_that_the_runner_takes() {
        let hidden: Vec<String> =
            (0..500).map(|n| format!(r#"a{n}: {{groupPolicy: {{"$hidden": "variable"}}}}"#)).collect();
        let host = MemoryHost::new(&format!(
            r#"{{channels: {{{}, z: {{groupPolicy: "open"}}}}}}"#,
            hidden.join(", ")
        ));
        let answer = host.run(audit).expect("an answer");
        assert_eq!(answer.findings.len(), 1);
        assert!((1..100).contains(&answer.unassessed.len()));
    }

    #[test]
    fn where_no_group_is_open_elevated_tools_do_not_count() {
        let config = r#"{channels: {x: {groupPolicy: "allowlist"}}, tools: {elevated: {}}}"#;
        assert_eq!(MemoryHost::new(config).withhold("/tools/elevated/enabled").ids(audit), NOTHING);
    }

    #[test]
    fn elevated_tools_that_a_variable_sets_are_on() {
        let config = r#"{channels: {x: {groupPolicy: "open"}}, tools: {elevated: {enabled: "false"}}}"#;
        let host = MemoryHost::new(config).hide("/tools/elevated/enabled", Hidden::Variable);
        assert_eq!(host.ids(audit), OPEN, "it gives a text, which is not false");
    }

    const TOOLS_CRITICAL: &str = "security.exposure.open_groups_with_runtime_or_fs:critical";
    const TOOLS_WARN: &str = "security.exposure.open_groups_with_runtime_or_fs:warn";
    const TOOLS_UNSEEN: &str = "security.exposure.open_groups_with_runtime_or_fs:not assessed";
    const CONTROL_CRITICAL: &str = "security.exposure.open_groups_with_control_plane_tools:critical";
    const CONTROL_UNSEEN: &str = "security.exposure.open_groups_with_control_plane_tools:not assessed";

    fn chat(tools: &str, agents: &str) -> MemoryHost {
        let config =
            format!(r#"{{channels: {{x: {{dmPolicy: "open"}}}}, tools: {tools}, agents: {agents}}}"#);
        MemoryHost::new(&config).release(2026, 9, 6)
    }

    #[test]
    fn open_direct_messages_count_from_2026_6_9_on() {
        let host = chat("{}", "{}");
        assert_eq!(host.ids(audit), OPEN);
        assert_eq!(host.ids(of_tools), [TOOLS_CRITICAL, CONTROL_CRITICAL]);
        let before = host.release(2026, 6, 8);
        assert_eq!((before.ids(audit).len(), before.ids(of_tools).len()), (0, 0));
    }

    #[test]
    fn commands_are_worse_than_files() {
        for (tools, agents, expected) in [
            ("{deny: [\"*\"]}", "{}", NOTHING.as_slice()),
            (r#"{allow: ["exec"]}"#, "{}", &[TOOLS_CRITICAL]),
            (r#"{allow: ["read"]}"#, "{}", &[TOOLS_WARN]),
            (r#"{allow: ["read"], fs: {workspaceOnly: true}}"#, "{}", &[]),
            (r#"{allow: ["gateway"]}"#, "{}", &[CONTROL_CRITICAL]),
            (r#"{allow: ["cron"]}"#, "{}", &[CONTROL_CRITICAL]),
            (r#"{allow: ["exec"]}"#, r#"{defaults: {sandbox: {mode: "all"}}}"#, &[]),
            (
                r#"{allow: ["exec"]}"#,
                r#"{defaults: {sandbox: {mode: "all"}}, list: [{id: "a", sandbox: {mode: "off"}}]}"#,
                &[TOOLS_CRITICAL],
            ),
            (r#"{profile: "minimal"}"#, "{}", &[CONTROL_CRITICAL]),
        ] {
            assert_eq!(chat(tools, agents).ids(of_tools), expected, "{tools} {agents}");
        }
        let before = chat(r#"{profile: "minimal"}"#, "{}").release(2026, 9, 3);
        assert_eq!(before.ids(of_tools), NOTHING, "it had no gateway in it");
        let plugins = chat(r#"{allow: ["plugins"]}"#, "{}");
        assert_eq!(plugins.ids(of_tools), [CONTROL_CRITICAL]);
        assert_eq!(plugins.release(2026, 9, 3).ids(of_tools), NOTHING);
    }

    #[test]
    fn each_agent_that_can_is_named() {
        let agents =
            r#"{defaults: {sandbox: {mode: "all"}}, list: [{id: "a"}, {id: "b", sandbox: {mode: "off"}}]}"#;
        let finding = chat("{deny: [\"group:automation\"]}", agents).findings(of_tools).remove(0);
        assert!(finding.detail.starts_with("channels.x.dmPolicy is \"open\": whoever"), "{}", finding.detail);
        assert!(finding.detail.ends_with(
            "\n- agents.entries.b: sandbox.mode off, commands by exec and process, files by read, write, edit and apply_patch \
             (all files)"
        ));
        let places = ["/channels/x/dmPolicy", "/agents/list/1"];
        assert_eq!(finding.locations, places.map(|pointer| Location::Config(pointer.to_owned())));
    }

    #[test]
    fn tools_that_are_not_shown_count_where_they_decide() {
        let hidden = |tools: &str, agents: &str| {
            let hide = |text: &str| text.replace("HIDDEN", r#"{"$hidden": "variable"}"#);
            chat(&hide(tools), &hide(agents)).ids(of_tools)
        };
        let safe = r#"deny: ["group:automation"]"#;
        assert_eq!(hidden(&format!("{{{safe}, profile: HIDDEN}}"), "{}"), [TOOLS_UNSEEN]);
        assert_eq!(hidden("{deny: [HIDDEN]}", "{}"), [TOOLS_UNSEEN, CONTROL_UNSEEN]);
        let mode = "{defaults: {sandbox: {mode: HIDDEN}}}";
        assert_eq!(hidden(&format!("{{{safe}}}"), mode), [TOOLS_UNSEEN]);
        let one = r#"{list: [{id: "a", tools: {deny: ["exec", "process", HIDDEN]}}]}"#;
        assert_eq!(hidden(&format!("{{{safe}}}"), one), [TOOLS_CRITICAL]);
        let worse = r#"{list: [{id: "a", tools: {alsoAllow: [HIDDEN]}}]}"#;
        let files = hidden(r#"{allow: ["read"], profile: "full"}"#, worse);
        assert_eq!(files, [TOOLS_WARN]);
        let maybe = r#"{list: [{id: "a", sandbox: {mode: HIDDEN}, tools: {deny: ["group:fs"]}}]}"#;
        let held = r#"{defaults: {sandbox: {mode: "all"}}, "#;
        assert_eq!(hidden(&format!("{{{safe}}}"), &maybe.replacen('{', held, 1)), [TOOLS_UNSEEN]);
    }

    #[test]
    fn agents_that_are_withheld_are_not_taken_for_none() {
        let host = || chat("{deny: [\"*\"]}", r"{list: []}");
        assert_eq!(host().withhold("/agents/list").ids(of_tools), [TOOLS_UNSEEN, CONTROL_UNSEEN]);
        assert_eq!(host().withhold("/channels").ids(of_tools), NOTHING);
        let open = chat("{}", "{}");
        assert_eq!(open.clone().withhold("/tools").ids(of_tools), [TOOLS_UNSEEN, CONTROL_UNSEEN]);
        assert_eq!(open.withhold("/channels").ids(of_tools), [TOOLS_UNSEEN, CONTROL_UNSEEN]);
        let closed = MemoryHost::new("{}").release(2026, 9, 6).withhold("/agents");
        assert_eq!(closed.ids(of_tools), NOTHING);
    }
}
