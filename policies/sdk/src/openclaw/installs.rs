//! Records of what was installed from npm (reference: state-checks 5.4 to 5.10). Plugins and hooks have the same
//! records and the same three checks.

use serde_json::Value;

use crate::context::unseen;
use crate::{
    Answer, Context, Kind, Location, Node, NotAssessed, Path, StateError, Target, Verdict, js, listing, warn,
};

/// Longest `package.json` that is read, in bytes.
const MAX_PACKAGE_BYTES: u32 = 1 << 20;

/// One kind of thing that is installed.
#[derive(Clone, Copy, Debug)]
pub struct Installs {
    /// "Plugin", as a title begins.
    pub title: &'static str,
    /// The command that manages them: "openclaw plugins".
    pub command: &'static str,
    /// Where the records stand in the config.
    pub records: &'static str,
    /// The views of their `package.json`, by the number of the record: `<view>/0` and so on.
    pub view: &'static str,
    /// The ids of the checks: unpinned specs, missing integrity, version drift.
    pub checks: [&'static str; 3],
}

/// A record of an installation from npm.
#[derive(Clone, Debug)]
struct Record<'a> {
    id: &'a str,
    node: Node<'a>,
    /// The view of its `package.json`.
    package: Path,
}

/// An installation that is not what its record says.
struct Drift {
    /// The versions, in words.
    words: String,
    recorded: Location,
    package: Path,
}

/// Judges all records of one kind: one finding for each check that some record does not meet.
///
/// # Errors
/// Never: a record or a package that cannot be seen leaves its check open.
pub fn audit(cx: &Context<'_>, installs: &Installs) -> Verdict {
    let mut answer = Answer::new();
    let records = npm_records(cx, installs, &mut answer);
    unpinned(installs, &records, &mut answer);
    missing_integrity(installs, &records, &mut answer);
    version_drift(cx, installs, &records, &mut answer);
    Ok(answer)
}

/// The records whose source is exactly "npm". One whose source is not shown leaves all checks open.
fn npm_records<'a>(cx: &'a Context<'_>, installs: &Installs, answer: &mut Answer) -> Vec<Record<'a>> {
    let mut found = Vec::new();
    let mut leave_open = |reason: NotAssessed| {
        installs.checks.iter().for_each(|check| answer.leave_open(check, reason.clone()));
    };
    let records = match cx.config().at(installs.records).entries() {
        Ok(records) => records,
        Err(reason) => {
            leave_open(reason);
            return found;
        }
    };
    // The runner numbers all records, of whatever source.
    for (number, (id, node)) in records.enumerate() {
        let package = Path::new(&format!("{}/{number}", installs.view), "");
        match node.get("source").text() {
            Ok(Some("npm")) => found.push(Record { id, node, package }),
            Ok(_) => {}
            Err(reason) => leave_open(reason),
        }
    }
    found
}

/// What is seen of each record; where it cannot be, the check is left open for that one.
fn of_each<'r, 'a, T>(
    check: &str,
    records: &'r [Record<'a>],
    answer: &mut Answer,
    look: impl Fn(&'r Record<'a>) -> Result<Option<T>, NotAssessed>,
) -> Vec<T> {
    let mut seen = Vec::new();
    for record in records {
        match look(record) {
            Ok(found) => seen.extend(found),
            Err(reason) => answer.leave_open(check, reason),
        }
    }
    seen
}

fn unpinned(installs: &Installs, records: &[Record<'_>], answer: &mut Answer) {
    let [check, ..] = installs.checks;
    let look = |record: &Record<'_>| {
        let node = record.node.get("spec");
        let spec = node.text()?.filter(|spec| !is_pinned(spec));
        Ok(spec.map(|spec| (format!("{} from \"{spec}\"", record.id), node.location())))
    };
    let (names, places): (Vec<String>, Vec<Location>) =
        of_each(check, records, answer, look).into_iter().unzip();
    if names.is_empty() {
        return;
    }
    let title = format!("{} installs are not tied to an exact npm version", installs.title);
    answer.findings.push(
        warn(check, &title)
            .detail(format!(
                "{} records {}: an update takes whatever the registry serves under that name by then, a malicious release \
                 included.",
                installs.records,
                listing::words(&names)
            ))
            .remediation(format!(
                "Run for each, with the version that you trust: {} install NAME@1.2.3",
                installs.command
            ))
            .at_locations(&places),
    );
}

