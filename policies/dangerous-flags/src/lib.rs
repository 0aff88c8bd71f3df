//! Switches that take a protection away, and are meant for a while.

mod contracts;
mod flags;

use chitin_policy_sdk::{Answer, Context, Finding, Node, Verdict, warn};

const ID: &str = "config.insecure_or_dangerous_flags";

/// From this release on there is one finding for each switch, before one for all (2026.5.12 and 2026.5.18).
const ONE_EACH: (u16, u8, u16) = (2026, 5, 18);

/// Most findings; the switches that are left share the last one.
const MAX_FINDINGS: usize = 50;

/// A switch that is on.
pub(crate) struct Flag<'a> {
    /// The place as people write it, and the value.
    label: String,
    /// Where it stands.
    node: Node<'a>,
    /// What it takes away.
    effect: &'static str,
}

/// Looks for switches that are on.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let mut found = Vec::new();
    for flag in flags::of(cx).into_iter().chain(contracts::of(cx)) {
        match flag {
            Ok(flag) => found.push(flag),
            Err(reason) => answer.leave_open(ID, reason),
        }
    }
    let (year, month, patch) = ONE_EACH;
    if !cx.release().since(year, month, patch) {
        answer.findings.extend(all(&found));
    } else if let Some((some, rest)) = found.split_at_checked(MAX_FINDINGS) {
        answer.findings.extend(some.iter().map(one));
        answer.findings.extend(all(rest));
    } else {
        answer.findings.extend(found.iter().map(one));
    }
    Ok(answer)
}

fn one(flag: &Flag<'_>) -> Finding {
    warn(ID, "Config switches a protection off")
        .detail(format!("{}: {}.", flag.label, flag.effect))
        .remediation(format!(
            "Remove {} from the config, once what it was switched on for is done",
            flag.node.dotted()
        ))
        .at(&flag.node)
}

