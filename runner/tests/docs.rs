//! The generated pages are what the code says: docs/checks.md, docs/differences.md and docs/cli.md. Run with `-- --bless`
//! they are written anew. Every report that the tests can make is of the schema's form.

#![allow(
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a test makes its target, and stops where it cannot"
)]

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use chitin::policy::catalog::BUILTIN;
use chitin::policy::manifest::Manifest;
use libtest_mimic::{Arguments, Failed, Trial};

const SCHEMA: &str = "docs/report.schema.json";

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
        &["completions"],
    ] {
        let output = chitin(words, &["--help"]);
        let name = ["chitin"].iter().chain(words).copied().collect::<Vec<_>>().join(" ");
        write!(text, "\n## {name}\n\n```text\n{}```\n", String::from_utf8(output).unwrap()).unwrap();
    }
    text
}

fn chitin(words: &[&str], more: &[&str]) -> Vec<u8> {
    Command::new(env!("CARGO_BIN_EXE_chitin"))
        .args(words)
        .args(more)
        .env_clear()
        .env("COLUMNS", "100")
        .output()
        .unwrap()
        .stdout
}

fn reports_are_of_the_schemas_form() -> Result<(), Failed> {
    let schema = serde_json::from_slice(&fs::read(root().join(SCHEMA)).unwrap()).unwrap();
    let validator = jsonschema::validator_for(&schema).unwrap();
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
            if let Some(error) = validator.iter_errors(&report).next() {
                return Err(format!("{}: {error} at {}", folder.display(), error.instance_path()).into());
            }
        }
    }
    Ok(())
}
