//! Stored logins that other accounts can read or change.

use chitin_policy_sdk::openclaw::agents;
use chitin_policy_sdk::permissions::Permissions;
use chitin_policy_sdk::{Answer, Context, Finding, Kind, NotAssessed, Path, Verdict, critical, warn};

const CREDENTIALS: [&str; 2] = ["fs.credentials_dir.perms_writable", "fs.credentials_dir.perms_readable"];
const PROFILES: [&str; 2] = ["fs.auth_profiles.perms_writable", "fs.auth_profiles.perms_readable"];

/// Where an agent's logins are kept, in its folder `agent`: a file, and from 2026.6.5 on a database with what `SQLite` lays
/// beside it (reference: 2026.9-delta 4.3). The log of a database holds what was written last.
const STORES: [(&str, &str); 5] = [
    ("auth-profiles.json", "stored logins"),
    ("openclaw-agent.sqlite", "database of logins and conversations"),
    ("openclaw-agent.sqlite-wal", "database of logins and conversations"),
    ("openclaw-agent.sqlite-shm", "database of logins and conversations"),
    ("openclaw-agent.sqlite-journal", "database of logins and conversations"),
];

/// Judges the credentials directory and each agent's auth profiles by their modes.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    answer.checks(&CREDENTIALS, judge(cx, &Path::new("credentials", ""), credentials));
    let folders = agents::folders(cx);
    for agent in &folders.names {
        for (name, what) in STORES {
            let path = Path::new("state", &format!("agents/{agent}/agent/{name}"));
            answer.checks(&PROFILES, judge(cx, &path, |store| auth_profiles(agent, what, store)));
        }
    }
    answer.checks(&PROFILES, folders.open.map_or(Ok(None), Err));
    Ok(answer)
}

fn judge(
    cx: &Context<'_>,
    path: &Path,
    mode: impl Fn(&Permissions) -> Option<Finding>,
) -> Result<Option<Finding>, NotAssessed> {
    Ok(Permissions::inspect(cx, path)?.and_then(|seen| mode(&seen)))
}

fn credentials(directory: &Permissions) -> Option<Finding> {
    if !directory.is_directory() {
        return None;
    }
    let seen = directory.seen();
    let finding = if let Some(who) = directory.writers() {
        critical(
            "fs.credentials_dir.perms_writable",
            "Other accounts can write into the credentials directory",
        )
        .detail(format!(
            "{seen}: {who} can add, replace and delete channel logins, pairings and allowlists. \
             Look through the pairings for senders whom you do not know."
        ))
    } else {
        let who = directory.readers()?;
        warn("fs.credentials_dir.perms_readable", "Other accounts can list the credentials directory").detail(format!(
            "{seen}: {who} can see which channel accounts there are, and read every login in it whose own mode lets \
             others read. Logins that others may have read must be renewed."
        ))
    };
    Some(directory.complete(Kind::Directory, finding))
}

