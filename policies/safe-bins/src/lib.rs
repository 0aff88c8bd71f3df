//! Programs that run without approval, and are less safe than their list says (reference: 2026.9-delta 3.4; run:
//! 2026.4.2 and later ones say the same).

use std::collections::BTreeSet;

use chitin_policy_sdk::openclaw::facts::{self, Number};
use chitin_policy_sdk::openclaw::tools::Scope;
use chitin_policy_sdk::{Answer, Context, Node, NotAssessed, Verdict, js, listing, warn};

const UNPROFILED: &str = "tools.exec.safe_bins_interpreter_unprofiled";
const BROAD: &str = "tools.exec.safe_bins_broad_behavior";
const FOLDERS: &str = "tools.exec.safe_bin_trusted_dirs_risky";

/// Programs that run code.
const INTERPRETERS: [&str; 29] = [
    "ash",
    "bash",
    "busybox",
    "bun",
    "cmd",
    "cmd.exe",
    "cscript",
    "dash",
    "deno",
    "fish",
    "ksh",
    "lua",
    "node",
    "nodejs",
    "perl",
    "php",
    "powershell",
    "powershell.exe",
    "pypy",
    "pwsh",
    "pwsh.exe",
    "python",
    "python2",
    "python3",
    "ruby",
    "sh",
    "toybox",
    "wscript",
    "zsh",
];

/// More of them, and what they can do (run: not in 2026.3.24, and in 2026.4.2).
const FILTERS_THAT_RUN: [&str; 6] = ["awk", "gawk", "gsed", "mawk", "nawk", "sed"];

/// The first release that knows those.
const KNOWS_FILTERS: [(Number, bool); 1] = [((2026, 3, 31), true)];

/// Those of them whose version can stand behind their name.
const VERSIONED: [&str; 5] = ["python", "ruby", "perl", "php", "node"];

/// What a program does besides filtering text.
fn broad(name: &str) -> Option<&'static str> {
    match name {
        "jq" => Some("reads environment variables and loads code from modules"),
        "awk" | "gawk" | "mawk" | "nawk" => {
            Some("runs commands, reads environment variables and writes files")
        }
        "sed" | "gsed" => Some("runs commands and writes files"),
        _ => None,
    }
}

/// Looks at the global lists and at those of each agent.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let config = cx.config();
    let global = config.at("tools.exec");
    let mut answer = Answer::new();
    let knows_filters = facts::at(cx.release(), false, &KNOWS_FILTERS);
    let mut lists = vec![("tools.exec".to_owned(), None, global.clone())];
    match Scope::agents(&config) {
        Ok(agents) => lists.extend(agents.into_iter().filter_map(|scope| {
            let place = format!("{}.tools.exec", scope.label(cx.release()));
            Some((place, Some(global.clone()), scope.entry?.at("tools.exec")))
        })),
        Err(reason) => answer.checks(&[UNPROFILED, BROAD, FOLDERS], Err::<Vec<_>, _>(reason)),
    }
    let (mut unprofiled, mut broad, mut folders) = (Seen::default(), Seen::default(), Seen::default());
    for (place, global, section) in lists {
        unprofiled.add(
            &mut answer,
            UNPROFILED,
            interpreters(&place, global.as_ref(), &section, knows_filters),
        );
        broad.add(&mut answer, BROAD, broad_programs(&place, &section, knows_filters));
        folders.add(&mut answer, FOLDERS, risky_folders(&place, &section));
    }
    report(&mut answer, unprofiled, broad, folders);
    Ok(answer)
}

/// Lines of a finding, and the values that they are about.
#[derive(Default)]
struct Seen<'a> {
    lines: Vec<String>,
    nodes: Vec<Node<'a>>,
}