fn missing_integrity(installs: &Installs, records: &[Record<'_>], answer: &mut Answer) {
    let [_, check, _] = installs.checks;
    let look = |record: &Record<'_>| {
        let node = record.node.get("integrity");
        Ok(node.trimmed()?.is_none().then(|| (record.id.to_owned(), node.location())))
    };
    let (ids, places): (Vec<String>, Vec<Location>) =
        of_each(check, records, answer, look).into_iter().unzip();
    if ids.is_empty() {
        return;
    }
    let title = format!("{} installs have no recorded hash", installs.title);
    answer.findings.push(
        warn(check, &title)
            .detail(format!(
                "{} has no integrity for {}: a package that was exchanged under the same version goes unnoticed at the \
                 next install or update.",
                installs.records,
                listing::words(&ids)
            ))
            .remediation(format!("Run, so that the hash is recorded: {} update --all", installs.command))
            .at_locations(&places),
    );
}

fn version_drift(cx: &Context<'_>, installs: &Installs, records: &[Record<'_>], answer: &mut Answer) {
    let [.., check] = installs.checks;
    let drifts = of_each(check, records, answer, |record| drift(cx, record));
    if drifts.is_empty() {
        return;
    }
    let names: Vec<&str> = drifts.iter().map(|drift| drift.words.as_str()).collect();
    let places: Vec<Location> = drifts.iter().map(|drift| drift.recorded.clone()).collect();
    let title = format!("{} files are of another version than recorded", installs.title);
    answer.findings.push(
        warn(check, &title)
            .detail(format!(
                "{} does not say what is installed: by package.json {}. Somebody changed the files or the record without the \
                 installer, and what runs may not be what was reviewed.",
                installs.records,
                listing::words(&names)
            ))
            .remediation(format!(
                "Compare the files with the published version, unless you changed them yourself; then run for each, so that the \
                 record fits: {} update ID",
                installs.command
            ))
            .at_locations(&places)
            .at_objects(drifts.iter().map(|drift| &drift.package)),
    );
}

/// The difference between a record and the package; none where there is nothing to compare.
fn drift(cx: &Context<'_>, record: &Record<'_>) -> Result<Option<Drift>, NotAssessed> {
    let resolved = record.node.get("resolvedVersion");
    let recorded = if resolved.is_nullish()? { record.node.get("version") } else { resolved };
    let Some(version) = recorded.text()?.filter(|version| !version.is_empty()) else { return Ok(None) };
    let installed = installed_version(cx, &record.package)?.filter(|installed| installed != version);
    Ok(installed.map(|installed| Drift {
        words: format!("{} is {installed} instead of {version}", record.id),
        recorded: recorded.location(),
        package: record.package.clone(),
    }))
}

/// `version` of a package; none where there is no package, or it says no version.
fn installed_version(cx: &Context<'_>, package: &Path) -> Result<Option<String>, NotAssessed> {
    if cx.display(&package.view).is_none() {
        let family = package.view.split('/').next().unwrap_or_default();
        cx.granted(&format!("read:{family}/*"))?;
        let reason = format!("package {} is not among those that are looked at", package.view);
        return Err(NotAssessed::limit(reason));
    }
    let content = match cx.host().read(package, MAX_PACKAGE_BYTES) {
        Ok(content) => content,
        // A link on the way that leads to itself leads to nothing.
        Err(StateError::NotFound | StateError::ThroughLink) => return Ok(None),
        Err(StateError::WrongKind) => {
            if leads_to_file(cx, package)? {
                return Err(unseen(cx, "read", package, &StateError::ThroughLink));
            }
            return Ok(None);
        }
        Err(error) => return Err(unseen(cx, "read", package, &error)),
    };
    let place = cx.display_path(package);
    if content.truncated {
        return Err(NotAssessed::limit(format!("{MAX_PACKAGE_BYTES} bytes of {place}")));
    }
    let json = js::json(&content.bytes).map_err(|error| format!("{place}: {error}"));
    let json = json.and_then(|json| json.ok_or_else(|| format!("{place} is no JSON")));
    let at = |text: String| NotAssessed::not_understood(text).at(Location::Object(package.clone()));
    let json = json.map_err(at)?;
    let version = json.get("version").and_then(Value::as_str).filter(|version| !version.is_empty());
    Ok(version.map(str::to_owned))
}

