//! What documents for other programs need of a report: where a place lies and relative to what, which finding is which, and a finding in
//! words.

use std::collections::HashMap;
use std::path::Path;

use crate::audit::finding::{BaselineState, Finding, Location};
use crate::audit::{Origin, Report, Scope};
use crate::wording::shell_word;

/// The name of a repository among the folders that paths are relative to.
pub(super) const REPOSITORY: &str = "SRCROOT";

/// A place in a file.
pub(super) struct Spot<'r> {
    pub path: &'r str,
    /// Counts from 1.
    pub line: u32,
    /// Counts characters from 1; 0 where the place is all of the file, or not in it.
    pub column: u32,
}

/// The file of a place, and where in it; the beginning of the config for a place that is in no file.
pub(super) fn spot<'r>(report: &'r Report, location: Option<&'r Location>) -> Spot<'r> {
    match location {
        Some(
            Location::Config { file: Some(path), line, column, .. } | Location::Text { path, line, column },
        ) => Spot { path, line: (*line).max(1), column: *column },
        Some(Location::Object { path, .. }) => Spot { path, line: 1, column: 0 },
        Some(Location::Config { .. } | Location::Env { .. }) | None => {
            Spot { path: &report.target.config_path, line: 1, column: 0 }
        }
    }
}

/// The folders that paths are relative to, by their names: the repository, and the folders that the state directory and the config lie in.
pub(super) fn bases(report: &Report) -> Vec<(&'static str, &str)> {
    let target = &report.target;
    let around = |path| Path::new(path).parent().and_then(Path::to_str);
    [
        (REPOSITORY, target.root.as_deref()),
        ("STATEROOT", around(&target.state_dir)),
        ("CONFIGROOT", around(&target.config_path)),
    ]
    .into_iter()
    .filter_map(|(name, folder)| Some((name, folder.filter(|folder| folder.starts_with('/'))?)))
    .collect()
}

/// A path below one of these folders, and the folder's name; none where it lies elsewhere.
pub(super) fn relative<'p>(report: &Report, path: &'p str) -> Option<(&'static str, &'p str)> {
    if !path.starts_with('/') {
        // The places of a config in a repository.
        return report.target.root.is_some().then_some((REPOSITORY, path.trim_start_matches("./")));
    }
    let below = |folder: &str| path.strip_prefix(folder.trim_end_matches('/'))?.strip_prefix('/');
    let found = bases(report).into_iter().find_map(|(name, folder)| Some((name, below(folder)?)));
    found.filter(|(_, path)| !path.is_empty())
}

/// A target among several: what the list calls it, its state directory, or its config where that is all there is to be judged.
pub(super) fn target(report: &Report) -> &str {
    let by_place = match report.target.scope {
        Scope::Installation => &report.target.state_dir,
        Scope::Config => &report.target.config_path,
    };
    report.target.id.as_deref().unwrap_or(by_place)
}

/// The flags that name this target to another command; none where it is found without them.
pub(super) fn flags(report: &Report) -> String {
    let target = &report.target;
    let mut flags =
        target.sysroot.as_ref().map_or(String::new(), |sysroot| format!(" --root {}", shell_word(sysroot)));
    for (flag, from, path) in [
        ("--state-dir", &target.state_dir_from, &target.state_dir),
        ("--config", &target.config_path_from, &target.config_path),
    ] {
        // A path that had to be written out is none that a shell would know.
        if from == flag && !path.contains("\\u{") {
            let path =
                target.root.as_ref().map_or(Path::new(path).to_owned(), |root| Path::new(root).join(path));
            flags.extend([" ", flag, " "]);
            flags += &shell_word(path);
        }
    }
    flags
}

/// Numbers findings that have the same fingerprint, in the order of the report, so that each is one of its own.
#[derive(Default)]
pub(super) struct Identities<'r>(HashMap<&'r str, usize>);

impl<'r> Identities<'r> {
    /// The fingerprint and the number.
    pub fn of(&mut self, fingerprint: &'r str) -> String {
        let number = self.0.entry(fingerprint).or_default();
        *number += 1;
        format!("{fingerprint}/{number}")
    }
}

/// The id under which a manifest declares the finding's check.
pub(super) fn check(finding: &Finding) -> &str {
    if finding.check.is_empty() { &finding.check_id } else { &finding.check }
}

/// The baseline has it.
pub(super) fn is_known(finding: &Finding) -> bool {
    finding.baseline_state == Some(BaselineState::Unchanged)
}

/// All that is said of a finding behind its title, in paragraphs.
pub(super) fn details(finding: &Finding) -> String {
    let fix = finding.remediation.as_ref().map(|text| format!("Fix: {text}"));
    let whole = [Some(finding.detail.clone()), fix, said_by(finding)];
    whole.into_iter().flatten().filter(|text| !text.is_empty()).collect::<Vec<_>>().join("\n\n")
}

/// The origin of a finding whose policy is not built in.
pub(super) fn said_by(finding: &Finding) -> Option<String> {
    let from = match finding.origin {
        Origin::BuiltIn => return None,
        Origin::Installed => "which was added",
        Origin::File => "from a file",
    };
    Some(format!("Said by the policy {}, {from}; it is not built in.", finding.policy))
}

#[cfg(test)]
mod tests {
    use super::super::sample;
    use super::*;

    #[test]
    fn a_path_is_relative_to_the_nearest_folder_that_has_a_name() {
        let mut report = sample::hostile();
        let target = &mut report.target;
        (target.state_dir, target.config_path) = ("/home/a/.openclaw".to_owned(), "/etc/x/c.json".to_owned());
        assert_eq!(relative(&report, "/home/a/.openclaw"), Some(("STATEROOT", ".openclaw")));
        assert_eq!(relative(&report, "/home/a/.openclaw/b"), Some(("STATEROOT", ".openclaw/b")));
        assert_eq!(relative(&report, "/etc/x/c.json"), Some(("CONFIGROOT", "c.json")));
        assert_eq!(relative(&report, "/etc/xy"), None);
        assert_eq!(relative(&report, "c.json"), None);
        report.target.root = Some("/home/a/.openclaw/".to_owned());
        assert_eq!(relative(&report, "/home/a/.openclaw/b"), Some((REPOSITORY, "b")));
        assert_eq!(relative(&report, "./b/c"), Some((REPOSITORY, "b/c")));
        report.target.state_dir = "unknown".to_owned();
        assert_eq!(bases(&report).len(), 2);
    }

    #[test]
    fn a_place_without_a_file_is_the_config() {
        let report = sample::hostile();
        for location in [None, Some(&Location::Env { name: "X".to_owned() })] {
            assert_eq!(spot(&report, location).path, report.target.config_path);
        }
    }

    #[test]
    fn two_findings_with_one_fingerprint_are_two() {
        let mut identities = Identities::default();
        assert_eq!(["a", "b", "a"].map(|text| identities.of(text)), ["a/1", "b/1", "a/2"]);
    }
}
