//! Every policy says what it does, and does what it says: each folder below `policies/` is whole, and each of its
//! cases, run by the real program in the sandbox, gives the text that stands beside it; where a fix edits the config, the
//! edited text stands there too, byte for byte (`.cured`). `CHITIN_BLESS=1` writes the texts anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that is set up wrongly must stop"
)]

mod support;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use chitin::author::cases::Said;
use chitin::author::review::HEADINGS;
use chitin::policy::manifest::Manifest;
use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;

use support::{Home, RELEASE, root};

/// Folders below `policies/` that hold no policy.
const NO_POLICIES: [&str; 4] = ["all", "sdk", "sqlite-reader", "template"];

/// Policies without a silent case, and why there can be none.
const NEVER_SILENT: [(&str, &str); 2] = [
    ("attack-surface", "it sums up every installation"),
    ("gateway-probe", "it needs a live gateway; tests/probe.rs has one"),
];

/// Checks that no case can make fire, and why.
const NO_CASE: [(&str, &str); 11] = [
    ("config.no_working_directory", "a case has a directory; tests/attacks/surroundings.rs takes it away"),
    ("config.unreadable", "it needs a file of another account"),
    ("config.too_large", "it needs a file of megabytes"),
    ("config.more_problems", "it needs a hundred other findings"),
    ("skills.workspace.scan_truncated", "it needs two thousand skills; the policy's own tests have them"),
    ("sandbox.browser_container.docker_probe_timeout", DOCKER),
    ("sandbox.browser_container.hash_epoch_stale", DOCKER),
    ("sandbox.browser_container.hash_label_missing", DOCKER),
    ("sandbox.browser_container.non_loopback_publish", DOCKER),
    ("channels.*.account.read_only_resolution", "the policy's own tests have it"),
    ("channels.synology-chat.routing.duplicate-webhook-url", "the policy's own tests have it"),
];

/// Why no case has containers.
const DOCKER: &str = "no audit asks docker, so the check is out of reach; the policy says so";

/// What stands around a case's config.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct State {
    /// The release that it is judged by; one that the config's stamp tells where absent, and else an older one.
    release: Option<String>,
    object: Vec<Object>,
    environment: BTreeMap<String, String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    path: String,
    kind: String,
    mode: Option<String>,
    content: Option<String>,
    target: Option<String>,
}

fn main() -> ExitCode {
    let arguments = Arguments::from_args();
    let mut trials = Vec::new();
    let mut folders = Vec::new();
    for folder in entries(&root().join("policies")).into_iter().filter(|path| path.is_dir()) {
        let id = name(&folder);
        if NO_POLICIES.contains(&id.as_str()) {
            continue;
        }
        folders.push(folder.clone());
        for case in cases(&folder) {
            let (id, folder) = (id.clone(), folder.clone());
            trials.push(Trial::test(format!("{id}::{case}"), move || golden(&id, &folder, &case)));
        }
        // While the cases' texts are written anew, they cannot be judged.
        trials.push(
            Trial::test(format!("{id}::is whole"), move || whole(&folder)).with_ignored_flag(blessing()),
        );
    }
    trials.push(Trial::test("check ids have one owner", move || one_owner(&folders)));
    libtest_mimic::run(&arguments, trials).exit_code()
}

/// The texts are to be written anew.
fn blessing() -> bool {
    std::env::var_os("CHITIN_BLESS").is_some()
}

fn name(path: &Path) -> String {
    path.file_name().unwrap().to_str().unwrap().to_owned()
}

fn entries(directory: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else { return Vec::new() };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths
}

/// The names of a policy's cases.
fn cases(folder: &Path) -> Vec<String> {
    let names = entries(&folder.join("cases")).into_iter().map(|path| name(&path));
    names.filter_map(|name| Some(name.strip_suffix(".json5")?.to_owned())).collect()
}

fn manifest(folder: &Path) -> Result<Manifest, Failed> {
    let text = fs::read_to_string(folder.join("policy.toml"))?;
    Ok(text.parse().map_err(|error| format!("policy.toml: {error}"))?)
}

fn whole(folder: &Path) -> Result<(), Failed> {
    let mut wrong = Vec::new();
    let id = name(folder);
    let manifest = manifest(folder)?;
    if manifest.policy.id != id {
        wrong.push(format!("policy.toml says that it is {}", manifest.policy.id));
    }
    let readme = fs::read_to_string(folder.join("README.md"))?;
    let headings: Vec<&str> = readme.lines().filter_map(|line| line.strip_prefix("## ")).collect();
    if headings != HEADINGS {
        wrong.push(format!("README.md has the headings {headings:?}, not {HEADINGS:?}"));
    }
    let unnamed = manifest.checks.iter().filter(|check| !readme.contains(&format!("`{}`", check.id)));
    wrong.extend(unnamed.map(|check| format!("README.md does not name `{}`", check.id)));
    stray_files(folder, &mut wrong);
    covered(folder, &id, &manifest, &mut wrong);
    if wrong.is_empty() { Ok(()) } else { Err(wrong.join("\n").into()) }
}

fn stray_files(folder: &Path, wrong: &mut Vec<String>) {
    let cases = cases(folder);
    for file in entries(&folder.join("cases")) {
        let file = name(&file);
        let known = [".json5", ".state.toml", ".findings", ".cured"];
        if !known.iter().any(|ending| {
            file.strip_suffix(ending).is_some_and(|case| cases.iter().any(|known| known == case))
        }) {
            wrong.push(format!("cases/{file} belongs to no case"));
        }
    }
}