impl<'a> Seen<'a> {
    fn add(&mut self, answer: &mut Answer, id: &str, list: Result<(Vec<String>, Node<'a>), NotAssessed>) {
        match list {
            Ok((lines, node)) => {
                if !lines.is_empty() {
                    self.nodes.push(node);
                }
                self.lines.extend(lines);
            }
            Err(reason) => answer.leave_open(id, reason),
        }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "each is reported once")]
fn report(answer: &mut Answer, unprofiled: Seen<'_>, broad: Seen<'_>, folders: Seen<'_>) {
    if !unprofiled.lines.is_empty() {
        answer.findings.push(
            warn(UNPROFILED, "Interpreters are listed as safe programs")
                .detail(
                    "These programs run code that is handed to them, and no profile in safeBinProfiles says which arguments \
                     they may have: what should only filter text can do anything.",
                )
                .list(&unprofiled.lines, 0)
                .remediation(
                    "Remove them from safeBins and approve the scripts that you need, or add a profile of their arguments to \
                     tools.exec.safeBinProfiles",
                )
                .at_all(&unprofiled.nodes),
        );
    }
    if !broad.lines.is_empty() {
        answer.findings.push(
            warn(BROAD, "Programs that do more than filter text are listed as safe")
                .detail("These programs run without approval, and no profile of their arguments holds them:")
                .list(&broad.lines, 0)
                .remediation(
                    "Remove them from safeBins, and let each use be approved (tools.exec.ask \"on-miss\")",
                )
                .at_all(&broad.nodes),
        );
    }
    if !folders.lines.is_empty() {
        answer.findings.push(
            warn(FOLDERS, "Safe programs are taken from folders that others may write to")
                .detail(
                    "A program of a safe name in one of these folders runs without approval, and more than the owner of the \
                     machine can put one there:",
                )
                .list(&folders.lines, 0)
                .remediation(
                    "Remove these from safeBinTrustedDirs, and name folders that only root can write to, such as /usr/bin",
                )
                .at_all(&folders.nodes),
        );
    }
}

/// The programs of a section's list, by their base names, each once, in order.
fn programs(list: &Node<'_>) -> Result<BTreeSet<String>, NotAssessed> {
    let base = |entry: &str| {
        let entry = entry.to_lowercase();
        let name = entry.rsplit(['/', '\\']).next().unwrap_or_default();
        let plain = [".exe", ".cmd", ".bat", ".com"].iter().find_map(|end| name.strip_suffix(end));
        plain.unwrap_or(name).to_owned()
    };
    Ok(list.texts()?.into_iter().map(base).filter(|name| !name.is_empty()).collect())
}

/// A line for a list with interpreters that have no profile.
fn interpreters<'a>(
    place: &str,
    global: Option<&Node<'a>>,
    section: &Node<'a>,
    knows_filters: bool,
) -> Result<(Vec<String>, Node<'a>), NotAssessed> {
    let list = section.get("safeBins");
    let mut names = programs(&list)?;
    names.retain(|name| is_interpreter(name) || knows_filters && is_filter(name));
    if !names.is_empty() {
        for profiles in global.into_iter().chain([section]) {
            for (key, _) in profiles.get("safeBinProfiles").entries()? {
                names.remove(&js::trim(key).to_lowercase());
            }
        }
    }
    let names: Vec<String> = names.into_iter().collect();
    let lines = if names.is_empty() {
        Vec::new()
    } else {
        vec![format!("{place}.safeBins: {}", listing::words(&names))]
    };
    Ok((lines, list))
}

fn is_filter(name: &str) -> bool {
    FILTERS_THAT_RUN.contains(&name)
}

fn is_interpreter(name: &str) -> bool {
    INTERPRETERS.contains(&name)
        || VERSIONED.iter().filter_map(|known| name.strip_prefix(known)).any(|version| {
            let mut parts = version.split('.');
            let is_number = |part: &str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
            parts.by_ref().take(2).all(is_number) && parts.next().is_none()
        })
}

fn broad_programs<'a>(
    place: &str,
    section: &Node<'a>,
    knows_filters: bool,
) -> Result<(Vec<String>, Node<'a>), NotAssessed> {
    let list = section.get("safeBins");
    let mut names = programs(&list)?;
    names.retain(|name| knows_filters || !is_filter(name));
    let lines = names.iter().filter_map(|name| Some(format!("{place}.safeBins: {name} {}", broad(name)?)));
    Ok((lines.collect(), list))
}

fn risky_folders<'a>(place: &str, section: &Node<'a>) -> Result<(Vec<String>, Node<'a>), NotAssessed> {
    let list = section.get("safeBinTrustedDirs");
    let mut known = BTreeSet::new();
    let folders = list.texts()?.into_iter().filter(|folder| known.insert(*folder));
    let lines = folders
        .filter_map(|folder| Some(format!("{place}.safeBinTrustedDirs: {folder} is {}", risk(folder)?)));
    Ok((lines.collect(), list))
}

