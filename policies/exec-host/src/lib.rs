//! Commands that are sent to a sandbox which does not exist.

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::openclaw::sandbox::Mode;
use chitin_policy_sdk::{Answer, Context, Finding, Node, NotAssessed, Verdict, all, listing, warn};

const DEFAULTS: &str = "tools.exec.host_sandbox_no_sandbox_defaults";
const AGENTS: &str = "tools.exec.host_sandbox_no_sandbox_agents";

/// Compares where commands are to run with the sandbox mode that holds there.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    // Later releases refuse such a command instead of running it on the host (reference: 2026.9-delta 1b).
    let effect =
        if cx.release().since(2026, 8, 1) { "fail" } else { "run on the gateway's host, unconfined" };
    let mut answer = Answer::new();
    answer.check(DEFAULTS, defaults(&config, effect));
    match agents::each(&config) {
        Ok(agents) => judge_agents(&mut answer, &config, agents, effect),
        Err(reason) => answer.leave_open(AGENTS, reason),
    }
    Ok(answer)
}

fn defaults(config: &Node<'_>, effect: &str) -> Result<Option<Finding>, NotAssessed> {
    let host = config.at("tools.exec.host");
    let mode = Mode::of(config, None)?;
    if !all([is_sandbox(&host), mode.is_off()])? {
        return Ok(None);
    }
    let finding = warn(DEFAULTS, "Commands are sent to a sandbox that is off")
        .detail(format!(
            "tools.exec.host is \"sandbox\" and agents.defaults.sandbox.mode is off: there is no sandbox, and commands \
             that were meant for it {effect}."
        ))
        .remediation(
            "Set agents.defaults.sandbox.mode to \"all\", or to \"non-main\" to leave only the main session outside; or set \
             tools.exec.host to \"gateway\" and tools.exec.ask to \"always\"",
        )
        .at(&host)
        .at(&mode.node);
    Ok(Some(finding))
}

/// One finding for all agents; one of which it cannot be told is left open by itself.
fn judge_agents(answer: &mut Answer, config: &Node<'_>, agents: Vec<agents::Described<'_>>, effect: &str) {
    let (mut names, mut hosts) = (Vec::new(), Vec::new());
    for (id, agent) in agents {
        let host = agent.at("tools.exec.host");
        match unconfined(config, id, &host) {
            Ok(Some(id)) => {
                names.push(format!("\"{id}\""));
                hosts.push(host);
            }
            Ok(None) => {}
            Err(reason) => answer.leave_open(AGENTS, reason),
        }
    }
    if names.is_empty() {
        return;
    }
    let finding = warn(AGENTS, "Agents send commands to a sandbox that is off")
        .detail(format!(
            "For the agents {}, tools.exec.host is \"sandbox\" and sandbox.mode is off: commands that were meant for the \
             sandbox {effect}.",
            listing::words(&names)
        ))
        .remediation(
            "Set sandbox.mode of each of these agents to \"all\", or to \"non-main\" to leave only its main session outside; \
             or set their tools.exec.host to \"gateway\" and tools.exec.ask to \"always\"",
        )
        .at_all(&hosts);
    answer.findings.push(finding);
}

/// The id of an agent whose commands are sent to a sandbox that is off; none where they are not.
fn unconfined<'a>(
    config: &Node<'a>,
    id: Result<&'a str, NotAssessed>,
    host: &Node<'a>,
) -> Result<Option<&'a str>, NotAssessed> {
    let is_sandbox = is_sandbox(host);
    if is_sandbox == Ok(false) {
        return Ok(None);
    }
    let id = id?;
    let is_off = Mode::of(config, Some(id)).and_then(|mode| mode.is_off());
    Ok(all([is_sandbox, is_off])?.then_some(id))
}