/// One finding for several; none where there are none.
fn all(found: &[Flag<'_>]) -> Option<Finding> {
    if found.is_empty() {
        return None;
    }
    let lines: Vec<String> = found.iter().map(|flag| format!("{}: {}", flag.label, flag.effect)).collect();
    let finding = warn(ID, "Config switches protections off")
        .detail(format!(
            "{} of them, each of which is meant for a while and for a gateway that no stranger reaches:",
            found.len()
        ))
        .list(&lines, 0)
        .remediation("Remove them from the config, once what they were switched on for is done")
        .at_all(found.iter().map(|flag| &flag.node));
    Some(finding)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Hidden;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    type Release = (u16, u8, u16);

    const LATEST: Release = (2026, 9, 6);
    const OPEN: &str = "config.insecure_or_dangerous_flags:not assessed";

    /// The switches of a release that are found to be on.
    fn labels(config: &str, (year, month, patch): Release) -> Vec<String> {
        let host = MemoryHost::new(config).release(year, month, patch);
        let lines = host.findings(audit).into_iter().flat_map(|finding| {
            let lines: Vec<String> = finding.detail.lines().map(str::to_owned).collect();
            lines
        });
        let label = |line: String| {
            let line = line.strip_prefix("- ").unwrap_or(&line).to_owned();
            line.split_once(": ").map(|(label, _)| label.to_owned())
        };
        lines.filter_map(label).collect()
    }

    const ALL: &str = r#"{
        gateway: {controlUi: {
            allowInsecureAuth: true, dangerouslyAllowHostHeaderOriginFallback: true, dangerouslyDisableDeviceAuth: true
        }},
        hooks: {
            gmail: {allowUnsafeExternalContent: true},
            mappings: [{}, {allowUnsafeExternalContent: true}],
            allowRequestSessionKey: true
        },
        tools: {exec: {applyPatch: {workspaceOnly: false}}, fs: {workspaceOnly: false}},
        security: {audit: {suppressions: [{}, {}]}},
        browser: {ssrfPolicy: {dangerouslyAllowPrivateNetwork: true}},
        agents: {
            defaults: {sandbox: {docker: {dangerouslyAllowReservedContainerTargets: true}}},
            list: [{id: "work", sandbox: {docker: {
                dangerouslyAllowExternalBindSources: true, dangerouslyAllowContainerNamespaceJoin: true
            }}}]
        }
    }"#;

    #[test]
    fn each_release_has_its_own_switches() {
        let first = [
            "gateway.controlUi.allowInsecureAuth=true",
            "gateway.controlUi.dangerouslyDisableDeviceAuth=true",
            "hooks.gmail.allowUnsafeExternalContent=true",
            "hooks.mappings[1].allowUnsafeExternalContent=true",
            "tools.exec.applyPatch.workspaceOnly=false",
        ];
        assert_eq!(labels(ALL, (2026, 2, 21)), first);
        let count = |release| labels(ALL, release).len();
        assert_eq!(count((2026, 2, 23)), 6);
        assert_eq!(count((2026, 4, 15)), 6);
        assert_eq!(count((2026, 4, 22)), 12);
        assert_eq!(count((2026, 5, 12)), 12);
        assert_eq!(count((2026, 5, 18)), 13);
        assert_eq!(count((2026, 7, 35)), 13);
        let last = [
            "gateway.controlUi.dangerouslyAllowHostHeaderOriginFallback=true",
            "hooks.gmail.allowUnsafeExternalContent=true",
            "hooks.mappings[1].allowUnsafeExternalContent=true",
            "tools.exec.applyPatch.workspaceOnly=false",
            "security.audit.suppressions configured (2)",
            "hooks.allowRequestSessionKey=true",
            "browser.ssrfPolicy.dangerouslyAllowPrivateNetwork=true",
            "tools.fs.workspaceOnly=false",
            "agents.defaults.sandbox.docker.dangerouslyAllowReservedContainerTargets=true",
            "agents.entries.work.sandbox.docker.dangerouslyAllowExternalBindSources=true",
            "agents.entries.work.sandbox.docker.dangerouslyAllowContainerNamespaceJoin=true",
        ];
        assert_eq!(labels(ALL, (2026, 8, 1)), last);
        assert_eq!(labels(ALL, LATEST), last);
    }

    #[test]
    fn there_is_one_finding_for_all_and_later_one_for_each() {
        let count =
            |(year, month, patch)| MemoryHost::new(ALL).release(year, month, patch).findings(audit).len();
        assert_eq!((count((2026, 2, 21)), count((2026, 5, 12))), (1, 1));
        assert_eq!((count((2026, 5, 18)), count(LATEST)), (13, 11));
        assert!(MemoryHost::new("{}").release(2026, 5, 12).findings(audit).is_empty());
    }

    #[test]
    fn only_the_exact_value_counts() {
        let none = r#"{
            gateway: {controlUi: {dangerouslyAllowHostHeaderOriginFallback: "true"}},
            hooks: {gmail: true, mappings: {a: {allowUnsafeExternalContent: true}}, allowRequestSessionKey: 1},
            tools: {exec: {applyPatch: {workspaceOnly: null}}, fs: {workspaceOnly: 0}},
            security: {audit: {suppressions: []}},
            agents: {defaults: {sandbox: {docker: "x"}}, list: [5, {id: "a", sandbox: []}]},
            plugins: {entries: {imap: {config: {accounts: {a: {senderAuth: {min: "strict"}}}}}}}
        }"#;
        assert!(labels(none, LATEST).is_empty());
    }

    #[test]
    fn endless_switches_share_the_last_finding() {
        let mappings = vec![r#"{"allowUnsafeExternalContent": true}"#; 70].join(",");
        let host = MemoryHost::new(&format!("{{hooks: {{mappings: [{mappings}]}}}}")).release(2026, 9, 6);
        let findings = host.findings(audit);
        assert_eq!(findings.len(), MAX_FINDINGS + 1);
        assert!(findings.last().is_some_and(|last| last.detail.starts_with("20 of them")));
    }

    #[test]
    fn a_switch_that_is_withheld_leaves_the_check_open_beside_the_others() {
        let host = MemoryHost::new(ALL).release(2026, 9, 6);
        let found = host.ids(audit).len();
        for (pointer, lost) in [
            ("/gateway/controlUi/dangerouslyAllowHostHeaderOriginFallback", 1),
            ("/hooks/allowRequestSessionKey", 1),
            ("/hooks/mappings", 1),
            ("/security/audit/suppressions", 1),
            ("/agents/defaults/sandbox/docker", 1),
            ("/agents/list", 2),
        ] {
            let ids = host.clone().withhold(pointer).ids(audit);
            assert!(ids.contains(&OPEN.to_owned()), "{pointer}");
            assert_eq!(ids.iter().filter(|id| *id != OPEN).count(), found - lost, "{pointer}");
        }
        let old =
            MemoryHost::new("{gateway: {controlUi: {}}}").withhold("/gateway/controlUi/allowInsecureAuth");
        assert!(old.clone().release(2026, 8, 1).ids(audit).is_empty(), "there is no such switch");
        assert_eq!(old.release(2026, 7, 35).ids(audit), [OPEN]);
    }

    #[test]
    fn an_agent_whose_id_is_not_shown_is_named_by_its_place() {
        let host = MemoryHost::new(ALL).hide("/agents/list/0/id", Hidden::Variable).release(2026, 9, 6);
        assert_eq!(host.findings(audit).len(), 11);
    }
}
