//! Plugins whose code can do harm. One run sees one plugin.

mod entries;

use chitin_policy_sdk::openclaw::scan::{self, Words};
use chitin_policy_sdk::{
    Answer, Context, Finding, NotAssessed, Path, Verdict, View, critical, listing, warn,
};

use entries::Entry;

const CODE: &str = "plugins.code_safety";
const FAILED: &str = "plugins.code_safety.scan_failed";
const HIDDEN: &str = "plugins.code_safety.entry_path";
const ESCAPING: &str = "plugins.code_safety.entry_escape";
const PACKAGE: &str = "plugins.code_safety.manifest_parse_error";

/// What a scan needs.
const NEEDED: [&str; 3] = ["stat:plugin/**", "list:plugin/**", "read:plugin/**"];

/// Longest name in a title, which has 80 characters at most.
const MAX_TITLE_NAME: usize = 30;

/// Most entry points with a finding of their own.
const MAX_HIDDEN: usize = 20;

/// Scans the plugin, beginning with what it says that it starts in.
pub fn audit(cx: &Context<'_>) -> Verdict {
    let mut answer = Answer::new();
    if let Some(reason) = NEEDED.iter().find_map(|capability| cx.granted(capability).err()) {
        answer.checks(&[CODE, FAILED, HIDDEN, ESCAPING, PACKAGE], Err::<Option<Finding>, _>(reason));
        return Ok(answer);
    }
    for name in cx.views_of("plugin") {
        plugin(cx, &view(cx, name), &mut answer);
    }
    Ok(answer)
}

/// The view with its path.
fn view(cx: &Context<'_>, name: &str) -> View {
    View { name: name.to_owned(), display: cx.display(name).unwrap_or_default() }
}

fn plugin(cx: &Context<'_>, view: &View, answer: &mut Answer) {
    let (name, is_id) = name(&view.display);
    let removal = removal(name, is_id);
    answer.check(PACKAGE, manifest(cx, &Path::new(&view.name, "package.json"), name));
    let read = entries::read(cx, view);
    let entries =
        read.entries.map(|entries| judge(&Path::new(&view.name, "package.json"), name, &removal, &entries));
    answer.checks(&[HIDDEN, ESCAPING], entries);
    let mut scan = scan::folder(cx, &view.name, &read.starts);
    for (path, why) in read.unread {
        scan.leave_out(&path, why);
    }
    scan::tell(cx, &scan, &Words { check: CODE, what: "Plugin", name, removal: &removal }, answer);
}

/// The finding about a package of which nobody knows what it starts in.
fn manifest(cx: &Context<'_>, package: &Path, name: &str) -> Result<Option<Finding>, NotAssessed> {
    Ok(entries::defect(cx, package)?.map(|defect| {
        let short: String = name.chars().take(MAX_TITLE_NAME).collect();
        warn(PACKAGE, &format!("package.json of the plugin {short} is not understood"))
            .detail(format!(
                "{}: {defect}. It does not say what the plugin starts in, so that what it starts in where nobody looks was not \
                 looked for; the scripts in its folder were scanned.",
                cx.display_path(package)
            ))
            .remediation("Install the plugin anew from its publisher, or remove its folder")
            .at_object(package)
    }))
}