fn is_sandbox(host: &Node<'_>) -> Result<bool, NotAssessed> {
    Ok(host.text()? == Some("sandbox"))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::*;

    const NOTHING: [&str; 0] = [];
    const DEFAULTS: &str = "tools.exec.host_sandbox_no_sandbox_defaults:warn";
    const AGENTS: &str = "tools.exec.host_sandbox_no_sandbox_agents:warn";
    const SENT: &str = r#"tools: {exec: {host: "sandbox"}}"#;

    fn ids(config: &str) -> Vec<String> {
        MemoryHost::new(config).ids(audit)
    }

    fn common(host: &str, mode: &str) -> Vec<String> {
        ids(&format!(
            "{{tools: {{exec: {{host: {host}}}}}, agents: {{defaults: {{sandbox: {{mode: {mode}}}}}}}}}"
        ))
    }

    #[test]
    fn commands_for_a_sandbox_need_one() {
        for mode in [r#""off""#, "null"] {
            assert_eq!(common(r#""sandbox""#, mode), [DEFAULTS], "{mode}");
        }
        for mode in [r#""non-main""#, r#""all""#, r#""OFF""#, "5"] {
            assert_eq!(common(r#""sandbox""#, mode), NOTHING, "{mode}");
        }
        for host in [r#""gateway""#, r#""node""#, r#"" sandbox""#, r#"["sandbox"]"#, "null"] {
            assert_eq!(common(host, r#""off""#), NOTHING, "{host}");
        }
    }

    #[test]
    fn the_common_setting_is_not_an_agents_own() {
        assert_eq!(ids(&format!(r#"{{{SENT}, agents: {{list: [{{id: "a"}}]}}}}"#)), [DEFAULTS]);
        let list = format!(r#"{{id: "a", sandbox: {{mode: "all"}}, {SENT}}}, {{id: "b", {SENT}}}"#);
        assert_eq!(ids(&format!("{{agents: {{list: [{list}]}}}}")), [AGENTS]);
    }

    #[test]
    fn the_mode_is_the_agents_or_else_the_default() {
        let agents = |defaults: &str, agent: &str| {
            ids(&format!(
                r#"{{agents: {{defaults: {{sandbox: {{mode: "{defaults}"}}}}, list: [{{id: "a", {SENT}, {agent}}}]}}}}"#
            ))
        };
        assert_eq!(agents("all", "sandbox: {}"), NOTHING);
        assert_eq!(agents("all", r#"sandbox: {mode: "off"}"#), [AGENTS]);
        assert_eq!(agents("off", r#"sandbox: {mode: "non-main"}"#), NOTHING);
    }

    #[test]
    fn each_agent_is_named_and_pointed_at() {
        let list = format!(r#"{{id: 5, {SENT}}}, {{id: "A", {SENT}}}, null, {{id: "b", {SENT}}}"#);
        let host = MemoryHost::new(&format!("{{agents: {{list: [{list}]}}}}"));
        let finding = host.findings(audit).remove(0);
        assert!(finding.detail.contains(r#"For the agents "A" and "b", tools"#));
        let places = [1, 3].map(|index| Location::Config(format!("/agents/list/{index}/tools/exec/host")));
        assert_eq!(finding.locations, places);
    }

    #[test]
    fn the_newer_generation_refuses_such_a_command() {
        let host = MemoryHost::new(&format!(r#"{{agents: {{list: [{{id: "a", {SENT}}}]}}}}"#));
        assert!(host.findings(audit)[0].detail.ends_with("run on the gateway's host, unconfined."));
        let newer = host.release(2026, 9, 6).findings(audit);
        assert!(newer[0].detail.ends_with("the sandbox fail."));
    }

    const DEFAULTS_OPEN: &str = "tools.exec.host_sandbox_no_sandbox_defaults:not assessed";
    const AGENTS_OPEN: &str = "tools.exec.host_sandbox_no_sandbox_agents:not assessed";

    #[test]
    fn where_one_of_both_is_hidden_the_other_may_decide() {
        let common = |host: &str, mode: &str, hidden: &str| {
            let host = format!(r#"tools: {{exec: {{host: "{host}"}}}}"#);
            let config = format!(r#"{{{host}, agents: {{defaults: {{sandbox: {{mode: "{mode}"}}}}}}}}"#);
            MemoryHost::new(&config).hide(hidden, Hidden::Variable).ids(audit)
        };
        let (host, mode) = ("/tools/exec/host", "/agents/defaults/sandbox/mode");
        assert_eq!(common("sandbox", "off", host), [DEFAULTS_OPEN]);
        assert_eq!(common("sandbox", "all", host), NOTHING);
        assert_eq!(common("sandbox", "off", mode), [DEFAULTS_OPEN]);
        assert_eq!(common("gateway", "off", mode), NOTHING);
    }

    #[test]
    fn a_hidden_agent_costs_its_own_verdict() {
        let agent = |id: &str| format!(r#"{{id: "{id}", sandbox: {{mode: "off"}}, {SENT}}}"#);
        let host = || MemoryHost::new(&format!("{{agents: {{list: [{}, {}]}}}}", agent("a"), agent("b")));
        for (pointer, ids, names) in [
            (
                "/agents/list/1/tools/exec/host",
                [AGENTS, AGENTS_OPEN].as_slice(),
                "For the agents \"a\", tools",
            ),
            ("/agents/list/1/sandbox/mode", &[AGENTS, AGENTS_OPEN], "For the agents \"a\", tools"),
            ("/agents/list/0/sandbox/mode", &[AGENTS, AGENTS_OPEN], "For the agents \"b\", tools"),
            ("/agents/list/1/id", &[AGENTS, AGENTS_OPEN], "For the agents \"a\", tools"),
        ] {
            let host = host().hide(pointer, Hidden::Variable);
            assert_eq!(host.ids(audit), ids, "{pointer}");
            assert!(host.run(audit).expect("an answer").findings[0].detail.contains(names), "{pointer}");
        }
        // The second agent may have the id of the first, whose mode goes before.
        let first = host().hide("/agents/list/0/id", Hidden::Variable);
        assert_eq!(first.ids(audit), [AGENTS_OPEN]);
        let other =
            MemoryHost::new(r#"{agents: {list: [{id: "a"}, {id: "b", tools: {exec: {host: "node"}}}]}}"#);
        assert_eq!(other.hide("/agents/list/0/id", Hidden::Variable).ids(audit), NOTHING);
    }

    #[test]
    fn what_is_withheld_is_not_taken_for_absent() {
        let config = format!(
            r#"{{{SENT}, agents: {{defaults: {{sandbox: {{mode: "all"}}}}, list: [{{id: "a", {SENT}}}]}}}}"#
        );
        for (pointer, ids) in [
            ("/tools", NOTHING.as_slice()),
            ("/agents", &[DEFAULTS_OPEN, AGENTS_OPEN]),
            ("/agents/defaults", &[DEFAULTS_OPEN, AGENTS_OPEN]),
            ("/agents/list", &[AGENTS_OPEN]),
            ("/agents/list/0/tools", &[]),
            ("/agents/list/0/sandbox", &[AGENTS_OPEN]),
        ] {
            assert_eq!(MemoryHost::new(&config).withhold(pointer).ids(audit), ids, "{pointer}");
        }
    }
}
