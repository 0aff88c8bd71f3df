//! The generated pages are what the code says: docs/checks.md, docs/differences.md and docs/cli.md. Run with `-- --bless`
//! they are written anew. Every file that the tests can make is of its schema's form, and no schema knows another key than the program.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use chitin::audit::baseline::Baseline;
use chitin::policy::catalog::BUILTIN;
use chitin::policy::lock::Lock;
use chitin::policy::manifest::Manifest;
use chitin::settings::Settings;
use chitin_test_support::with_manifest;
use libtest_mimic::{Arguments, Failed, Trial};
use serde_json::Value;

/// Pages whose blocks of TOML are those of chitin.toml.
const ON_SETTINGS: [&str; 4] = ["settings.md", "known.md", "locked-down.md", "strangers.md"];

fn main() {
    let mut arguments: Vec<String> = std::env::args().collect();
    let bless = arguments.iter().any(|argument| argument == "--bless");
    arguments.retain(|argument| argument != "--bless");
    let page = |name: &'static str, text: fn() -> String| {
        Trial::test(name, move || {
            let path = root().join(name);
            if bless {
                fs::write(&path, text()).unwrap();
            }
            let fresh = fs::read_to_string(&path).is_ok_and(|written| written == text());
            if fresh { Ok(()) } else { Err(Failed::from(format!("{name} is out of date; run `make docs`"))) }
        })
    };
    let trials = vec![
        page("docs/checks.md", checks),
        page("docs/differences.md", differences),
        page("docs/cli.md", cli),
        Trial::test("the reports are of the schema's form", reports_are_of_the_schemas_form),
        Trial::test(
            "settings, lock and baseline are of their schemas' form",
            files_are_of_their_schemas_form,
        ),
        Trial::test("what a file may not say its schema refuses", || {
            what_a_file_may_not_say_its_schema_refuses();
            Ok(())
        }),
        Trial::test("schemas know the keys that the program knows", || {
            schemas_know_the_keys_of_the_program();
            Ok(())
        }),
        Trial::test(
            "the threat model names tests that are there",
            the_threat_model_names_tests_that_are_there,
        ),
    ];
    libtest_mimic::run(&Arguments::from_iter(arguments), trials).exit();
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// Each name in the threat model that is written like a test's or a guest's is one, and each file is there.
fn the_threat_model_names_tests_that_are_there() -> Result<(), Failed> {
    let page = fs::read_to_string(root().join("docs/threat-model.md")).unwrap();
    let mut sources = String::new();
    let mut folders: Vec<std::path::PathBuf> =
        ["runner/src", "runner/tests", "tests/hostile", "policies/sqlite-reader"]
            .map(|folder| root().join(folder))
            .into();
    let mut guests = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                guests.extend(path.file_stem().map(|name| name.to_string_lossy().into_owned()));
                sources.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let words: std::collections::BTreeSet<&str> = sources
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .chain(guests.iter().map(String::as_str))
        .collect();
    let mut missing = Vec::new();
    // Names of tests have three words, or stand behind their file.
    for quoted in page.split('`').skip(1).step_by(2) {
        let (file, names) = quoted.split_once(".rs: ").map_or(("", quoted), |(file, names)| (file, names));
        if !file.is_empty() {
            let places = ["", "runner/", "runner/tests/"].map(|base| root().join(format!("{base}{file}.rs")));
            missing.extend((!places.iter().any(|path| path.exists())).then(|| format!("{file}.rs")));
        }
        let is_name = |name: &&str| {
            name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_')
        };
        let names = names
            .split(", ")
            .filter(is_name)
            .filter(|name| !file.is_empty() || name.matches('_').count() > 1);
        missing.extend(names.filter(|name| !words.contains(name)).map(str::to_owned));
    }
    if missing.is_empty() { Ok(()) } else { Err(Failed::from(format!("there is no {}", missing.join(", ")))) }
}