/// Why others may write to a folder; none where nothing says so.
fn risk(folder: &str) -> Option<&'static str> {
    let slashes = folder.replace('\\', "/");
    let drive = slashes.get(1..3) == Some(":/") && slashes.starts_with(|c: char| c.is_ascii_alphabetic());
    if !slashes.starts_with('/') && !drive {
        return Some("relative to whatever folder a command runs in");
    }
    let path = normalise(&slashes).to_lowercase();
    let is_under =
        |root: &str| path.strip_prefix(root).is_some_and(|rest| rest.is_empty() || rest.starts_with('/'));
    if ["/tmp", "/var/tmp", "/private/tmp"].into_iter().any(is_under) {
        return Some("a folder for temporary files, which everybody can write to");
    }
    if ["/usr/local/bin", "/opt/homebrew/bin", "/opt/local/bin", "/home/linuxbrew/.linuxbrew/bin"]
        .contains(&path.as_str())
    {
        return Some("a package manager's folder, which users can often write to");
    }
    let below = |root: &str| path.starts_with(root);
    let home = below("/users/")
        || below("/home/")
        || path.contains("/.local/bin")
        || drive && path.get(2..).is_some_and(|rest| rest.starts_with("/users/"));
    home.then_some("in somebody's home, who can write to it")
}

