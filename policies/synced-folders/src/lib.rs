//! State or config in a folder that is copied to other devices.

use chitin_policy_sdk::{Answer, Context, NotAssessed, Path, Verdict, warn};

const CHECK: &str = "fs.synced_dir";

/// What the paths of common synced folders contain, in lower case.
const SYNCED: [&str; 5] = ["icloud", "dropbox", "google drive", "googledrive", "onedrive"];

/// Judges the two paths by their text.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    let mut known = Vec::new();
    for view in ["state", "config"] {
        match cx.display(view) {
            Some(path) => known.push((view, path)),
            None => answer.check(CHECK, cx.granted(&format!("stat:{view}")).map(|()| None)),
        }
    }
    if known.is_empty() && answer.unassessed.is_empty() {
        let reason = "neither the state directory nor the config file has a path";
        answer.leave_open(CHECK, NotAssessed::unreadable(reason));
    }
    let synced: Vec<&(&str, String)> = known.iter().filter(|(_, path)| is_synced(path)).collect();
    if synced.is_empty() {
        return Ok(answer);
    }
    let paths: Vec<&str> = synced.iter().map(|(_, path)| path.as_str()).collect();
    let start = warn(CHECK, "State or config lies in a synced folder")
        .detail(format!(
            "{} {} in a folder that a cloud service seems to sync: tokens, logins and transcripts are copied to the \
             service and to every device that is joined to it.",
            paths.join(" and "),
            if paths.len() == 1 { "lies" } else { "lie" }
        ))
        .remediation(
            "Move the state directory to a folder that is not synced, set OPENCLAW_STATE_DIR to it, and replace the \
             tokens that were copied",
        );
    let place = |view: &str| Path::new(view, "");
    answer.findings.push(synced.iter().fold(start, |finding, (view, _)| finding.at_object(&place(view))));
    Ok(answer)
}

fn is_synced(path: &str) -> bool {
    let path = path.to_lowercase();
    SYNCED.iter().any(|name| path.contains(name))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::Location;
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    fn host(state: &str, config: &str) -> MemoryHost {
        MemoryHost::new("{}").view("state", state).view("config", config)
    }

    #[test]
    fn the_names_of_synced_folders_count_anywhere_and_in_any_case() {
        for folder in [
            "Dropbox",
            "iCloud Drive",
            "Google Drive",
            "GoogleDrive-me",
            "OneDrive - Co",
            "dropboxer",
            "ICLOUD",
        ] {
            let state = format!("/home/ann/{folder}/st");
            assert_eq!(host(&state, "/etc/oc.json").ids(audit), ["fs.synced_dir:warn"], "{folder}");
        }
        for folder in ["com~apple~CloudDocs", "Sync", "Box", "pCloud", "Google-Drive"] {
            let state = format!("/home/ann/{folder}/st");
            assert!(host(&state, "/etc/oc.json").ids(audit).is_empty(), "{folder}");
        }
    }

    #[test]
    fn the_finding_points_at_what_is_synced() {
        let places = |state: &str, config: &str| host(state, config).findings(audit).remove(0).locations;
        let place = |view: &str| Location::Object(Path::new(view, ""));
        assert_eq!(places("/h/.openclaw", "/h/Dropbox/oc.json"), [place("config")]);
        assert_eq!(places("/h/OneDrive/s", "/h/OneDrive/s/openclaw.json"), [place("state"), place("config")]);
    }

    #[test]
    fn paths_that_are_not_known_are_not_called_clean() {
        let neither = "fs.synced_dir: unreadable: neither the state directory nor the config file has a path";
        assert_eq!(MemoryHost::new("{}").unassessed(audit), [neither]);
        assert!(MemoryHost::new("{}").view("config", "/etc/oc.json").ids(audit).is_empty());
    }

    #[test]
    fn a_path_that_is_withheld_is_not_called_clean() {
        let (found, open) = ("fs.synced_dir:warn", "fs.synced_dir:not assessed");
        for (state, withheld, expected) in [
            ("/h/.openclaw", "state", [open].as_slice()),
            ("/h/.openclaw", "config", &[open]),
            ("/h/Dropbox", "config", &[found, open]),
            ("/h/Dropbox", "state", &[open]),
        ] {
            let host = host(state, "/etc/oc.json").ungranted(&format!("stat:{withheld}"));
            assert_eq!(host.ids(audit), expected, "{state} {withheld}");
        }
        let both = host("/h/s", "/h/c").ungranted("stat:state").ungranted("stat:config");
        assert_eq!(
            both.unassessed(audit),
            ["fs.synced_dir: withheld stat:state", "fs.synced_dir: withheld stat:config"]
        );
    }
}