/// It is a symbolic link, which is not followed, and a file lies at its end.
fn leads_to_file(cx: &Context<'_>, path: &Path) -> Result<bool, NotAssessed> {
    let link = match cx.host().resolve(path) {
        Ok(link) => link,
        Err(StateError::NotFound) => return Ok(false),
        Err(error) => return Err(unseen(cx, "stat", path, &error)),
    };
    Ok(!link.text.is_empty()
        && matches!(link.target, Target::Inside | Target::Outside)
        && link.metadata.is_none_or(|end| end.kind == Kind::File))
}

/// An npm spec that names one version: `NAME@1.2.3`, after the last `@`, with an optional `v`, pre-release and build.
fn is_pinned(spec: &str) -> bool {
    let Some((name, version)) = js::trim(spec).rsplit_once('@') else { return false };
    let version = js::trim(version);
    let version = version.strip_prefix('v').unwrap_or(version);
    let (version, build) = split_off(version, '+');
    let (numbers, pre) = split_off(version, '-');
    let numbers: Vec<&str> = numbers.split('.').collect();
    let digits = |number: &&str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    !name.is_empty()
        && numbers.len() == 3
        && numbers.iter().all(digits)
        && [pre, build].into_iter().flatten().all(is_tag)
}

fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hidden;
    use crate::testing::MemoryHost;

    const PLUGINS: Installs = Installs {
        title: "Plugin",
        command: "openclaw plugins",
        records: "plugins.installs",
        view: "plugin-package",
        checks: ["unpinned", "integrity", "drift"],
    };
    const NOTHING: [&str; 0] = [];

    fn plugins(cx: &Context<'_>) -> Verdict {
        audit(cx, &PLUGINS)
    }

    #[test]
    fn a_pinned_spec_names_one_version() {
        for spec in [
            "pkg@1.2.3",
            "@scope/pkg@1.2.3",
            "pkg@v1.2.3",
            "pkg@1.2.3-beta.1",
            "pkg@1.2.3+build.5",
            "pkg@1.2.3-a-b+c-d",
            "pkg@ 1.2.3",
            "  pkg@1.2.3  ",
            "a@b@1.2.3",
            "npm:pkg@1.2.3",
            "https://x/y@1.0.0",
            "pkg@01.002.3",
        ] {
            assert!(is_pinned(spec), "{spec}");
        }
        for spec in [
            "",
            "pkg",
            "@scope/pkg",
            "pkg@latest",
            "pkg@^1.2.3",
            "pkg@1.2",
            "pkg@1.2.3.4",
            "pkg@1.2.3-",
            "pkg@1.2.3+",
            "pkg@1.2.3-beta_1",
            "pkg@1.2.3+a+b",
            "pkg@V1.2.3",
            "pkg@1..3",
            "@1.2.3",
            "pkg@",
            "1.2.3",
        ] {
            assert!(!is_pinned(spec), "{spec}");
        }
    }

    /// A host with one record, sound but for what is given.
    fn host(record: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{plugins: {{installs: {{foo: {{source: "npm", {record}}}}}}}}}"#))
    }

    const SOUND: &str = r#"spec: "foo@1.2.3", integrity: "sha512-x""#;

    #[test]
    fn only_npm_records_are_judged() {
        for source in [r#""archive""#, r#""path""#, r#""NPM""#, "5", "null"] {
            let config = format!("{{plugins: {{installs: {{foo: {{source: {source}, spec: \"x\"}}}}}}}}");
            assert_eq!(MemoryHost::new(&config).ids(plugins), NOTHING, "{source}");
        }
        for installs in ["5", "[{source: \"npm\"}]", "{a: 5, b: null}", "null"] {
            let config = format!("{{plugins: {{installs: {installs}}}}}");
            assert_eq!(MemoryHost::new(&config).ids(plugins), NOTHING, "{installs}");
        }
    }

    #[test]
    fn a_spec_has_to_be_pinned_where_there_is_one() {
        assert_eq!(host(SOUND).ids(plugins), NOTHING);
        assert_eq!(host(r#"integrity: "x""#).ids(plugins), NOTHING);
        assert_eq!(host(r#"integrity: "x", spec: 5"#).ids(plugins), NOTHING);
        assert_eq!(host(r#"integrity: "x", spec: """#).ids(plugins), ["unpinned:warn"]);
        let hidden = host(r#"integrity: "x", spec: {"$hidden": "variable"}"#);
        assert_eq!(hidden.ids(plugins), ["unpinned:not assessed"]);
        let place = Location::Config("/plugins/installs/foo/spec".to_owned());
        assert_eq!(hidden.run(plugins).expect("an answer").unassessed[0].location, Some(place));
    }

    #[test]
    fn an_integrity_is_a_text_that_is_not_blank() {
        for integrity in ["null", "5", r#""""#, r#"" ""#] {
            let record = format!(r#"spec: "foo@1.2.3", integrity: {integrity}"#);
            assert_eq!(host(&record).ids(plugins), ["integrity:warn"], "{integrity}");
        }
    }

    fn drifts(versions: &str, package: &str) -> bool {
        let host = host(&format!("{SOUND}, {versions}")).file("plugin-package/0", "", 0o644, package);
        let ids = host.ids(plugins);
        assert!(ids.is_empty() || ids == ["drift:warn"], "{ids:?}");
        !ids.is_empty()
    }

    #[test]
    fn versions_are_compared_to_the_letter() {
        for (versions, package, expected) in [
            (r#"version: "1.2.3""#, r#"{"version": "1.2.3"}"#, false),
            (r#"version: "1.2.3""#, r#"{"version": "1.2.4"}"#, true),
            (r#"version: "v1.2.3""#, r#"{"version": "1.2.3"}"#, true),
            (r#"version: "1.2.3 ""#, r#"{"version": "1.2.3"}"#, true),
            (r#"version: "1.2.4", resolvedVersion: "1.2.3""#, r#"{"version": "1.2.4"}"#, true),
            (r#"version: "9.9.9", resolvedVersion: "1.2.4""#, r#"{"version": "1.2.4"}"#, false),
            (r#"version: "1.2.3", resolvedVersion: """#, r#"{"version": "1.2.4"}"#, false),
            (r#"version: "1.2.3", resolvedVersion: null"#, r#"{"version": "1.2.4"}"#, true),
            ("version: 5", r#"{"version": "1.2.4"}"#, false),
            (r#"version: "1.2.3""#, r#"{"version": ""}"#, false),
            (r#"version: "1.2.3""#, r#"{"version": 2}"#, false),
            (r#"version: "1.2.3""#, "[]", false),
        ] {
            assert_eq!(drifts(versions, package), expected, "{versions} {package}");
        }
    }

    #[test]
    fn what_is_not_there_has_no_version() {
        let host = host(&format!(r#"{SOUND}, version: "1""#));
        let gone = host.clone().view("plugin-package/0", "/gone/package.json");
        assert_eq!(gone.ids(plugins), NOTHING);
        assert_eq!(host.clone().directory("plugin-package/0", "", 0o755).ids(plugins), NOTHING);
        assert_eq!(host.symlink("plugin-package/0", "", None).ids(plugins), NOTHING);
    }

    #[test]
    fn a_package_that_cannot_be_seen_is_not_called_sound() {
        let host = host(&format!(r#"{SOUND}, version: "1""#));
        let open = |host: MemoryHost| host.unassessed(plugins).join(", ");
        assert!(open(host.clone()).starts_with("drift: limit: package plugin-package/0"), "no such view");
        let denied = open(host.clone().deny("plugin-package/0", ""));
        assert!(denied.starts_with("drift: unreadable") && denied.contains("denied"), "{denied}");
        let linked = host.clone().file("plugin-package/0", "real", 0o644, "{}").symlink(
            "plugin-package/0",
            "",
            Some("real"),
        );
        assert!(open(linked).contains("symbolic link"));
        let long = " ".repeat(MAX_PACKAGE_BYTES as usize + 1);
        let long = open(host.clone().file("plugin-package/0", "", 0o644, &long));
        assert!(long.starts_with("drift: limit: 1048576 bytes"), "{long}");
        let broken = open(host.clone().file("plugin-package/0", "", 0o644, "{nope"));
        assert_eq!(broken, "drift: not understood: /plugin-package/0 is no JSON");
        let withheld =
            open(host.clone().file("plugin-package/0", "", 0o644, "{}").ungranted("read:plugin-package/*"));
        assert_eq!(withheld, "drift: withheld read:plugin-package/0");
        let unseen = host.ungranted("stat:plugin-package/*").ungranted("read:plugin-package/*");
        assert_eq!(open(unseen), "drift: withheld read:plugin-package/*");
    }

    #[test]
    fn a_record_is_found_by_its_number_among_all_records() {
        let config = r#"{plugins: {installs: {
            a: {source: "path"},
            b: {source: "npm", integrity: "x", version: "1"}
        }}}"#;
        let host = MemoryHost::new(config).file("plugin-package/1", "", 0o644, r#"{"version": "2"}"#);
        let findings = host.findings(plugins);
        assert!(findings[0].detail.contains("b is 2 instead of 1."));
        let places = [
            Location::Config("/plugins/installs/b/version".to_owned()),
            Location::Object(Path::new("plugin-package/1", "")),
        ];
        assert_eq!(findings[0].locations, places);
    }

    #[test]
    fn each_check_has_one_finding_for_all_records() {
        let records: Vec<String> =
            (0..200).map(|number| format!(r#"p{number}: {{source: "npm", spec: "p"}}"#)).collect();
        let host = MemoryHost::new(&format!("{{plugins: {{installs: {{{}}}}}}}", records.join(", ")));
        let findings = host.findings(plugins);
        assert_eq!(findings.len(), 2);
        assert!(findings[0].detail.contains("and 188 more"));
        assert!(findings.iter().all(|finding| finding.locations.len() == 100));
    }

    #[test]
    fn a_record_that_is_not_shown_in_full_costs_its_own_verdict() {
        let config = r#"{plugins: {installs: {
            foo: {source: "npm", spec: "a@1.2.3", integrity: "x", version: "1", resolvedVersion: "1"},
            other: {source: "npm", spec: "p", integrity: "x", version: "1"}
        }}}"#;
        let package = r#"{"version": "1"}"#;
        let host = MemoryHost::new(config).file("plugin-package/0", "", 0o644, package).file(
            "plugin-package/1",
            "",
            0o644,
            package,
        );
        for (key, expected) in [
            ("source", ["unpinned:not assessed", "integrity:not assessed", "drift:not assessed"].as_slice()),
            ("spec", &["unpinned:not assessed"]),
            ("integrity", &["integrity:not assessed"]),
            ("version", &[]),
            ("resolvedVersion", &["drift:not assessed"]),
        ] {
            let pointer = format!("/plugins/installs/foo/{key}");
            let expected = [&["unpinned:warn"], expected].concat();
            assert_eq!(host.clone().hide(&pointer, Hidden::Variable).ids(plugins), expected, "{key}");
            assert_eq!(host.clone().withhold(&pointer).ids(plugins), expected, "{key}");
        }
    }

    #[test]
    fn records_that_are_withheld_are_not_taken_for_none() {
        let open = ["unpinned:not assessed", "integrity:not assessed", "drift:not assessed"];
        for pointer in ["/plugins", "/plugins/installs", "/plugins/installs/foo"] {
            assert_eq!(host(SOUND).withhold(pointer).ids(plugins), open, "{pointer}");
        }
    }
}
