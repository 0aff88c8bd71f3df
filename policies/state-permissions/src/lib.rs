//! A state directory or config file that other accounts can read or change.

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::permissions::Permissions;
use chitin_policy_sdk::{
    Answer, Context, Finding, Kind, NotAssessed, Path, StateError, Verdict, critical, info, warn,
};

/// Of the state directory the first that holds is reported.
const STATE: [&str; 3] =
    ["fs.state_dir.perms_world_writable", "fs.state_dir.perms_group_writable", "fs.state_dir.perms_readable"];

/// The same of the config file.
const CONFIG: [&str; 3] =
    ["fs.config.perms_writable", "fs.config.perms_world_readable", "fs.config.perms_group_readable"];

/// Judges the two by their links and their modes.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let (state, config) = (Path::new("state", ""), Path::new("config", ""));
    answer.check("fs.state_dir.symlink", state_symlink(cx, &state));
    answer
        .checks(&STATE, Permissions::inspect(cx, &state).map(|seen| seen.and_then(|seen| state_mode(&seen))));
    answer.check("fs.config.symlink", config_symlink(cx, &config));
    answer.checks(&CONFIG, config_mode(cx, &config));
    Ok(answer)
}

/// The object itself is a link. What it leads to need not be seen for that.
fn is_symlink(cx: &Context<'_>, path: &Path) -> Result<bool, NotAssessed> {
    match cx.host().stat(path) {
        Ok(metadata) => Ok(metadata.kind == Kind::Symlink),
        Err(StateError::NotFound) => Ok(false),
        Err(error) => Err(unseen(cx, "stat", path, &error)),
    }
}

fn state_symlink(cx: &Context<'_>, path: &Path) -> Result<Option<Finding>, NotAssessed> {
    Ok(is_symlink(cx, path)?.then(|| {
        warn("fs.state_dir.symlink", "State directory is a symbolic link")
            .detail(format!(
                "{} is a symbolic link: whoever can change the link, or any folder above its target, can put another \
                 state in its place.",
                cx.display_path(path)
            ))
            .remediation("Set OPENCLAW_STATE_DIR to the real directory, or replace the link by that directory")
            .at_object(path)
    }))
}

fn state_mode(state: &Permissions) -> Option<Finding> {
    let seen = state.seen();
    let finding = if state.world_writable() {
        critical("fs.state_dir.perms_world_writable", "Every account can write into the state directory").detail(format!(
            "{seen}: every account on this machine can add, replace and delete config, credentials, sessions and plugins."
        ))
    } else if state.group_writable() {
        warn("fs.state_dir.perms_group_writable", "The group can write into the state directory").detail(format!(
            "{seen}: every member of its group can add, replace and delete config, credentials, sessions and plugins."
        ))
    } else {
        let who = state.readers()?;
        warn("fs.state_dir.perms_readable", "Other accounts can list the state directory").detail(format!(
            "{seen}: {who} can see which agents, channels and credentials there are, and read each file that is not \
             protected by itself. Mode 700 keeps them out."
        ))
    };
    Some(state.complete(Kind::Directory, finding))
}

fn config_symlink(cx: &Context<'_>, path: &Path) -> Result<Option<Finding>, NotAssessed> {
    Ok(is_symlink(cx, path)?.then(|| {
        warn("fs.config.symlink", "Config file is a symbolic link")
            .detail(format!(
                "{} is a symbolic link: whoever can change its target, or any folder above that, decides about \
                 authentication and tools.",
                cx.display_path(path)
            ))
            .remediation("Replace the link by the file itself, or set OPENCLAW_CONFIG_PATH to the target")
            .at_object(path)
    }))
}

