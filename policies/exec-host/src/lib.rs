//! Commands that are sent to a sandbox which does not exist.

use chitin_policy_sdk::sandbox::Mode;
use chitin_policy_sdk::{Context, Finding, Node, Verdict, agents, listing, warn};

/// Compares where commands are to run with the sandbox mode that holds there.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    // Later generations refuse such a command instead of running it on the host (reference: 2026.9-delta 1b).
    let effect = if cx.generation() == "2026.2" { "run on the gateway's host, unconfined" } else { "fail" };
    Ok([defaults(&config, effect), agents(&config, effect)].into_iter().flatten().collect())
}

fn defaults(config: &Node<'_>, effect: &str) -> Option<Finding> {
    let host = config.at("tools.exec.host");
    let mode = Mode::of(config, None);
    (is_sandbox(&host) && mode.is_off()).then(|| {
        warn("tools.exec.host_sandbox_no_sandbox_defaults", "Commands are sent to a sandbox that is off")
            .detail(format!(
                "tools.exec.host is \"sandbox\" and agents.defaults.sandbox.mode is off: there is no sandbox, and commands \
                 that were meant for it {effect}."
            ))
            .remediation(
                "Set agents.defaults.sandbox.mode to \"non-main\" or \"all\", or set tools.exec.host to \"gateway\" and \
                 have commands approved",
            )
            .at(&host)
            .at(&mode.node)
    })
}

fn agents(config: &Node<'_>, effect: &str) -> Option<Finding> {
    let hosts = agents::named(config).into_iter().map(|(id, agent)| (id, agent.at("tools.exec.host")));
    let unconfined: Vec<(&str, Node<'_>)> =
        hosts.filter(|(id, host)| is_sandbox(host) && Mode::of(config, Some(id)).is_off()).collect();
    let names: Vec<String> = unconfined.iter().map(|(id, _)| format!("\"{id}\"")).collect();
    (!names.is_empty()).then(|| {
        warn("tools.exec.host_sandbox_no_sandbox_agents", "Agents send commands to a sandbox that is off")
            .detail(format!(
                "For {} tools.exec.host is \"sandbox\" and the sandbox mode is off: commands that were meant for the \
                 sandbox {effect}.",
                listing::words(&names)
            ))
            .remediation(
                "Set sandbox.mode of each of these agents to \"non-main\" or \"all\", or set their tools.exec.host to \
                 \"gateway\" and have commands approved",
            )
            .at_all(unconfined.iter().map(|(_, host)| host))
    })
}

fn is_sandbox(host: &Node<'_>) -> bool {
    host.text() == Some("sandbox")
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

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
        let finding = host.run(audit).expect("a verdict").remove(0);
        assert!(finding.detail.contains(r#"For "A" and "b" tools"#));
        let places = [1, 3].map(|index| Location::Config(format!("/agents/list/{index}/tools/exec/host")));
        assert_eq!(finding.locations, places);
    }

    #[test]
    fn the_newer_generation_refuses_such_a_command() {
        let host = MemoryHost::new(&format!("{{agents: {{entries: {{a: {{{SENT}}}}}}}}}"));
        assert!(
            host.run(audit).expect("a verdict")[0].detail.ends_with("run on the gateway's host, unconfined.")
        );
        let newer = host.generation("2026.9").run(audit).expect("a verdict");
        assert!(newer[0].detail.ends_with("the sandbox fail."));
    }
}