fn checks() -> String {
    let mut text = "# Checks\n\nWritten by `make docs` from the policies' manifests. `chitin explain CHECK-ID` prints a \
                    check's page. A check that names releases looks for nothing in others.\n\n\
                    | check | severity | releases | policy | what it finds |\n| --- | --- | --- | --- | --- |\n"
        .to_owned();
    let policies = policies();
    let mut rows: Vec<String> = Vec::new();
    for (manifest, _) in &policies {
        let id = &manifest.policy.id;
        let row = |check: &chitin::policy::manifest::Check| {
            let releases: Vec<String> =
                check.releases.iter().map(|range| format!("`{}`", range.as_str())).collect();
            let releases = if releases.is_empty() { "all".to_owned() } else { releases.join(", ") };
            format!(
                "| `{}` | {} | {releases} | [{id}](../policies/{id}/README.md) | {} |",
                check.id, check.severity, check.summary
            )
        };
        rows.extend(manifest.checks.iter().map(row));
    }
    rows.sort();
    text.push_str(&rows.join("\n"));
    text.push_str("\n\n# What each policy may look at, and why\n\nNothing else is given to it.\n");
    for (manifest, page) in &policies {
        let why = section(page, "Capabilities");
        writeln!(text, "\n## {}\n\n{}. {why}\n", manifest.policy.id, manifest.policy.summary).unwrap();
        for name in manifest.capabilities.names() {
            writeln!(text, "- `{name}`").unwrap();
        }
    }
    text
}

/// Where the verdicts differ from the reference's, as each policy's page says it.
fn differences() -> String {
    let mut text = "# Differences from the reference\n\nWritten by `make docs` from the policies' pages: where Chitin's verdict \
                    differs from that of `openclaw security audit`, and why.\n"
        .to_owned();
    for (manifest, page) in policies() {
        let differences = section(page, "Differences from the reference");
        write!(text, "\n## {}\n\n{differences}\n", manifest.policy.id).unwrap();
    }
    text
}

/// Each built-in policy's manifest and page.
fn policies() -> Vec<(Manifest, &'static str)> {
    BUILTIN.iter().map(|builtin| (builtin.manifest().unwrap(), builtin.page)).collect()
}

/// What stands below a heading of a page.
fn section<'a>(page: &'a str, heading: &str) -> &'a str {
    let (_, rest) = page.split_once(&format!("## {heading}\n")).unwrap();
    rest.split_once("\n## ").map_or(rest, |(section, _)| section).trim()
}

fn cli() -> String {
    let mut text = "# Command line\n\nWritten by `make docs` from `--help`.\n".to_owned();
    for words in [
        &[][..],
        &["audit"],
        &["baseline"],
        &["baseline", "write"],
        &["baseline", "show"],
        &["baseline", "prune"],
        &["diff"],
        &["fix"],
        &["fix", "history"],
        &["undo"],
        &["explain"],
        &["doctor"],
        &["policy"],
        &["policy", "list"],
        &["policy", "inspect"],
        &["policy", "add"],
        &["policy", "update"],
        &["policy", "remove"],
        &["policy", "verify"],
        &["policy", "outdated"],
        &["policy", "vendor"],
        &["policy", "refresh"],
        &["policy", "prune"],
        &["policy", "compile"],
        &["policy", "push"],
        &["policy", "new"],
        &["policy", "build"],
        &["policy", "test"],
        &["policy", "bench"],
        &["policy", "check"],
        &["policy", "pack"],
        &["policy", "wit"],
        &["schema"],
        &["completions"],
    ] {
        let output = chitin(words, &["--help"]);
        let name = ["chitin"].iter().chain(words).copied().collect::<Vec<_>>().join(" ");
        write!(text, "\n## {name}\n\n```text\n{}```\n", String::from_utf8(output).unwrap()).unwrap();
    }
    text
}

fn chitin(words: &[&str], more: &[&str]) -> Vec<u8> {
    // There is no settings file of this account's in it.
    chitin_of(Path::new("/nonexistent"), words, more)
}

/// Runs the program with a home folder, and gives what it printed.
fn chitin_of(home: &Path, words: &[&str], more: &[&str]) -> Vec<u8> {
    Command::new(env!("CARGO_BIN_EXE_chitin"))
        .args(words)
        .args(more)
        .current_dir(root())
        .env_clear()
        .env("COLUMNS", "100")
        .env("HOME", home)
        .output()
        .unwrap()
        .stdout
}

