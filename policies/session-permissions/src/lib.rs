//! Records of conversations that other accounts can read.

use chitin_policy_sdk::permissions::Permissions;
use chitin_policy_sdk::{Context, Finding, Path, Verdict, agents, warn};

/// Judges each agent's session store and the configured log file by their modes.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut findings = Vec::new();
    for agent in agents::ids(&cx.config()) {
        let path = Path::new("state", &format!("agents/{agent}/sessions/sessions.json"));
        if let Some(store) = Permissions::inspect(cx, &path)? {
            findings.extend(sessions(&agent, &store));
        }
    }
    if let Some(log) = Permissions::inspect(cx, &Path::new("log", ""))? {
        findings.extend(log_file(&log));
    }
    Ok(findings)
}

fn sessions(agent: &str, store: &Permissions) -> Option<Finding> {
    let who = store.readers()?;
    let finding =
        warn("fs.sessions_store.perms_readable", "Other accounts can read an agent's session store")
            .detail(format!(
                "{}: {who} can see with whom agent \"{agent}\" speaks, where, and about which transcripts.",
                store.seen()
            ))
            .remediation(store.owner_only())
            .at_object(&store.path);
    Some(finding)
}

fn log_file(log: &Permissions) -> Option<Finding> {
    let who = log.readers()?;
    let finding = warn("fs.log_file.perms_readable", "Other accounts can read the log file")
        .detail(format!(
            "{}, and logging.file names it: {who} can read the private messages and tool output that went into the log.",
            log.seen()
        ))
        .remediation(log.owner_only())
        .at_object(&log.path);
    Some(finding)
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const MAIN: &str = "agents/main/sessions/sessions.json";
    const NOTHING: [&str; 0] = [];

    #[test]
    fn only_read_bits_count() {
        let store = |mode| MemoryHost::new("{}").file("state", MAIN, mode, "{}").ids(audit);
        let log = |mode| MemoryHost::new("{}").file("log", "", mode, "").ids(audit);
        for mode in [0o600, 0o602, 0o620, 0o622, 0o711] {
            assert_eq!(store(mode), NOTHING, "{mode:o}");
            assert_eq!(log(mode), NOTHING, "{mode:o}");
        }
        for mode in [0o604, 0o640, 0o644, 0o660, 0o666] {
            assert_eq!(store(mode), ["fs.sessions_store.perms_readable:warn"], "{mode:o}");
            assert_eq!(log(mode), ["fs.log_file.perms_readable:warn"], "{mode:o}");
        }
    }

    #[test]
    fn a_log_that_is_missing_or_not_configured_is_not_judged() {
        assert_eq!(MemoryHost::new("{}").ids(audit), NOTHING);
        assert_eq!(MemoryHost::new("{}").view("log", "/var/log/openclaw.log").ids(audit), NOTHING);
    }

    #[test]
    fn a_log_that_is_a_directory_is_judged_too() {
        let findings = MemoryHost::new("{}").directory("log", "", 0o755).run(audit).expect("a verdict");
        assert_eq!(findings[0].remediation.as_deref(), Some("Run: chmod 700 /log"));
    }

    #[test]
    fn links_are_judged_by_their_targets_and_dangling_ones_not_at_all() {
        let host =
            MemoryHost::new("{}").file("log", "real.log", 0o644, "").symlink("log", "", Some("real.log"));
        assert_eq!(host.ids(audit), ["fs.log_file.perms_readable:warn"]);
        let host = MemoryHost::new("{}").symlink("log", "", None).symlink("state", MAIN, None);
        assert_eq!(host.ids(audit), NOTHING);
    }

    #[test]
    fn the_configured_agents_are_looked_at_each_once_and_no_other() {
        let config = r#"{agents: {list: [{id: "Work"}, {id: "WORK"}]}}"#;
        let host = ["main", "work"].iter().fold(MemoryHost::new(config), |host, agent| {
            host.file("state", &format!("agents/{agent}/sessions/sessions.json"), 0o644, "{}")
        });
        assert_eq!(host.ids(audit), ["fs.sessions_store.perms_readable:warn"]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        assert!(MemoryHost::new("{}").deny("state", MAIN).inconclusive(audit).contains("sessions.json"));
        assert!(MemoryHost::new("{}").deny("log", "").inconclusive(audit).contains("/log"));
    }
}
