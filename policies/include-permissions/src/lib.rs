//! Included config files that other accounts can read or change.

use chitin_policy_sdk::permissions::Permissions;
use chitin_policy_sdk::{Answer, Context, Finding, Kind, NotAssessed, Path, Verdict, critical, info, warn};

/// Of one file the first that holds is reported.
const CHECKS: [&str; 3] = [
    "fs.config_include.perms_writable",
    "fs.config_include.perms_world_readable",
    "fs.config_include.perms_group_readable",
];

/// Judges each include file by its mode.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    // Without it there are no views of include files.
    answer.checks(&CHECKS, cx.granted("stat:include/*").map(|()| None));
    for view in cx.views_of("include") {
        answer.checks(&CHECKS, judge(cx, &Path::new(view, "")));
    }
    Ok(answer)
}

fn judge(cx: &Context<'_>, path: &Path) -> Result<Option<Finding>, NotAssessed> {
    let Some(file) = Permissions::inspect(cx, path)? else { return Ok(None) };
    let seen = file.seen();
    let finding = if let Some(who) = file.writers() {
        critical(CHECKS[0], "Other accounts can change an included config file").detail(format!(
            "{seen}, and the config includes it: {who} can switch off authentication, open channels and allow tools \
             through it."
        ))
    } else if file.readers().is_some() && file.is_in_store() && !cx.has_literals(path)? {
        let check = if file.world_readable() { CHECKS[1] } else { CHECKS[2] };
        info(check, "Others can read an included config file in its store; it holds no secrets").detail(
            format!("{seen} and is read-only. Its secrets, if any, come from variables or references."),
        )
    } else if file.world_readable() {
        critical(CHECKS[1], "Every account can read an included config file").detail(format!(
            "{seen}, and the config includes it: every account on this machine can read the tokens and private settings in it. Those secrets that others may have read must be replaced."
        ))
    } else if file.group_readable() {
        warn(CHECKS[2], "The group can read an included config file").detail(format!(
            "{seen}, and the config includes it: every member of its group can read the tokens and private settings in it. Those secrets that others may have read must be replaced."
        ))
    } else {
        return Ok(None);
    };
    Ok(Some(file.complete(Kind::File, finding)))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    const NOTHING: [&str; 0] = [];

    fn include(mode: u32) -> Vec<String> {
        MemoryHost::new("{}").file("include/0", "", mode, "{}").ids(audit)
    }

    #[test]
    fn an_include_has_one_finding_the_worst() {
        for mode in [0o600, 0o400, 0o711] {
            assert_eq!(include(mode), NOTHING, "{mode:o}");
        }
        assert_eq!(include(0o640), ["fs.config_include.perms_group_readable:warn"]);
        for mode in [0o604, 0o644] {
            assert_eq!(include(mode), ["fs.config_include.perms_world_readable:critical"], "{mode:o}");
        }
        for mode in [0o602, 0o620, 0o664, 0o666] {
            assert_eq!(include(mode), ["fs.config_include.perms_writable:critical"], "{mode:o}");
        }
    }

    #[test]
    fn each_include_is_judged_and_named() {
        let host = MemoryHost::new("{}")
            .file("include/0", "", 0o644, "{}")
            .file("include/1", "", 0o600, "{}")
            .file("include/2", "", 0o660, "{}");
        let findings = host.findings(audit);
        let places: Vec<&Location> = findings.iter().flat_map(|finding| &finding.locations).collect();
        let place = |view: &str| Location::Object(Path::new(view, ""));
        assert_eq!(places, [&place("include/0"), &place("include/2")]);
    }

    #[test]
    fn other_views_are_none_of_its_business() {
        assert_eq!(MemoryHost::new("{}").file("config", "", 0o666, "{}").ids(audit), NOTHING);
    }

    #[test]
    fn a_linked_include_is_judged_by_its_target() {
        let linked =
            |end| MemoryHost::new("{}").file("include/0", "real", 0o644, "{}").symlink("include/0", "", end);
        assert_eq!(linked(Some("real")).ids(audit), ["fs.config_include.perms_world_readable:critical"]);
        assert_eq!(linked(None).ids(audit), NOTHING);
    }

    #[test]
    fn an_include_in_a_store_is_no_alarm_unless_a_secret_is_spelled_out_in_it() {
        let stored = |has_literals| {
            let host = MemoryHost::new("{}").file("include/0", "real", 0o444, "{}");
            host.symlink("include/0", "", Some("real")).literals("include/0", has_literals)
        };
        assert_eq!(stored(false).ids(audit), ["fs.config_include.perms_world_readable:info"]);
        assert_eq!(stored(true).ids(audit), ["fs.config_include.perms_world_readable:critical"]);
        let withheld = stored(false).ungranted("secret:file:include/*");
        let open = CHECKS.map(|check| format!("{check}: withheld secret:file:include/*"));
        assert_eq!(withheld.unassessed(audit), open);
    }

    #[test]
    fn an_include_that_is_missing_has_no_permissions() {
        assert_eq!(MemoryHost::new("{}").view("include/0", "/gone.json5").ids(audit), NOTHING);
    }

    #[test]
    fn what_cannot_be_looked_at_is_not_called_clean() {
        let host = MemoryHost::new("{}").file("include/0", "", 0o666, "{}").deny("include/1", "");
        let open =
            CHECKS.map(|check| format!("{check}: unreadable: cannot look at /include/1: permission denied"));
        assert_eq!(host.unassessed(audit), open);
        assert_eq!(
            host.ids(audit).remove(0),
            "fs.config_include.perms_writable:critical",
            "the other is judged"
        );
    }

    #[test]
    fn includes_that_are_withheld_are_not_taken_for_none() {
        let host = MemoryHost::new("{}").file("include/0", "", 0o666, "{}").ungranted("stat:include/*");
        assert_eq!(host.unassessed(audit), CHECKS.map(|check| format!("{check}: withheld stat:include/*")));
    }
}