/// The schema of this name, as the program prints it.
fn schema(name: &str) -> Value {
    let text = chitin(&["schema", name], &[]);
    let file = fs::read(root().join(format!("docs/{name}.schema.json"))).unwrap();
    assert!(text == file, "chitin schema {name} prints another one than docs/{name}.schema.json");
    serde_json::from_slice(&text).unwrap()
}

/// What is wrong with a value by the schema of this name; none where nothing is.
fn wrong(name: &str, value: &Value) -> Option<String> {
    let validator = jsonschema::validator_for(&schema(name)).unwrap();
    let told = |error: jsonschema::ValidationError| format!("{error} at {}", error.instance_path());
    validator.iter_errors(value).next().map(told)
}

/// TOML as JSON.
fn json(toml: &str) -> Value {
    toml::from_str::<Value>(toml).unwrap_or_else(|error| panic!("{toml}\n{error}"))
}

fn reports_are_of_the_schemas_form() -> Result<(), Failed> {
    let home = tempfile::tempdir().unwrap();
    let demo = home.path().join("demo");
    assert!(Command::new(root().join("tests/corpus/demo/install")).arg(&demo).status().unwrap().success());
    let broken = home.path().join("broken");
    fs::create_dir(&broken).unwrap();
    fs::write(broken.join("openclaw.json"), "{ gateway: ").unwrap();
    for folder in [demo.join(".openclaw"), broken, home.path().join("demo/.openclaw/logs")] {
        for deep in [&[][..], &["--deep"]] {
            let words = [&["audit", "--json"], deep, &["--state-dir"]].concat();
            let report = serde_json::from_slice(&chitin(&words, &[folder.to_str().unwrap()])).unwrap();
            if let Some(error) = wrong("report", &report) {
                return Err(format!("{}: {error}", folder.display()).into());
            }
        }
    }
    Ok(())
}

/// The settings in the pages, and what the program itself writes.
fn files_are_of_their_schemas_form() -> Result<(), Failed> {
    let mut files = Vec::new();
    for page in ON_SETTINGS {
        let text = fs::read_to_string(root().join("docs").join(page)).unwrap();
        let blocks = text.split("\n```toml\n").skip(1).filter_map(|rest| rest.split("\n```").next());
        files.extend(blocks.map(|block| ("settings", json(block))));
    }
    let shown: Vec<&str> =
        files.iter().flat_map(|(_, file)| file.as_object().unwrap().keys()).map(|key| &**key).collect();
    let all = schema("settings");
    let hidden: Vec<&String> =
        all["properties"].as_object().unwrap().keys().filter(|key| !shown.contains(&key.as_str())).collect();
    assert!(hidden.is_empty(), "no page shows {hidden:?}");

    let home = tempfile::tempdir().unwrap();
    let installed = Command::new(root().join("tests/corpus/demo/install")).arg(home.path()).status().unwrap();
    assert!(installed.success());
    let manifest = "[policy]\nid = \"theirs\"\nversion = \"1.0.0\"\nsummary = \"One of somebody else\"\n[[check]]\n\
                    id = \"hostile.finding\"\nseverity = \"warn\"\nsummary = \"It says so\"\n\
                    [capabilities]\nconfig = [\"/tools\"]\n";
    let [policy, baseline] = ["theirs.wasm", "known.json"].map(|name| home.path().join(name));
    fs::write(&policy, with_manifest(manifest)).unwrap();
    chitin_of(home.path(), &["policy", "add", "--yes"], &[policy.to_str().unwrap()]);
    chitin_of(home.path(), &["baseline", "write"], &[baseline.to_str().unwrap()]);
    for (name, file) in [("settings", "chitin.toml"), ("lock", "chitin.lock")] {
        let text = fs::read_to_string(home.path().join(".config/chitin").join(file)).unwrap();
        assert!(text.contains("theirs"), "{text}");
        files.push((name, json(&text)));
    }
    let baseline: Value = serde_json::from_slice(&fs::read(baseline).unwrap()).unwrap();
    assert!(baseline["findings"].as_array().unwrap().len() > 10, "{baseline}");
    files.push(("baseline", baseline));
    match files.iter().find_map(|(name, file)| Some((name, file, wrong(name, file)?))) {
        Some((name, file, error)) => Err(format!("{name}: {error}\n{file:#}").into()),
        None => Ok(()),
    }
}

