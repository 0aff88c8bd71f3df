//! A config that cannot be read, or does not say what it seems to say.

use chitin_policy_sdk::Severity::{self, Critical, Info, Warn};
use chitin_policy_sdk::{
    Answer, Context, Failure, Finding, Location, NotAssessed, Path, Problem, TextPosition, Verdict, finding,
};

/// The capability without which nothing is known of the problems.
const PROBLEMS: &str = "problems";
/// The capability without which no place in the config file can be named.
const CONFIG_FILE: &str = "stat:config";

/// What one kind of problem becomes.
struct Row {
    kind: &'static str,
    id: &'static str,
    severity: Severity,
    title: &'static str,
    remediation: &'static str,
}

/// The kinds are the runner's words for what it meets.
const TABLE: [Row; 28] = [
    Row {
        kind: "unreadable",
        id: "config.unreadable",
        severity: Critical,
        title: "Config file cannot be read",
        remediation: "Run the audit as the account that runs the gateway, or give that account the file: chown, then chmod 600",
    },
    Row {
        kind: "too-large",
        id: "config.too_large",
        severity: Critical,
        title: "Config is larger than any reader should accept",
        remediation: "Remove what is not config from the file, and cut what is repeated in includes or variables",
    },
    Row {
        kind: "not-regular",
        id: "config.not_a_file",
        severity: Critical,
        title: "Config file is not a regular file",
        remediation: "Replace it by a regular file with mode 600",
    },
    Row {
        kind: "too-deep",
        id: "config.too_deep",
        severity: Critical,
        title: "Config is nested deeper than any reader should accept",
        remediation: "Remove the needless nesting; no key of the gateway needs it",
    },
    Row {
        kind: "not-utf8",
        id: "config.not_utf8",
        severity: Warn,
        title: "Config file is not UTF-8",
        remediation: "Convert the file from the encoding that it has, for example with: iconv -f ISO-8859-1 -t UTF-8",
    },
    Row {
        kind: "syntax",
        id: "config.syntax",
        severity: Critical,
        title: "Config is not valid JSON5",
        remediation: "Correct the text at the place named; until then the gateway does not start",
    },
    Row {
        kind: "not-an-object",
        id: "config.not_an_object",
        severity: Critical,
        title: "Config is not an object",
        remediation: "Put the whole config in one pair of braces: { ... }",
    },
    Row {
        kind: "ambiguous",
        id: "config.ambiguous",
        severity: Warn,
        title: "Config can be understood in two ways",
        remediation: "Remove all but one of the values, and keep to plain JSON5",
    },
    Row {
        kind: "include-failed",
        id: "config.include_failed",
        severity: Warn,
        title: "An included config file cannot be used",
        remediation: "Correct the $include or the file that it names; until then the gateway does not start, and what the file holds is not audited",
    },
    Row {
        kind: "include-escape",
        id: "config.include_escape",
        severity: Critical,
        title: "Config includes a file that this audit does not read",
        remediation: "Put the file itself into the directory of the config and correct the $include; until then what it holds is not audited",
    },
    Row {
        kind: "include-cycle",
        id: "config.include_cycle",
        severity: Warn,
        title: "Config files include each other in a circle",
        remediation: "Remove one $include of the circle",
    },
    Row {
        kind: "include-too-deep",
        id: "config.include_too_deep",
        severity: Warn,
        title: "Config includes are nested too deep",
        remediation: "Include the innermost files from the main config directly",
    },
    Row {
        kind: "unset-variable",
        id: "config.unset_variable",
        severity: Warn,
        title: "Config names a variable that this audit cannot find",
        remediation: "Put the variable into the .env that the detail names, where gateway and audit find it; where the text itself is meant, double its $",
    },
    Row {
        kind: "legacy-key",
        id: "config.legacy_key",
        severity: Warn,
        title: "Gateway does not start: config has a key of an older release",
        remediation: "Run: openclaw doctor --fix. It moves such keys to where they belong",
    },
    Row {
        kind: "unknown-key",
        id: "config.unknown_key",
        severity: Warn,
        title: "Gateway does not start: config has a key that OpenClaw does not know",
        remediation: "Correct the spelling of the key, or remove it; where the detail names releases that know it, say by --openclaw-version which one runs",
    },
    Row {
        kind: "invalid-value",
        id: "config.invalid_value",
        severity: Warn,
        title: "Gateway does not start: config has a value that OpenClaw does not accept",
        remediation: "Set the key to what the detail asks for, or remove it",
    },
    Row {
        kind: "redirect-ignored",
        id: "config.redirect_ignored",
        severity: Critical,
        title: "A file names another installation than the one audited",
        remediation: "Remove the variable from the file. Where the other place is meant, audit it: --state-dir or --config",
    },
    Row {
        kind: "dotenv-refused",
        id: "config.dotenv_refused",
        severity: Warn,
        title: "A file with variables was not used",
        remediation: "Replace it by a regular file of the account that runs the gateway, with mode 600",
    },
    Row {
        kind: "paths-disagree",
        id: "config.paths_disagree",
        severity: Warn,
        title: "Gateway reads one config file and checks the permissions of another",
        remediation: "Put the config that is meant into the state directory as openclaw.json, then unset the variable",
    },
    Row {
        kind: "shell-env-skipped",
        id: "config.shell_env_skipped",
        severity: Info,
        title: "Variables of the login shell were not looked at",
        remediation: "Put the variables in the .env of the state directory, or run the audit with them set",
    },
    Row {
        kind: "cwd-credentials",
        id: "config.cwd_credentials",
        severity: Warn,
        title: "Gateway credentials stand in the .env of the current directory",
        remediation: "Keep them in one place: the .env of the state directory, or the config; and remove the line",
    },
    Row {
        kind: "other-state-dir",
        id: "config.other_state_dir",
        severity: Warn,
        title: "A second, older state directory was not audited",
        remediation: "Audit the older one with --state-dir; once nothing uses it any more, copy what you need and delete it",
    },
    Row {
        kind: "git-work-tree",
        id: "config.git_work_tree",
        severity: Warn,
        title: "Config and secrets lie in the work tree of a git repository",
        remediation: "Move the repository elsewhere, or have it ignore the state directory, and replace what was ever pushed",
    },
    Row {
        kind: "undefined-provider",
        id: "config.undefined_provider",
        severity: Warn,
        title: "A secret is to come from a provider that is not defined",
        remediation: "Define the provider in secrets.providers, or correct its name in the reference",
    },
    Row {
        kind: "truncated",
        id: "config.more_problems",
        severity: Warn,
        title: "Config has more problems than are listed",
        remediation: "Correct the problems that are listed, and run the audit again",
    },
    Row {
        kind: "no-working-directory",
        id: "config.no_working_directory",
        severity: Info,
        title: "Audit was started in a directory that is gone",
        remediation: "Change to a directory that exists, and run the audit again",
    },
    Row {
        kind: "newer-version",
        id: "config.newer_version",
        severity: Info,
        title: "Installation is of a newer release than this audit knows",
        remediation: "Update chitin, and run the audit again",
    },
    Row {
        kind: "release-unsure",
        id: "release.unsure",
        severity: Warn,
        title: "It is not sure which release of OpenClaw this is",
        remediation: "Say it with --openclaw-version RELEASE (`openclaw --version` tells it); where the config was left behind by an upgrade, \
                      run `openclaw doctor --fix`",
    },
];