/// A path without empty, `.` and `..` parts.
fn normalise(path: &str) -> String {
    let mut parts: Vec<&str> = Vec::new();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            part => parts.push(part),
        }
    }
    let root = if path.starts_with('/') { "/" } else { "" };
    format!("{root}{}", parts.join("/"))
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Hidden, Location};

    use super::*;

    const NOTHING: [&str; 0] = [];
    const UNPROFILED_WARN: &str = "tools.exec.safe_bins_interpreter_unprofiled:warn";
    const UNPROFILED_OPEN: &str = "tools.exec.safe_bins_interpreter_unprofiled:not assessed";
    const BROAD_WARN: &str = "tools.exec.safe_bins_broad_behavior:warn";
    const BROAD_OPEN: &str = "tools.exec.safe_bins_broad_behavior:not assessed";
    const FOLDERS_WARN: &str = "tools.exec.safe_bin_trusted_dirs_risky:warn";
    const FOLDERS_OPEN: &str = "tools.exec.safe_bin_trusted_dirs_risky:not assessed";

    fn exec(exec: &str) -> MemoryHost {
        MemoryHost::new(&format!("{{tools: {{exec: {exec}}}}}")).release(2026, 9, 6)
    }

    #[test]
    fn an_interpreter_needs_a_profile() {
        for name in [
            "python3",
            " Bash ",
            "/usr/bin/ruby",
            "C:\\\\x\\\\CMD.EXE",
            "node18",
            "python3.11",
            "busybox",
            "zsh",
            "pwsh.exe",
        ] {
            assert_eq!(exec(&format!(r#"{{safeBins: ["{name}"]}}"#)).ids(audit), [UNPROFILED_WARN], "{name}");
        }
        for name in ["cut", "python3.11.2", "nodes", "python3.", "find", "osascript", "", "python3-config"] {
            assert_eq!(exec(&format!(r#"{{safeBins: ["{name}"]}}"#)).ids(audit), NOTHING, "{name}");
        }
        assert_eq!(exec(r#"{safeBins: ["bash"], safeBinProfiles: {" BASH ": {}}}"#).ids(audit), NOTHING);
        for list in [r#""bash""#, "[5, null, {}]", "{}", r#"{"bash": 1}"#] {
            assert_eq!(exec(&format!("{{safeBins: {list}}}")).ids(audit), NOTHING, "{list}");
        }
    }

    #[test]
    fn an_agents_list_has_the_global_profiles_and_its_own() {
        let agent = |own: &str| {
            let config = format!(
                r#"{{tools: {{exec: {{safeBinProfiles: {{bash: {{}}}}}}}},
                    agents: {{list: [{{id: "a", tools: {{exec: {{safeBins: ["bash", "ruby"], {own}}}}}}}]}}}}"#
            );
            MemoryHost::new(&config).release(2026, 9, 6)
        };
        let finding = agent("x: 1").findings(audit).remove(0);
        assert!(
            finding.detail.ends_with("- agents.entries.a.tools.exec.safeBins: ruby"),
            "{}",
            finding.detail
        );
        let place = Location::Config("/agents/list/0/tools/exec/safeBins".to_owned());
        assert_eq!(finding.locations, [place]);
        assert_eq!(agent("safeBinProfiles: {ruby: {}}").ids(audit), NOTHING);
    }

    #[test]
    fn some_programs_do_more_than_filter_whatever_their_profile_says() {
        let host = exec(
            r#"{safeBins: ["JQ", "/usr/bin/awk", "sed", "cut"], safeBinProfiles: {jq: {}, awk: {}, sed: {}}}"#,
        );
        let finding = host.findings(audit).remove(0);
        assert_eq!(finding.check_id, BROAD);
        assert_eq!(finding.detail.lines().count(), 4);
        assert!(finding.detail.contains("- tools.exec.safeBins: jq reads"));
    }

    #[test]
    fn filters_that_run_commands_count_from_2026_3_31_on() {
        let host = exec(r#"{safeBins: ["awk", "sed"]}"#);
        assert_eq!(host.clone().release(2026, 3, 24).ids(audit), NOTHING);
        assert_eq!(host.release(2026, 3, 31).ids(audit), [UNPROFILED_WARN, BROAD_WARN]);
        let jq = exec(r#"{safeBins: ["jq"]}"#).release(2026, 3, 22);
        assert_eq!(jq.ids(audit), [BROAD_WARN]);
    }

    #[test]
    fn a_folder_is_risky_where_others_can_write() {
        for (folder, risky) in [
            ("/tmp", true),
            ("/tmp/x", true),
            ("/TMP", true),
            ("/usr/bin/../../var/tmp", true),
            ("/tmpx", false),
            ("~/bin", true),
            ("bin", true),
            ("/usr/local/bin", true),
            ("/usr/local/bin/", true),
            ("/usr/local/bin/x", false),
            ("/opt/homebrew/bin", true),
            ("/home/a/bin", true),
            ("/home", false),
            ("/Users/a", true),
            ("/opt/x/.local/bin/y", true),
            ("C:/Users/a", true),
            ("C:\\\\users\\\\a", true),
            ("C:/Windows", false),
            ("/usr/bin", false),
            ("", false),
        ] {
            let expected = if risky { [FOLDERS_WARN].as_slice() } else { &[] };
            let ids = exec(&format!(r#"{{safeBinTrustedDirs: ["{folder}"]}}"#)).ids(audit);
            assert_eq!(ids, expected, "{folder}");
        }
    }

    #[test]
    fn what_is_not_shown_leaves_its_own_list_open() {
        let config = r#"{tools: {exec: {safeBins: ["bash", "jq"], safeBinTrustedDirs: ["/tmp"]}},
            agents: {list: [{id: "a", tools: {exec: {safeBins: ["cut"], safeBinTrustedDirs: ["/usr/bin"]}}}]}}"#;
        let host = || MemoryHost::new(config).release(2026, 9, 6);
        let all = [UNPROFILED_WARN, BROAD_WARN, FOLDERS_WARN];
        assert_eq!(host().ids(audit), all);
        for (pointer, ids) in [
            ("/tools/exec/safeBins/0", [FOLDERS_WARN, UNPROFILED_OPEN, BROAD_OPEN].as_slice()),
            ("/tools/exec/safeBinTrustedDirs/0", &[UNPROFILED_WARN, BROAD_WARN, FOLDERS_OPEN]),
            (
                "/agents/list/0/tools/exec/safeBins/0",
                &[UNPROFILED_WARN, BROAD_WARN, FOLDERS_WARN, UNPROFILED_OPEN, BROAD_OPEN],
            ),
        ] {
            assert_eq!(host().hide(pointer, Hidden::Variable).ids(audit), ids, "{pointer}");
        }
        for (pointer, ids) in [
            ("/tools/exec/safeBinProfiles", [BROAD_WARN, FOLDERS_WARN, UNPROFILED_OPEN].as_slice()),
            ("/tools/exec", &[UNPROFILED_OPEN, BROAD_OPEN, FOLDERS_OPEN]),
            (
                "/agents/list",
                &[UNPROFILED_WARN, BROAD_WARN, FOLDERS_WARN, UNPROFILED_OPEN, BROAD_OPEN, FOLDERS_OPEN],
            ),
        ] {
            assert_eq!(host().withhold(pointer).ids(audit), ids, "{pointer}");
        }
    }
}