/// A settings file that says all there is.
const SETTINGS: &str = r#"
honour-config-suppressions = false
confine = "off"
sigstore-root = "root.json"
require-signatures = true
final = false
permissions = { directory = "02770", file = "660" }
severity = { "a.b" = "info" }
[[accepted]]
check = "a.b"
reason = "r"
until = "2027-01-31"
[[suppression]]
check = "fs.config.*"
place = "/channels/*"
reason = "ticket 4711"
expires = "2027-02-01"
[[policy]]
id = "the-irs"
source = "x"
grants = ["config:"]
[[trusted-key]]
key = "RWT7nby7ReHHpXvH0nVj8rucySIgzVQqSyOcQvMC0vxhHUes+wnXIrzG"
name = "Ann"
policies = ["ann-*"]
revoked = "stolen"
[[trusted-identity]]
issuer = "https://accounts.example"
identity = "*@example.com"
name = "Bob"
policies = ["*"]
revoked = "gone"
"#;

/// A lock that says all there is.
const LOCK: &str = r#"
version = 1
[[policy]]
id = "theirs"
version = "1.0.0"
contract = "1.0.0"
source = "oci://h/theirs"
resolved = "oci://h/theirs@sha256:0"
digest = "sha256:ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb"
signer = "AB12"
native = "x86_64-linux"
capabilities = ["config:"]
checks = [{ id = "a.b", severity = "warn" }]
"#;

/// A baseline that says all there is.
const BASELINE: &str = r#"{
  "baselineVersion": 1, "writtenBy": "chitin 0.1.0", "checks": ["a.b"], "findings": [{
    "checkId": "a.b", "place": "config", "fingerprint": "0123", "severity": "warn", "count": 2, "owner": "Ann",
    "expires": "2027-01-31", "note": "n" }]
}"#;

/// The program reads it.
fn is_read(name: &str, text: &str) -> bool {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("chitin.lock");
    fs::write(&file, text).unwrap();
    match name {
        "settings" => Settings::read(&file).is_ok(),
        "lock" => Lock::read(home.path()).is_ok(),
        _ => Baseline::read(&file).is_ok(),
    }
}