/// A variable without a value where a config alone is looked at: it never has one there.
const VARIABLE_ELSEWHERE: Row = Row {
    kind: "variable-elsewhere",
    id: "config.unset_variable",
    severity: Info,
    title: "Config names a variable whose value is not here",
    remediation: "See to it that the gateway gets the variable where it runs; what depends on it, an audit of the installation there \
                  judges",
};

/// What only the server can tell, and the check that would otherwise say it.
const ELSEWHERE: [(&str, &str); 2] =
    [("channel-elsewhere", "config.unknown_key"), ("plugin-elsewhere", "config.invalid_value")];

/// Turns what the runner met while it located and read the config into findings.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    if is_withheld(cx, PROBLEMS) {
        for row in &TABLE {
            answer.leave_open(row.id, NotAssessed::withheld(PROBLEMS));
        }
    }
    for problem in cx.problems() {
        match ELSEWHERE.iter().find(|(kind, _)| *kind == problem.kind) {
            Some((_, id)) => answer.leave_open(id, elsewhere(problem)),
            None => answer.findings.push(reported(cx, problem)?),
        }
    }
    Ok(answer)
}

fn is_withheld(cx: &Context<'_>, capability: &str) -> bool {
    cx.withheld().iter().any(|name| name == capability)
}

fn elsewhere(problem: &Problem) -> NotAssessed {
    let reason = NotAssessed::absent(problem.message.as_str());
    match problem.pointers.first() {
        Some(pointer) => reason.at(Location::Config(pointer.clone())),
        None => reason,
    }
}