/// The findings about the entries themselves: by their texts alone.
fn judge(package: &Path, name: &str, removal: &str, entries: &[Entry]) -> Vec<Finding> {
    let hidden: Vec<&str> = entries
        .iter()
        .filter(|entry| entry.path.is_some() && entry.is_hidden())
        .map(|entry| entry.text.as_str())
        .collect();
    // A package may name any number of them; the last finding names what is left.
    let (single, rest) = hidden.split_at(hidden.len().min(MAX_HIDDEN));
    let rest = (!rest.is_empty()).then_some(rest);
    let mut findings: Vec<Finding> = single
        .chunks(1)
        .chain(rest)
        .map(|entries| {
            warn(HIDDEN, "A plugin starts in a hidden or installed file")
                .detail(format!(
                    "The plugin {name} names {} as entry point. Nobody expects code of its own there, and scanners pass \
                     over such folders; this one is scanned here.",
                    listing::words(entries)
                ))
                .remediation("Read that file. If the plugin is yours, keep its entry points in an ordinary source folder.")
                .at_object(package)
        })
        .collect();
    let escaping: Vec<&str> =
        entries.iter().filter(|entry| entry.path.is_none()).map(|entry| entry.text.as_str()).collect();
    if !escaping.is_empty() {
        findings.push(
            critical(ESCAPING, "A plugin names code outside its own folder")
                .detail(format!(
                    "The plugin {name} names {} as entry points: whatever lies there by then would run in the gateway, and \
                     an update of the plugin can point it anywhere.",
                    listing::words(&escaping)
                ))
                .remediation(format!("Correct openclaw.extensions in its package.json, or {removal}"))
                .at_object(package),
        );
    }
    findings
}

/// The name of a plugin in findings, and whether it is the plugin's id. A plugin from npm or git has the name of its package or
/// its checkout, which need not be its id.
fn name(display: &str) -> (&str, bool) {
    if let Some((project, package)) = display.rsplit_once("/node_modules/") {
        let is_managed = project.ends_with("/npm")
            || project.rsplit_once('/').is_some_and(|(above, _)| above.ends_with("/npm/projects"));
        if is_managed {
            return (package, false);
        }
    }
    match display.rsplit_once("/git/") {
        Some((_, checkout)) if checkout.ends_with("/repo") => (checkout, false),
        _ => (display.rsplit('/').next().unwrap_or_default(), true),
    }
}

/// How a plugin is taken away.
fn removal(name: &str, is_id: bool) -> String {
    match listing::shell_word(name) {
        Some(id) if is_id => format!("remove it with `openclaw plugins uninstall {id}`"),
        _ if is_id => "remove its folder".to_owned(),
        _ => "remove it with `openclaw plugins uninstall`, by its id in `openclaw plugins list`,".to_owned(),
    }
}

chitin_policy_sdk::policy!(audit);

#[cfg(test)]
mod tests {
    use chitin_policy_sdk::testing::MemoryHost;
    use chitin_policy_sdk::{Location, TextPosition};

    use super::*;

    /// A plugin in a folder called "foo".
    fn plugin() -> MemoryHost {
        MemoryHost::new("{}").view("plugin/0", "/s/extensions/foo").directory("plugin/0", "", 0o755)
    }

    fn with_entries(entries: &str) -> MemoryHost {
        plugin().file(
            "plugin/0",
            "package.json",
            0o644,
            &format!("{{\"openclaw\": {{\"extensions\": {entries}}}}}"),
        )
    }

    #[test]
    fn code_is_judged_by_its_worst_place() {
        let host = plugin().file("plugin/0", "a.js", 0o644, "readFile(a); fetch(b)");
        assert_eq!(host.ids(audit), ["plugins.code_safety:warn"]);
        let host = host.file("plugin/0", "lib/b.ts", 0o644, "\n  eval(x)");
        let findings = host.findings(audit);
        let [finding] = findings.as_slice() else { panic!("{findings:?}") };
        assert_eq!(finding.severity, chitin_policy_sdk::Severity::Critical);
        let place = |rel, line, column| {
            Location::Text(TextPosition { object: Path::new("plugin/0", rel), line, column })
        };
        assert_eq!(finding.locations, [place("lib/b.ts", 2, 3), place("a.js", 1, 1), place("a.js", 1, 14)]);
    }