fn what_a_file_may_not_say_its_schema_refuses() {
    let value = |name: &str, text: &str| match name {
        "baseline" => serde_json::from_str(text).unwrap(),
        _ => json(text),
    };
    for (name, good, changes) in [
        (
            "settings",
            SETTINGS,
            &[
                ("\"off\"", "\"none\""),
                ("\"root.json\"", "\"\""),
                ("signatures = true", "signatures = \"yes\""),
                ("\"02770\"", "\"12770\""),
                ("\"660\"", "\"460\""),
                ("\"660\"", "660"),
                ("\"info\"", "\"low\""),
                ("reason = \"r\"", "reason = \" \""),
                ("reason = \"r\"\n", ""),
                ("\"2027-01-31\"", "\"31.1.2027\""),
                ("\"a.b\"\nreason", "\"a.*\"\nreason"),
                ("\"fs.config.*\"", "\"fs.*.perms\""),
                ("\"fs.config.*\"", "\"*\""),
                ("\"fs.config.*\"", "\"fs. config\""),
                ("\"fs.config.*\"", "\"suppression.unused\""),
                ("\"/channels/*\"", "\"\""),
                ("\"ticket 4711\"", "\"ticket\\u0007\""),
                ("\"the-irs\"", "\"-irs\""),
                ("source = \"x\"\n", ""),
                ("\"config:\"", "\"all\""),
                ("RWT7", "RW"),
                ("policies = [\"ann-*\"]", "policies = []"),
                ("\"stolen\"", "\" \""),
                ("\"https://accounts.example\"", "\"accounts.example\""),
                ("\"https://accounts.example\"", "\"https://*.example\""),
                ("\"*@example.com\"", "\"**\""),
                ("\"*@example.com\"", "\"ann b\""),
            ][..],
        ),
        (
            "lock",
            LOCK,
            &[
                ("version = 1\n", "version = 2\n"),
                ("version = 1\n", ""),
                ("sha256:ca", "sha256:CA"),
                ("sha256:ca", "md5:ca"),
                ("\"warn\"", "\"fatal\""),
                ("contract = \"1.0.0\"\n", ""),
                ("capabilities = [\"config:\"]\n", ""),
                ("{ id = \"a.b\", ", "{ "),
            ],
        ),
        (
            "baseline",
            BASELINE,
            &[
                ("\"baselineVersion\": 1, ", ""),
                ("\"baselineVersion\": 1", "\"baselineVersion\": 2"),
                ("\"0123\"", "\"\""),
                ("\"count\": 2", "\"count\": 0"),
                ("\"warn\"", "\"fatal\""),
                ("\"2027-01-31\"", "\"soon\""),
                ("\"place\": \"config\", ", ""),
                ("[\"a.b\"]", "null"),
            ],
        ),
    ] {
        assert!(is_read(name, good), "{name}");
        assert_eq!(wrong(name, &value(name, good)), None, "{name}");
        for (from, to) in changes {
            let bad = good.replacen(from, to, 1);
            assert_ne!(bad, good, "{from}");
            assert!(!is_read(name, &bad), "the program takes {to} for {from} in {name}");
            assert!(wrong(name, &value(name, &bad)).is_some(), "the schema takes {to} for {from} in {name}");
        }
    }
}

/// The program names all keys that it knows where it meets one that it does not know.
fn schemas_know_the_keys_of_the_program() {
    const STRANGE: &str = "strange = 1\n";
    for (name, place, text) in [
        ("settings", "", STRANGE.to_owned()),
        ("settings", "permissions", format!("[permissions]\n{STRANGE}")),
        ("settings", "accepted", format!("[[accepted]]\n{STRANGE}")),
        ("settings", "suppression", format!("[[suppression]]\n{STRANGE}")),
        ("settings", "policy", format!("[[policy]]\n{STRANGE}")),
        ("settings", "trusted-key", format!("[[trusted-key]]\n{STRANGE}")),
        ("settings", "trusted-identity", format!("[[trusted-identity]]\n{STRANGE}")),
        ("lock", "", STRANGE.to_owned()),
        ("lock", "policy", format!("[[policy]]\n{STRANGE}")),
        ("lock", "policy/checks", format!("[[policy]]\n[[policy.checks]]\n{STRANGE}")),
        ("baseline", "", r#"{"strange": 1}"#.to_owned()),
        ("baseline", "findings", r#"{"findings": [{"strange": 1}]}"#.to_owned()),
    ] {
        let error = match name {
            "settings" => toml::from_str::<Settings>(&text).unwrap_err().message().to_owned(),
            "lock" => toml::from_str::<Lock>(&text).unwrap_err().message().to_owned(),
            _ => serde_json::from_str::<Baseline>(&text).unwrap_err().to_string(),
        };
        let (_, known) =
            error.split_once("unknown field `strange`, expected ").unwrap_or_else(|| panic!("{error}"));
        let mut known: Vec<&str> = known.split('`').skip(1).step_by(2).collect();
        let all = schema(name);
        let mut table = &all;
        for key in place.split('/').filter(|key| !key.is_empty()) {
            table = &table["properties"][key];
            table = table.get("items").unwrap_or(table);
        }
        let mut told: Vec<&str> = table["properties"].as_object().unwrap().keys().map(|key| &**key).collect();
        known.sort_unstable();
        told.sort_unstable();
        assert_eq!(known, told, "{name} {place}: what the program knows, and what the schema");
        assert_eq!(table["additionalProperties"], Value::Bool(false), "{name} {place}");
    }
}