fn reported(cx: &Context<'_>, problem: &Problem) -> Result<Finding, Failure> {
    let mut rows = TABLE.iter().chain([&VARIABLE_ELSEWHERE]);
    let Some(row) = rows.find(|row| row.kind == problem.kind) else {
        return Err(Failure::Inconclusive(format!(
            "the config has a problem of a kind that this policy does not know, \"{}\": {}",
            problem.kind, problem.message
        )));
    };
    let mut found = finding(row.id, row.severity, row.title)
        .detail(problem.message.as_str())
        .remediation(row.remediation);
    if problem.pointers.is_empty() {
        found.locations.extend(location(cx, problem));
    }
    let places: Vec<Location> = problem.pointers.iter().cloned().map(Location::Config).collect();
    Ok(found.at_locations(&places))
}

/// The place in the file, or the file; none where the problem is about a file that this policy has no view of.
fn location(cx: &Context<'_>, problem: &Problem) -> Option<Location> {
    let file = problem.file.as_deref();
    let view = cx.views().find(|view| file.is_some() && cx.display(view).as_deref() == file);
    let in_state =
        || file?.strip_prefix(&cx.display("state")?)?.strip_prefix('/').filter(|rel| *rel == ".env");
    let object = match (view, in_state()) {
        (Some(view), _) => Path::new(view, ""),
        (None, Some(rel)) => Path::new("state", rel),
        // The config as a whole is named in place of a file that is not granted.
        (None, None) if is_withheld(cx, CONFIG_FILE) => return Some(Location::Config(String::new())),
        (None, None) if file.is_some() => return None,
        (None, None) => Path::new("config", ""),
    };
    Some(match problem.position {
        Some((line, column)) => Location::Text(TextPosition { object, line, column }),
        None => Location::Object(object),
    })
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;

    use super::*;

    #[test]
    fn a_config_without_problems_has_no_findings() {
        assert!(MemoryHost::new("{}").ids(audit).is_empty());
    }

    #[test]
    fn every_problem_becomes_one_finding_in_order() {
        let host = MemoryHost::new("{}")
            .problem("unset-variable", "a", Some("/a"))
            .problem("syntax", "b", None)
            .problem("unset-variable", "c", Some("/c"))
            .problem("newer-version", "d", None);
        let expected = [
            "config.unset_variable:warn",
            "config.syntax:critical",
            "config.unset_variable:warn",
            "config.newer_version:info",
        ];
        assert_eq!(host.ids(audit), expected);
    }

    #[test]
    fn the_runners_words_are_the_detail_and_its_pointer_the_place() {
        let host = MemoryHost::new("{}").problem("unknown-key", "gatway is no key", Some("/gatway"));
        let finding = host.findings(audit).remove(0);
        assert_eq!(finding.detail, "gatway is no key");
        assert_eq!(finding.locations, [Location::Config("/gatway".to_owned())]);
    }

    #[test]
    fn a_problem_of_several_values_is_one_finding_with_all_of_them() {
        let host = MemoryHost::new("{}").problem("unset-variable", "X", Some("/a")).problem_at("/b/0");
        let places = ["/a", "/b/0"].map(|pointer| Location::Config(pointer.to_owned()));
        assert_eq!(host.findings(audit).remove(0).locations, places);
    }

    #[test]
    fn what_only_the_server_can_tell_is_out_of_reach_or_worth_knowing() {
        let host = MemoryHost::new("{}")
            .problem("variable-elsewhere", "a", Some("/a"))
            .problem("channel-elsewhere", "the channel x is not built in", Some("/channels/x"))
            .problem("plugin-elsewhere", "the plugin y does not come with it", Some("/plugins/allow/0"));
        let ids = [
            "config.unset_variable:info",
            "config.unknown_key:not assessed",
            "config.invalid_value:not assessed",
        ];
        assert_eq!(host.ids(audit), ids);
        let expected = [
            "config.unknown_key: absent: the channel x is not built in",
            "config.invalid_value: absent: the plugin y does not come with it",
        ];
        assert_eq!(host.unassessed(audit), expected);
    }

    #[test]
    fn a_problem_without_a_pointer_stands_in_the_config_file() {
        let finding = MemoryHost::new("{}").problem("syntax", "", None).findings(audit).remove(0);
        assert_eq!(finding.locations, [Location::Object(Path::new("config", ""))]);
    }

    #[test]
    fn a_place_in_an_include_is_named() {
        let mut host = MemoryHost::new("{}").view("include/0", "/c/extra.json").problem("syntax", "", None);
        host.place_problem("/c/extra.json", 7, 3);
        let finding = host.findings(audit).remove(0);
        let object = Path::new("include/0", "");
        assert_eq!(finding.locations, [Location::Text(TextPosition { object, line: 7, column: 3 })]);
    }

    #[test]
    fn a_kind_that_is_not_known_is_named_and_not_passed_over() {
        let host =
            MemoryHost::new("{}").problem("syntax", "a", None).problem("moon-phase", "full moon", None);
        let Err(Failure::Inconclusive(words)) = host.run(audit) else { panic!("it is understood") };
        assert!(words.contains("\"moon-phase\": full moon"), "{words}");
    }

    #[test]
    fn no_check_is_clean_where_the_problems_are_not_granted() {
        let host = MemoryHost::new("{}").problem("syntax", "a", None).ungranted(PROBLEMS);
        let expected: Vec<String> =
            TABLE.iter().map(|row| format!("{}: withheld problems", row.id)).collect();
        assert_eq!(host.unassessed(audit), expected);
        assert!(host.run(audit).expect("an answer").findings.is_empty());
    }

    #[test]
    fn a_file_that_is_not_granted_is_no_place() {
        let host = MemoryHost::new("{}").problem("syntax", "a", None).ungranted(CONFIG_FILE);
        assert_eq!(host.findings(audit)[0].locations, [Location::Config(String::new())]);
    }

    #[test]
    fn the_table_has_each_kind_and_each_id_once() {
        for (index, row) in TABLE.iter().enumerate() {
            let twin = |other: &Row| other.kind == row.kind || other.id == row.id;
            assert!(!TABLE.iter().skip(index + 1).any(twin), "{}", row.kind);
        }
    }

    #[test]
    fn the_table_and_the_manifest_say_the_same() {
        let manifest = include_str!("../policy.toml");
        for row in &TABLE {
            let severity = format!("{:?}", row.severity).replace("Severity::", "").to_lowercase();
            let declared = format!("id = \"{}\"\nseverity = \"{severity}\"\n", row.id);
            assert!(manifest.contains(&declared), "{declared}");
        }
        assert_eq!(manifest.matches("[[check]]").count(), TABLE.len());
    }
}