fn config_mode(cx: &Context<'_>, path: &Path) -> Result<Option<Finding>, NotAssessed> {
    let Some(config) = Permissions::inspect(cx, path)? else { return Ok(None) };
    let seen = config.seen();
    let finding = if let Some(who) = config.writers() {
        critical(CONFIG[0], "Other accounts can change the config file").detail(format!(
            "{seen}: {who} can switch off authentication, open channels and allow tools, and so run commands as the owner."
        ))
    } else if config.readers().is_some() && config.is_in_store() && !cx.has_literals(path)? {
        let check = if config.world_readable() { CONFIG[1] } else { CONFIG[2] };
        info(check, "Others can read the config file in its store; it holds no secrets")
            .detail(format!("{seen} and is read-only. Its secrets come from variables or references."))
    } else if config.world_readable() {
        critical(CONFIG[1], "Every account can read the config file").detail(format!(
            "{seen}: every account on this machine can read the tokens, passwords and private settings in it. Those secrets that others may have read must be replaced."
        ))
    } else if config.group_readable() {
        warn(CONFIG[2], "The group can read the config file")
            .detail(format!(
                "{seen}: every member of its group can read the tokens, passwords and private settings in it. Those secrets that others may have read must be replaced."
            ))
    } else {
        return Ok(None);
    };
    Ok(Some(config.complete(Kind::File, finding)))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn state(mode: u32) -> Vec<String> {
        MemoryHost::new("{}").directory("state", "", mode).ids(audit)
    }

    fn config(mode: u32) -> Vec<String> {
        MemoryHost::new("{}").file("config", "", mode, "{}").ids(audit)
    }

    #[test]
    fn a_config_in_a_store_is_no_alarm_unless_a_secret_is_spelled_out_in_it() {
        let stored = |mode, has_literals| {
            let host = MemoryHost::new("{}").file("config", "real", mode, "{}");
            host.symlink("config", "", Some("real")).literals("config", has_literals)
        };
        let ids = |mode, has_literals| stored(mode, has_literals).ids(audit).join(" ");
        let readable = "fs.config.symlink:warn fs.config.perms_world_readable";
        assert_eq!(ids(0o444, false), format!("{readable}:info"));
        assert_eq!(ids(0o440, false), "fs.config.symlink:warn fs.config.perms_group_readable:info");
        assert_eq!(ids(0o444, true), format!("{readable}:critical"));
        assert_eq!(ids(0o644, false), format!("{readable}:critical"), "its mode can be changed");
        let remediation = stored(0o444, true).findings(audit).remove(1).remediation.unwrap_or_default();
        assert!(!remediation.contains("chmod"), "{remediation}");
        let own = MemoryHost::new("{}").file("config", "", 0o444, "{}").literals("config", false);
        assert_eq!(own.ids(audit), ["fs.config.perms_world_readable:critical"], "its mode can be changed");
        let withheld = stored(0o444, false).ungranted("secret:file:config");
        assert_eq!(
            withheld.unassessed(audit),
            CONFIG.map(|check| format!("{check}: withheld secret:file:config"))
        );
    }

    #[test]
    fn the_state_directory_has_one_finding_the_worst() {
        for mode in [0o700, 0o701, 0o710, 0o711, 0o2700, 0o1700, 0o500] {
            assert_eq!(state(mode), NOTHING, "{mode:o}");
        }
        for mode in [0o704, 0o740, 0o750, 0o755] {
            assert_eq!(state(mode), ["fs.state_dir.perms_readable:warn"], "{mode:o}");
        }
        for mode in [0o720, 0o770, 0o775] {
            assert_eq!(state(mode), ["fs.state_dir.perms_group_writable:warn"], "{mode:o}");
        }
        for mode in [0o702, 0o777, 0o1777] {
            assert_eq!(state(mode), ["fs.state_dir.perms_world_writable:critical"], "{mode:o}");
        }
    }

    #[test]
    fn a_state_directory_that_is_a_file_is_judged_too() {
        let host = MemoryHost::new("{}").file("state", "", 0o644, "");
        assert_eq!(host.ids(audit), ["fs.state_dir.perms_readable:warn"]);
    }

    #[test]
    fn the_config_has_one_finding_the_worst() {
        for mode in [0o600, 0o400, 0o700, 0o711] {
            assert_eq!(config(mode), NOTHING, "{mode:o}");
        }
        assert_eq!(config(0o640), ["fs.config.perms_group_readable:warn"]);
        for mode in [0o604, 0o644, 0o755] {
            assert_eq!(config(mode), ["fs.config.perms_world_readable:critical"], "{mode:o}");
        }
        for mode in [0o602, 0o620, 0o660, 0o664, 0o666] {
            assert_eq!(config(mode), ["fs.config.perms_writable:critical"], "{mode:o}");
        }
    }

    #[test]
    fn what_is_missing_has_no_permissions() {
        assert_eq!(MemoryHost::new("{}").ids(audit), NOTHING);
    }

    #[test]
    fn a_link_is_judged_by_its_target() {
        let linked = |mode| {
            MemoryHost::new("{}")
                .directory("state", "real", mode)
                .symlink("state", "", Some("real"))
                .ids(audit)
        };
        assert_eq!(linked(0o700), ["fs.state_dir.symlink:warn"]);
        assert_eq!(linked(0o755), ["fs.state_dir.symlink:warn", "fs.state_dir.perms_readable:warn"]);
    }

    #[test]
    fn a_linked_config_is_judged_by_its_target_for_reading_too() {
        let linked = |mode| {
            MemoryHost::new("{}")
                .file("config", "real", mode, "{}")
                .symlink("config", "", Some("real"))
                .ids(audit)
        };
        assert_eq!(linked(0o600), ["fs.config.symlink:warn"]);
        assert_eq!(linked(0o640), ["fs.config.symlink:warn", "fs.config.perms_group_readable:warn"]);
        assert_eq!(linked(0o644), ["fs.config.symlink:warn", "fs.config.perms_world_readable:critical"]);
        assert_eq!(linked(0o664), ["fs.config.symlink:warn", "fs.config.perms_writable:critical"]);
    }

    #[test]
    fn a_dangling_link_is_a_link_and_nothing_more() {
        let host = MemoryHost::new("{}").symlink("state", "", None).symlink("config", "", None);
        assert_eq!(host.ids(audit), ["fs.state_dir.symlink:warn", "fs.config.symlink:warn"]);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        let state = ["fs.state_dir.symlink"].into_iter().chain(STATE);
        let config = ["fs.config.symlink"].into_iter().chain(CONFIG);
        let open = |checks: &mut dyn Iterator<Item = &'static str>, why: &str| -> Vec<String> {
            checks.map(|check| format!("{check}: {why}")).collect()
        };
        let host = MemoryHost::new("{}").directory("state", "", 0o755).file("config", "", 0o640, "{}");
        let denied = "unreadable: cannot look at /config: permission denied";
        let host_without_config = host.clone().deny("config", "");
        assert_eq!(host_without_config.unassessed(audit), open(&mut config.clone(), denied));
        assert_eq!(
            host_without_config.ids(audit).remove(0),
            "fs.state_dir.perms_readable:warn",
            "it is judged"
        );
        let denied = host.clone().deny("state", "");
        let why = "unreadable: cannot look at /state: permission denied";
        assert_eq!(denied.unassessed(audit), open(&mut state.clone(), why));
        assert_eq!(denied.ids(audit).remove(0), "fs.config.perms_group_readable:warn", "it is judged");
        let withheld = host.clone().ungranted("stat:state");
        assert_eq!(withheld.unassessed(audit), open(&mut state.clone(), "withheld stat:state"));
        let withheld = host.ungranted("stat:config");
        assert_eq!(withheld.unassessed(audit), open(&mut config.clone(), "withheld stat:config"));
    }

    #[test]
    fn the_remediation_is_a_command_for_the_kind() {
        let host = MemoryHost::new("{}")
            .view("state", "/home/ann/my state")
            .directory("state", "", 0o755)
            .file("config", "", 0o644, "{}");
        let findings = host.findings(audit);
        assert_eq!(findings[0].remediation.as_deref(), Some("Run: chmod 700 '/home/ann/my state'"));
        assert_eq!(findings[1].remediation.as_deref(), Some("Run: chmod 600 /config"));
        assert!(findings[0].detail.starts_with("/home/ann/my state has mode 755: every account"));
    }
}