fn auth_profiles(agent: &str, what: &str, store: &Permissions) -> Option<Finding> {
    let seen = store.seen();
    let finding = if let Some(who) = store.writers() {
        critical("fs.auth_profiles.perms_writable", &format!("Other accounts can change an agent's {what}")).detail(
            format!(
                "{seen}: {who} can make agent \"{agent}\" use API keys and logins of their choice, and so see what it \
                 sends to its models."
            ),
        )
    } else {
        let who = store.readers()?;
        warn("fs.auth_profiles.perms_readable", &format!("Other accounts can read an agent's {what}")).detail(format!(
            "{seen}: {who} can copy the API keys and OAuth tokens of agent \"{agent}\". Those that others may have \
             copied must be replaced."
        ))
    };
    Some(store.complete(Kind::File, finding))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const MAIN: &str = "agents/main/agent/auth-profiles.json";
    const NOTHING: [&str; 0] = [];

    fn credentials_dir(mode: u32) -> Vec<String> {
        MemoryHost::new("{}").directory("credentials", "", mode).ids(audit)
    }

    fn main_profiles(mode: u32) -> Vec<String> {
        MemoryHost::new("{}").file("state", MAIN, mode, "{}").ids(audit)
    }

    #[test]
    fn the_credentials_directory_has_one_finding_the_worst() {
        for mode in [0o700, 0o710, 0o711] {
            assert_eq!(credentials_dir(mode), NOTHING, "{mode:o}");
        }
        for mode in [0o704, 0o705, 0o740, 0o750, 0o755] {
            assert_eq!(credentials_dir(mode), ["fs.credentials_dir.perms_readable:warn"], "{mode:o}");
        }
        for mode in [0o702, 0o720, 0o770, 0o777] {
            assert_eq!(credentials_dir(mode), ["fs.credentials_dir.perms_writable:critical"], "{mode:o}");
        }
    }

    #[test]
    fn credentials_that_are_no_directory_are_not_judged() {
        assert_eq!(MemoryHost::new("{}").file("credentials", "", 0o666, "").ids(audit), NOTHING);
        assert_eq!(MemoryHost::new("{}").symlink("credentials", "", None).ids(audit), NOTHING);
        let to_file = MemoryHost::new("{}").file("credentials", "x", 0o666, "");
        assert_eq!(to_file.symlink("credentials", "", Some("x")).ids(audit), NOTHING);
    }

    #[test]
    fn a_linked_credentials_directory_is_judged_by_its_target() {
        let host = MemoryHost::new("{}").directory("credentials", "x", 0o755);
        let ids = host.symlink("credentials", "", Some("x")).ids(audit);
        assert_eq!(ids, ["fs.credentials_dir.perms_readable:warn"]);
    }

    #[test]
    fn auth_profiles_have_one_finding_the_worst() {
        assert_eq!(main_profiles(0o600), NOTHING);
        for mode in [0o604, 0o640, 0o644] {
            assert_eq!(main_profiles(mode), ["fs.auth_profiles.perms_readable:warn"], "{mode:o}");
        }
        for mode in [0o602, 0o620, 0o660, 0o666] {
            assert_eq!(main_profiles(mode), ["fs.auth_profiles.perms_writable:critical"], "{mode:o}");
        }
    }

    #[test]
    fn auth_profiles_that_are_a_directory_are_judged_too() {
        let findings = MemoryHost::new("{}").directory("state", MAIN, 0o755).findings(audit);
        assert_eq!(findings[0].check_id, "fs.auth_profiles.perms_readable");
        assert!(findings[0].remediation.as_deref().is_some_and(|said| !said.contains("chmod")));
    }

    #[test]
    fn a_database_of_logins_is_judged_with_what_lies_beside_it() {
        let folder = "agents/main/agent";
        for (name, _) in STORES {
            let host = |mode| MemoryHost::new("{}").file("state", &format!("{folder}/{name}"), mode, "");
            assert_eq!(host(0o600).ids(audit), NOTHING, "{name}");
            assert_eq!(host(0o640).ids(audit), ["fs.auth_profiles.perms_readable:warn"], "{name}");
            let finding = host(0o620).release(2026, 9, 6).findings(audit).remove(0);
            assert_eq!(finding.check_id, "fs.auth_profiles.perms_writable", "{name}");
            assert_eq!(finding.title.contains("database"), name.contains("sqlite"), "{name}");
            assert_eq!(finding.fixes.len(), 1, "{name}");
        }
        let all = STORES.iter().fold(MemoryHost::new("{}").release(2026, 6, 5), |host, (name, _)| {
            host.file("state", &format!("{folder}/{name}"), 0o644, "")
        });
        assert_eq!(all.ids(audit).len(), 5, "one finding for each file");
        let other =
            MemoryHost::new("{}").file("state", &format!("{folder}/openclaw-agent.sqlite.bak"), 0o644, "");
        assert_eq!(other.ids(audit), NOTHING);
    }

    #[test]
    fn dangling_auth_profiles_have_no_permissions() {
        assert_eq!(MemoryHost::new("{}").symlink("state", MAIN, None).ids(audit), NOTHING);
    }

    #[test]
    fn configured_agents_and_those_on_disk_are_looked_at_each_once() {
        let config = r#"{agents: {list: [{id: "Work"}, {id: "home", default: true}, {id: "work"}]}}"#;
        let host = ["main", "work", "home"].iter().fold(MemoryHost::new(config), |host, agent| {
            host.file("state", &format!("agents/{agent}/agent/auth-profiles.json"), 0o644, "{}")
        });
        let findings = host.findings(audit);
        let agents: Vec<_> = findings.iter().filter_map(|finding| finding.detail.split('"').nth(1)).collect();
        assert_eq!(agents, ["home", "work", "main"]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        let open = |host: MemoryHost| host.unassessed(audit).join("\n");
        let denied = open(MemoryHost::new("{}").deny("state", MAIN));
        assert!(denied.starts_with("fs.auth_profiles.perms_writable: unreadable"), "{denied}");
        assert!(denied.contains("auth-profiles.json: permission denied"), "{denied}");
        let denied = open(MemoryHost::new("{}").deny("credentials", ""));
        assert!(denied.contains("cannot look at /credentials: permission denied"), "{denied}");
    }

    #[test]
    fn one_place_that_cannot_be_seen_costs_its_own_checks() {
        let host = MemoryHost::new("{}").file("state", MAIN, 0o644, "{}").directory("credentials", "", 0o755);
        let (credentials, profiles) =
            ("fs.credentials_dir.perms_readable:warn", "fs.auth_profiles.perms_readable:warn");
        let open = |checks: [&str; 2]| checks.map(|check| format!("{check}:not assessed"));
        let with = |host: MemoryHost, finding: &str, checks| {
            let ids = host.ids(audit);
            assert_eq!(ids.iter().filter(|id| !id.ends_with("not assessed")).collect::<Vec<_>>(), [finding]);
            assert!(open(checks).iter().all(|id| ids.contains(id)) && ids.len() == 3, "{ids:?}");
        };
        with(host.clone().deny("credentials", ""), profiles, CREDENTIALS);
        with(host.clone().ungranted("stat:credentials"), profiles, CREDENTIALS);
        with(host.clone().deny("state", MAIN), credentials, PROFILES);
        with(host.ungranted("stat:state/agents/*/agent/auth-profiles.json"), credentials, PROFILES);
    }

    #[test]
    fn agents_that_cannot_be_told_leave_the_checks_of_their_logins_open() {
        let host = MemoryHost::new("{}").file("state", MAIN, 0o644, "{}");
        let open = PROFILES.map(|check| format!("{check}:not assessed"));
        let all = [["fs.auth_profiles.perms_readable:warn".to_owned()].as_slice(), &open].concat();
        assert_eq!(host.clone().ungranted("list:state/agents").ids(audit), all);
        assert_eq!(
            MemoryHost::new("{}").symlink("state", "agents", None).ids(audit),
            open,
            "others may lie there"
        );
        assert_eq!(host.clone().withhold("/agents").ids(audit), all[..1], "the listing names them");
        let hidden = MemoryHost::new(r#"{agents: {list: [{id: {"$hidden": "variable"}}]}}"#);
        assert_eq!(hidden.clone().file("state", MAIN, 0o644, "{}").ids(audit), all[..1]);
        assert_eq!(hidden.ids(audit), NOTHING, "there is no folder of any agent");
        assert_eq!(hidden.symlink("state", "agents", None).ids(audit), open);
    }
}
