//! Records of conversations that other accounts can read or change.

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::permissions::Permissions;
use chitin_policy_sdk::{Answer, Context, Finding, Kind, NotAssessed, Path, Verdict, critical, warn};

const STORE: [&str; 2] = ["fs.sessions_store.perms_readable", "fs.sessions_store.perms_writable"];
const LOG: [&str; 2] = ["fs.log_file.perms_readable", "fs.log_file.perms_writable"];

/// Judges each agent's session store and the configured log file by their modes.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let folders = agents::folders(cx);
    for agent in &folders.names {
        let path = Path::new("state", &format!("agents/{agent}/sessions/sessions.json"));
        answer.checks(&STORE, judge(cx, &path, |store| sessions(agent, store)));
    }
    answer.checks(&STORE, folders.open.map_or(Ok(None), Err));
    answer.checks(&LOG, judge(cx, &Path::new("log", ""), log_file));
    Ok(answer)
}

fn judge(
    cx: &Context<'_>,
    path: &Path,
    modes: impl Fn(&Permissions) -> Vec<Finding>,
) -> Result<Vec<Finding>, NotAssessed> {
    Ok(Permissions::inspect(cx, path)?.map(|seen| modes(&seen)).unwrap_or_default())
}

fn sessions(agent: &str, store: &Permissions) -> Vec<Finding> {
    let seen = store.seen();
    let readable = store.readers().map(|who| {
        warn("fs.sessions_store.perms_readable", "Other accounts can read an agent's session store").detail(
            format!("{seen}: {who} can see with whom agent \"{agent}\" talks, on which channels, and where the transcripts are."),
        )
    });
    let writable = store.writers().map(|who| {
        critical("fs.sessions_store.perms_writable", "Other accounts can change an agent's session store").detail(
            format!(
                "{seen}: {who} can have agent \"{agent}\" continue a conversation with another transcript, or send its answers \
                 to another person."
            ),
        )
    });
    both(store, readable, writable)
}

fn log_file(log: &Permissions) -> Vec<Finding> {
    let seen = format_args!("{}, and logging.file names it", log.seen());
    let readable = log.readers().map(|who| {
        warn("fs.log_file.perms_readable", "Other accounts can read the log file").detail(format!(
            "{seen}: {who} can read the private messages and tool output that went into the log."
        ))
    });
    let writable = log.writers().map(|who| {
        warn("fs.log_file.perms_writable", "Other accounts can change the log file").detail(format!(
            "{seen}: {who} can delete from the log what they did, and forge what others did."
        ))
    });
    both(log, readable, writable)
}

/// Reading and writing are two harms, each with its own finding; one command cures both.
fn both(seen: &Permissions, readable: Option<Finding>, writable: Option<Finding>) -> Vec<Finding> {
    readable.into_iter().chain(writable).map(|finding| seen.complete(Kind::File, finding)).collect()
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const MAIN: &str = "agents/main/sessions/sessions.json";
    const NOTHING: [&str; 0] = [];

    #[test]
    fn reading_and_writing_are_told_apart() {
        let store = |mode| MemoryHost::new("{}").file("state", MAIN, mode, "{}").ids(audit);
        let log = |mode| MemoryHost::new("{}").file("log", "", mode, "").ids(audit);
        let readable = ["fs.sessions_store.perms_readable:warn", "fs.log_file.perms_readable:warn"];
        let writable = ["fs.sessions_store.perms_writable:critical", "fs.log_file.perms_writable:warn"];
        for mode in [0o600, 0o700, 0o711] {
            assert_eq!((store(mode), log(mode)), (vec![], vec![]), "{mode:o}");
        }
        for mode in [0o604, 0o640, 0o644] {
            assert_eq!((store(mode), log(mode)), (ids(&readable[..1]), ids(&readable[1..])), "{mode:o}");
        }
        for mode in [0o602, 0o620, 0o622] {
            assert_eq!((store(mode), log(mode)), (ids(&writable[..1]), ids(&writable[1..])), "{mode:o}");
        }
        for mode in [0o606, 0o660, 0o666] {
            let expected = [ids(&[readable[0], writable[0]]), ids(&[readable[1], writable[1]])];
            assert_eq!([store(mode), log(mode)], expected, "{mode:o}");
        }
    }

    fn ids(ids: &[&str]) -> Vec<String> {
        ids.iter().map(|id| (*id).to_owned()).collect()
    }

    #[test]
    fn a_log_that_is_missing_or_not_configured_is_not_judged() {
        assert_eq!(MemoryHost::new("{}").ids(audit), NOTHING);
        assert_eq!(MemoryHost::new("{}").view("log", "/var/log/openclaw.log").ids(audit), NOTHING);
    }

    #[test]
    fn a_log_that_is_a_directory_is_judged_too() {
        let findings = MemoryHost::new("{}").directory("log", "", 0o755).findings(audit);
        assert!(findings[0].remediation.as_deref().is_some_and(|said| !said.contains("chmod")));
        assert_eq!(findings[0].fixes.len(), 0, "a file is meant");
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
    fn configured_agents_and_those_on_disk_are_looked_at_each_once() {
        let config = r#"{agents: {list: [{id: "Work"}, {id: "WORK"}]}}"#;
        let host = ["main", "work"].iter().fold(MemoryHost::new(config), |host, agent| {
            host.file("state", &format!("agents/{agent}/sessions/sessions.json"), 0o644, "{}")
        });
        let findings = host.findings(audit);
        let agents: Vec<_> = findings.iter().filter_map(|finding| finding.detail.split('"').nth(1)).collect();
        assert_eq!(agents, ["work", "main"]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        let open = |host: MemoryHost| host.unassessed(audit).join("\n");
        let denied = open(MemoryHost::new("{}").deny("state", MAIN));
        assert!(denied.starts_with("fs.sessions_store.perms_readable: unreadable"), "{denied}");
        assert!(denied.contains("sessions.json: permission denied"), "{denied}");
        let denied = open(MemoryHost::new("{}").deny("log", ""));
        assert!(denied.contains("cannot look at /log: permission denied"), "{denied}");
    }

    #[test]
    fn one_place_that_cannot_be_seen_costs_its_own_checks() {
        let host = MemoryHost::new("{}").file("state", MAIN, 0o644, "{}").file("log", "", 0o644, "");
        let (store, log) = ("fs.sessions_store.perms_readable:warn", "fs.log_file.perms_readable:warn");
        for (host, finding, checks) in [
            (host.clone().deny("log", ""), store, LOG),
            (host.clone().ungranted("stat:log"), store, LOG),
            (host.clone().deny("state", MAIN), log, STORE),
            (host.clone().ungranted("stat:state/agents/*/sessions/sessions.json"), log, STORE),
        ] {
            let open = checks.map(|check| format!("{check}:not assessed"));
            assert_eq!(host.ids(audit), [[finding.to_owned()].as_slice(), &open].concat());
        }
    }

    #[test]
    fn agents_that_cannot_be_told_leave_the_checks_of_their_stores_open() {
        let host = MemoryHost::new("{}").file("state", MAIN, 0o644, "{}");
        let open = STORE.map(|check| format!("{check}:not assessed"));
        let all = [["fs.sessions_store.perms_readable:warn".to_owned()].as_slice(), &open].concat();
        assert_eq!(host.clone().ungranted("list:state/agents").ids(audit), all);
        assert_eq!(
            MemoryHost::new("{}").symlink("state", "agents", None).ids(audit),
            open,
            "others may lie there"
        );
        assert_eq!(host.withhold("/agents").ids(audit), all[..1], "the listing names them");
    }
}