/// There is a case where the policy fires, one where it is silent and one with malformed input, and every check id
/// fires somewhere.
fn covered(folder: &Path, id: &str, manifest: &Manifest, wrong: &mut Vec<String>) {
    let cases = cases(folder);
    if !cases.iter().any(|case| case.starts_with("malformed")) {
        wrong.push("no case is named malformed".to_owned());
    }
    let findings: Vec<String> =
        cases.iter().filter_map(|case| fs::read_to_string(findings_file(folder, case)).ok()).collect();
    let never_silent = NEVER_SILENT.iter().any(|(known, _)| *known == id);
    if never_silent == findings.iter().any(|text| text.starts_with("(clean)")) {
        wrong.push(if never_silent { "it has a silent case now" } else { "no case is silent" }.to_owned());
    }
    let fired: BTreeSet<&str> = findings
        .iter()
        .flat_map(|text| text.lines())
        .filter(|line| !line.starts_with(' '))
        .filter_map(|line| line.split_once(' ').map(|(_, id)| id))
        .collect();
    let exempt = |id: &str| NO_CASE.iter().any(|(known, _)| *known == id);
    let quiet =
        manifest.checks.iter().filter(|check| exempt(&check.id) == fired.iter().any(|id| check.matches(id)));
    wrong.extend(quiet.map(|check| {
        let id = &check.id;
        if exempt(id) { format!("{id} fires in a case now") } else { format!("{id} fires in no case") }
    }));
}

fn one_owner(folders: &[PathBuf]) -> Result<(), Failed> {
    let mut owners: Vec<(String, String)> = Vec::new();
    for folder in folders {
        for check in manifest(folder)?.checks {
            let id = name(folder);
            if let Some((_, other)) = owners.iter().find(|(known, _)| *known == check.id) {
                return Err(format!("{} is declared by {other} and by {id}", check.id).into());
            }
            owners.push((check.id, id));
        }
    }
    Ok(())
}

fn findings_file(folder: &Path, case: &str) -> PathBuf {
    folder.join("cases").join(format!("{case}.findings"))
}

fn golden(id: &str, folder: &Path, case: &str) -> Result<(), Failed> {
    let (seen, cured) = render(id, folder, case)?;
    let file = findings_file(folder, case);
    let cured_file = folder.join("cases").join(format!("{case}.cured"));
    if blessing() {
        fs::write(&file, seen)?;
        match cured {
            Some(text) => fs::write(&cured_file, text)?,
            None => drop(fs::remove_file(&cured_file)),
        }
        return Ok(());
    }
    if fs::read(&cured_file).ok() != cured {
        let cured = cured.map_or("(not edited)".into(), |text| String::from_utf8_lossy(&text).into_owned());
        return Err(format!("{} is not what the fix makes:\n{cured}", cured_file.display()).into());
    }
    let expected = fs::read_to_string(&file).unwrap_or_default();
    if seen == expected {
        return Ok(());
    }
    Err(format!(
        "{} says:\n{expected}\nthe policy says:\n{seen}\n`make bless` writes the file anew",
        file.display()
    )
    .into())
}

/// Builds the case and gives the policy's words about it, and the config as a fix leaves it, where the fix edits it.
fn render(id: &str, folder: &Path, case: &str) -> Result<(String, Option<Vec<u8>>), Failed> {
    let config = fs::read(folder.join("cases").join(format!("{case}.json5")))?;
    let state: State = match fs::read_to_string(folder.join("cases").join(format!("{case}.state.toml"))) {
        Ok(text) => toml::from_str(&text).map_err(|error| format!("{case}.state.toml: {error}"))?,
        Err(_) => State::default(),
    };
    let mut home = Home::new();
    home.directory(".openclaw", 0o700);
    home.file(".openclaw/openclaw.json", 0o600, Some(&config));
    let is_stamped = String::from_utf8_lossy(&config).contains("lastTouchedVersion");
    home.release = match (&state.release, is_stamped) {
        (Some(release), _) => Some(release.clone()),
        (None, true) => None,
        (None, false) => Some(RELEASE.to_owned()),
    };
    for Object { path, kind, mode, content, target } in &state.object {
        let mode = || {
            u32::from_str_radix(mode.as_deref().expect("the object has a mode"), 8)
                .expect("the mode is octal")
        };
        match kind.as_str() {
            "directory" => home.directory(path, mode()),
            "file" => home.file(path, mode(), content.as_deref().map(str::as_bytes)),
            // One of tests/corpus/databases, by its name.
            "database" => {
                let name = target.as_deref().expect("the database has a name");
                home.file(path, mode(), Some(&support::database(name)));
            }
            "symlink" => home.symlink(path, target.as_deref().expect("the link has a target")),
            "fifo" => home.fifo(path, mode()),
            other => return Err(format!("{case}.state.toml: unknown kind {other}").into()),
        }
    }
    let manifest = manifest(folder)?;
    let deep = manifest.policy.deep.then_some("--deep");
    let answer = home.chitin(["audit", "--policy", id, "--json"].into_iter().chain(deep), &state.environment);
    // As `chitin policy test` tells it to authors elsewhere.
    let said = Said::of(&answer.stdout, &answer.code.to_string(), &answer.stderr);
    let text = said.map_err(|error| error.to_string())?.text();
    let file = home.path().join(".openclaw/openclaw.json");
    // A case may have something else there, a FIFO for one.
    let read =
        || file.symlink_metadata().is_ok_and(|found| found.is_file()).then(|| fs::read(&file).ok()).flatten();
    let before = read();
    if !manifest.capabilities.fixes.is_empty() {
        home.chitin(["fix", "--yes", "--policy", id], &state.environment);
    }
    let after = read();
    Ok((text, after.filter(|after| before.as_ref() != Some(after))))
}