    #[test]
    fn an_entry_is_resolved_by_its_text() {
        for (entry, path, hidden) in [
            ("./src/index.js", Some("src/index.js"), false),
            ("/s/extensions/foo/x.js", Some("x.js"), false),
            ("a//./b/../c.js", Some("a/c.js"), false),
            (".", Some(""), false),
            ("..foo/b.js", Some("..foo/b.js"), true),
            (".h/x.js", Some(".h/x.js"), true),
            ("dist\\\\.h\\\\x.js", Some("dist\\.h\\x.js"), true),
            ("node_modules/x/i.js", Some("node_modules/x/i.js"), true),
            ("100%.js", Some("100%25.js"), false),
            ("../x.js", None, false),
            ("/etc/x.js", None, false),
            ("/s/extensions/foobar/x.js", None, false),
            ("a/../../foo/x.js", Some("x.js"), false),
        ] {
            let host = with_entries(&format!("[\"{entry}\"]"));
            let entries = host.with(|cx| entries::read(cx, &view(cx, "plugin/0"))).entries.unwrap();
            let rel = entries[0].path.as_ref().map(|path| path.rel.as_str());
            assert_eq!((rel, entries[0].is_hidden()), (path, hidden), "{entry}");
        }
    }

    #[test]
    fn what_is_no_list_of_texts_names_nothing() {
        for entries in ["5", "\"a.js\"", "[5, null, {}, \"  \"]"] {
            assert_eq!(with_entries(entries).ids(audit), [""; 0], "{entries}");
        }
    }

    #[test]
    fn a_package_that_is_not_understood_is_told_and_the_rest_is_scanned() {
        let ids = ["plugins.code_safety.manifest_parse_error:warn", "plugins.code_safety:critical"];
        let code = || plugin().file("plugin/0", "a.js", 0o644, "eval(x)");
        let long = format!("{{\"a\": \"{}\"}}", "x".repeat(1 << 20));
        for text in ["{", "", "{a: 1}", long.as_str()] {
            assert_eq!(
                code().file("plugin/0", "package.json", 0o644, text).ids(audit),
                ids,
                "{}",
                text.len()
            );
        }
        assert_eq!(code().directory("plugin/0", "package.json", 0o755).ids(audit)[0], ids[0]);
        for fine in ["{}", "null", "[\"\\ud800\"]"] {
            let said = code().file("plugin/0", "package.json", 0o644, fine).ids(audit);
            assert!(!said.iter().any(|id| id.starts_with(PACKAGE)), "{fine}");
        }
        assert_eq!(code().symlink("plugin/0", "package.json", None).ids(audit), ids[1..]);
        let linked = code().symlink("plugin/0", "package.json", Some("other.json"));
        assert_eq!(linked.file("plugin/0", "other.json", 0o644, "{").ids(audit), ids);
        let finding = code().file("plugin/0", "package.json", 0o644, "{").findings(audit).remove(0);
        assert!(
            finding.detail.starts_with("/s/extensions/foo/package.json: it is no JSON."),
            "{}",
            finding.detail
        );
    }

    #[test]
    fn renamed_imports_count_in_the_latest_releases() {
        let code =
            "import { exec as run } from 'node:child_process';\nrun('ls');\nconst r = /x/.exec('y');\n";
        let host = plugin().file("plugin/0", "index.js", 0o644, code).release(2026, 9, 6);
        assert_eq!(host.ids(audit), ["plugins.code_safety:critical"]);
        let only = plugin().file("plugin/0", "i.js", 0o644, "// child_process\nconst r = /x/.exec('y');\n");
        assert_eq!(only.clone().release(2026, 7, 35).ids(audit), ["plugins.code_safety:critical"]);
        assert_eq!(only.release(2026, 8, 1).ids(audit), [""; 0]);
    }

    #[test]
    fn a_plugin_that_was_installed_is_called_by_its_place() {
        for (place, title, uninstall) in [
            ("/s/npm/node_modules/@s/b", "Plugin @s/b ", "uninstall`, by its id"),
            ("/s/npm/projects/p/node_modules/b", "Plugin b ", "uninstall`, by its id"),
            ("/s/git/c/repo", "Plugin c/repo ", "uninstall`, by its id"),
            ("/s/git/c", "Plugin c ", "uninstall c`"),
            ("/s/extensions/node_modules/e", "Plugin e ", "uninstall e`"),
            ("/w/git/c/f", "Plugin f ", "uninstall f`"),
        ] {
            let host = MemoryHost::new("{}").view("plugin/0", place);
            let host = host.directory("plugin/0", "", 0o755).file("plugin/0", "a.js", 0o644, "eval(x)");
            let finding = host.findings(audit).remove(0);
            assert!(finding.title.starts_with(title), "{}", finding.title);
            let remediation = finding.remediation.unwrap();
            assert!(remediation.contains(uninstall), "{remediation}");
        }
    }

    #[test]
    fn a_hidden_entry_is_scanned() {
        let host = with_entries("[\".h/x.js\", \"../up.js\", \"/etc/y.js\"]")
            .file("plugin/0", ".h/x.js", 0o644, "eval(x)");
        assert_eq!(
            host.ids(audit),
            [
                "plugins.code_safety.entry_path:warn",
                "plugins.code_safety.entry_escape:critical",
                "plugins.code_safety:critical"
            ]
        );
    }

    /// What `package.json` holds besides a name.
    fn with_package(json: &str) -> MemoryHost {
        plugin().file("plugin/0", "package.json", 0o644, json)
    }

    #[test]
    fn a_start_that_is_no_script_by_name_is_not_passed_over() {
        let failed = ["plugins.code_safety.scan_failed:warn", "plugins.code_safety:not assessed"];
        for package in [
            r#"{"openclaw": {"extensions": ["./payload.dat"]}}"#,
            r#"{"openclaw": {"extensions": ["payload"]}}"#,
            r#"{"main": "./payload.dat"}"#,
            r#"{"exports": "./payload.dat"}"#,
            r#"{"exports": {".": {"types": "./index.js", "node": [{"require": "./payload.dat"}]}}}"#,
            r#"{"exports": {"import": "./payload.dat"}}"#,
            r#"{"main": "native"}"#,
            r#"{"openclaw": {"extensions": ["lib"]}}"#,
            r#"{"openclaw": {"extensions": ["other"]}}"#,
            r#"{"openclaw": {"extensions": ["link.js"]}}"#,
            r#"{"openclaw": {"extensions": ["link"]}}"#,
            r#"{"openclaw": {"extensions": ["data.json"]}}"#,
            r#"{"main": "../up.js"}"#,
        ] {
            let host = with_package(package)
                .file("plugin/0", "index.js", 0o644, "require('./payload.dat')")
                .file("plugin/0", "payload.dat", 0o644, "eval(x)")
                .file("plugin/0", "payload", 0o644, "eval(x)")
                .file("plugin/0", "data.json", 0o644, "{}")
                .file("plugin/0", "native.node", 0o644, "ELF")
                .file("plugin/0", "lib/package.json", 0o644, r#"{"main": "./run.bin"}"#)
                .file("plugin/0", "lib/run.bin", 0o644, "eval(x)")
                .file("plugin/0", "other/index.node", 0o644, "ELF");
            let links =
                ["link.js", "link"].into_iter().filter(|link| package.contains(&format!("\"{link}\"")));
            let host = links.fold(host, |host, link| host.symlink("plugin/0", link, Some("payload.dat")));
            let ids = host.ids(audit);
            assert_eq!(ids, failed, "{package}");
        }
    }

    #[test]
    fn an_ordinary_package_leaves_nothing_open() {
        for package in [
            r#"{"main": "./dist/index.js", "openclaw": {"extensions": ["./dist/index.js"]}}"#,
            r#"{"main": "dist/index"}"#,
            r#"{"main": "dist", "openclaw": {"extensions": ["dist", ".", "./gone.js", "gone"]}}"#,
            r#"{"main": "data.json", "exports": {".": "./dist/index.js", "./style": "./style.css", "./package.json": "./package.json"}}"#,
            r#"{"main": 5, "exports": [null, {"default": false}]}"#,
        ] {
            let host = with_package(package)
                .file("plugin/0", "dist/index.js", 0o644, "export default 1")
                .file("plugin/0", "dist/package.json", 0o644, r#"{"type": "module"}"#)
                .file("plugin/0", "style.css", 0o644, "a {}")
                .file("plugin/0", "data.json", 0o644, "{}");
            assert_eq!(host.ids(audit), [""; 0], "{package}");
        }
    }

    #[test]
    fn a_start_where_nobody_looks_is_found_as_a_loader_finds_it() {
        for entry in [".h/run", ".h", "node_modules/x", "node_modules/x/"] {
            let host = with_entries(&format!("[\"{entry}\"]"))
                .file("plugin/0", ".h/run.ts", 0o644, "eval(x)")
                .file("plugin/0", "node_modules/x/package.json", 0o644, r#"{"main": "lib/a"}"#)
                .file("plugin/0", "node_modules/x/lib/a.js", 0o644, "eval(x)");
            let expected = ["plugins.code_safety.entry_path:warn", "plugins.code_safety:critical"];
            assert_eq!(host.ids(audit), expected, "{entry}");
            // Two entries that lead to one file give one place.
            let findings = host.findings(audit);
            assert_eq!(findings.last().unwrap().locations.len(), 1, "{entry}");
        }
    }

    #[test]
    fn what_cannot_be_looked_at_is_said() {
        let failed = ["plugins.code_safety.scan_failed:warn", "plugins.code_safety:not assessed"];
        let denied = plugin().deny("plugin/0", "a.js");
        assert_eq!(denied.ids(audit), failed);
        assert_eq!(denied.unassessed(audit), ["plugins.code_safety: unreadable: it is no regular file"]);
        assert_eq!(MemoryHost::new("{}").deny("plugin/0", "").ids(audit), failed);
        let host = plugin().symlink("plugin/0", "gone.js", None).file(
            "plugin/0",
            "node_modules/x.js",
            0o644,
            "eval(x)",
        );
        assert_eq!(host.ids(audit), [""; 0]);
    }

    #[test]
    fn entry_points_that_cannot_be_read_are_not_called_ordinary() {
        let denied = plugin().deny("plugin/0", "package.json");
        assert_eq!(
            denied.ids(audit),
            [
                "plugins.code_safety.scan_failed:warn",
                "plugins.code_safety.manifest_parse_error:not assessed",
                "plugins.code_safety.entry_path:not assessed",
                "plugins.code_safety.entry_escape:not assessed",
                "plugins.code_safety:not assessed"
            ]
        );
        let entries = vec!["\".h/x.js\""; 10_001].join(",");
        let open = with_entries(&format!("[{entries}]")).unassessed(audit);
        let why = "limit: it names more than 10000 entry points";
        assert_eq!(open, [HIDDEN, ESCAPING, CODE].map(|check| format!("{check}: {why}")));
    }

    #[test]
    fn a_start_behind_a_hidden_link_is_not_passed_over() {
        let failed = ["plugins.code_safety.scan_failed:warn", "plugins.code_safety:not assessed"];
        let linked =
            |entry: &str, end| with_entries(&format!("[\"{entry}\"]")).symlink("plugin/0", "link", Some(end));
        let folder = linked("link", "node_modules/x")
            .file("plugin/0", "node_modules/x/package.json", 0o644, r#"{"main": "./run.bin"}"#)
            .file("plugin/0", "node_modules/x/run.bin", 0o644, "eval(x)");
        assert_eq!(folder.ids(audit), failed, "the folder names a start that is no script");
        let detail = folder.run(audit).unwrap().findings.remove(0).detail;
        assert!(detail.contains("node_modules/x/run.bin: the plugin starts in it"), "{detail}");
    }

    #[test]
    fn code_that_is_withheld_is_not_called_harmless() {
        for capability in NEEDED {
            let host = plugin().file("plugin/0", "a.js", 0o644, "eval(x)").ungranted(capability);
            let open = [CODE, FAILED, HIDDEN, ESCAPING, PACKAGE]
                .map(|check| format!("{check}: withheld {capability}"));
            assert_eq!(host.unassessed(audit), open);
        }
    }
}
