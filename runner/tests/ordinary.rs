//! Nothing ordinary gets worse: each set-up of `tests/corpus/ordinary` is built and audited by the real program, and
//! its findings, what was not assessed and the exit code are those that are recorded. A verdict that is not the first
//! recorded one any more has a reason beside it. `CHITIN_BLESS=1` records verdicts, never reasons.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    clippy::indexing_slicing,
    reason = "a test that is set up wrongly must stop"
)]
#![allow(clippy::print_stderr, reason = "the person who runs the tests is told what was left out")]

mod support;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt::Write as _;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStringExt as _;
use std::os::unix::fs::{PermissionsExt as _, lchown, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Output};

use libtest_mimic::{Arguments, Failed, Trial};
use serde::Deserialize;
use serde_json::Value;

use support::root;

/// Where the recorded verdict begins in a case's file.
const FIRST: &str = "\n[first]\n";

/// Modes of what a case does not give one: those of umask 022.
const FOLDER: u32 = 0o755;
const FILE: u32 = 0o644;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    #[serde(rename = "description")]
    _description: String,
    #[serde(default = "audit")]
    arguments: Vec<String>,
    #[serde(default)]
    environment: BTreeMap<String, String>,
    directory: Option<String>,
    owner: Option<u32>,
    user: Option<u32>,
    object: Vec<Object>,
    first: Option<Verdict>,
    now: Option<Now>,
}

fn audit() -> Vec<String> {
    vec!["audit".to_owned()]
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    path: String,
    r#type: String,
    mode: Option<String>,
    owner: Option<u32>,
    #[serde(default)]
    content: String,
    #[serde(default)]
    target: String,
    count: Option<usize>,
}

/// What an audit says.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Verdict {
    exit: i32,
    /// `check-id:severity`, sorted.
    findings: Vec<String>,
    /// Check ids, sorted.
    not_assessed: Vec<String>,
}

/// What it says by now, and why that is another thing than at first.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Now {
    reason: String,
    exit: i32,
    findings: Vec<String>,
    not_assessed: Vec<String>,
}

fn main() -> ExitCode {
    let folder = root().join("tests/corpus/ordinary");
    let mut files: Vec<PathBuf> = fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|path| path.extension() == Some(OsStr::new("toml")));
    files.sort();
    let trial = |file: PathBuf| {
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        Trial::test(name.clone(), move || judge(&name, &file))
    };
    libtest_mimic::run(&Arguments::from_args(), files.into_iter().map(trial).collect()).exit_code()
}

fn judge(name: &str, file: &Path) -> Result<(), Failed> {
    let text = fs::read_to_string(file)?;
    let case: Case = toml::from_str(&text).map_err(|error| format!("{name}: {error}"))?;
    let owners = case.object.iter().filter_map(|object| object.owner);
    let needs_root = case.owner.is_some() || case.user.is_some() || owners.count() > 0;
    if needs_root && !rustix::process::geteuid().is_root() {
        eprintln!("{name}: left out, because only root can make files of somebody else");
        return Ok(());
    }
    let seen = run(&case)?;
    if std::env::var_os("CHITIN_BLESS").is_some() {
        fs::write(file, recorded(&text, &case, &seen))?;
        return Ok(());
    }
    let Some(first) = &case.first else {
        return Err("no verdict is recorded; `make bless` records it".into());
    };
    let expected = match &case.now {
        Some(now) if now.reason.trim().is_empty() => {
            return Err(
                "the verdict is another one than at first, and `reason` in [now] does not say why".into()
            );
        }
        Some(Now { exit, findings, not_assessed, .. }) => {
            Verdict { exit: *exit, findings: findings.clone(), not_assessed: not_assessed.clone() }
        }
        None => first.clone(),
    };
    if seen == expected {
        return Ok(());
    }
    Err(format!(
        "recorded:\n{}\nnow:\n{}\n`make bless` records it; say the reason in [now]",
        lines(&expected),
        lines(&seen)
    )
    .into())
}

/// The case's file with this verdict in it.
fn recorded(text: &str, case: &Case, seen: &Verdict) -> String {
    let head = text.split_once(FIRST).map_or(text, |(head, _)| head).trim_end();
    let first = case.first.as_ref().unwrap_or(seen);
    let mut out = format!("{head}\n{FIRST}{}", lines(first));
    if first != seen {
        let reason = case.now.as_ref().map_or("", |now| now.reason.as_str());
        write!(out, "\n[now]\nreason = {}\n{}", Value::from(reason), lines(seen)).unwrap();
    }
    out
}

fn lines(verdict: &Verdict) -> String {
    let list = |name: &str, items: &[String]| {
        let items: String = items.iter().fold(String::new(), |mut out, item| {
            writeln!(out, "  {},", Value::from(item.as_str())).unwrap();
            out
        });
        if items.is_empty() { format!("{name} = []\n") } else { format!("{name} = [\n{items}]\n") }
    };
    let Verdict { exit, findings, not_assessed } = verdict;
    format!("exit = {exit}\n{}{}", list("findings", findings), list("not_assessed", not_assessed))
}

/// Builds the set-up in a folder of its own and audits it.
fn run(case: &Case) -> Result<Verdict, Failed> {
    let folder = tempfile::Builder::new().prefix("chitin-ordinary-").tempdir()?;
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(FOLDER))?;
    let here = folder.path().to_str().unwrap();
    let placed = |text: &str| text.replace("$CASE", here);
    let mut modes = Vec::new();
    for object in &case.object {
        for number in 0..object.count.unwrap_or(1) {
            let path = folder.path().join(bytes(&object.path.replace("{n}", &number.to_string())));
            parents(&path, case.owner)?;
            match object.r#type.as_str() {
                "dir" if path.is_dir() => {}
                "dir" => fs::create_dir(&path)?,
                "file" => fs::write(&path, placed(&object.content))?,
                "symlink" => symlink(placed(&object.target), &path)?,
                "hardlink" => fs::hard_link(folder.path().join(&object.target), &path)?,
                "fifo" => {
                    rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0)?;
                }
                other => return Err(format!("unknown type {other}").into()),
            }
            if let Some(owner) = object.owner.or(case.owner).filter(|_| object.r#type != "hardlink") {
                lchown(&path, Some(owner), Some(owner))?;
            }
            if !matches!(object.r#type.as_str(), "symlink" | "hardlink") {
                let usual = if object.r#type == "dir" { FOLDER } else { FILE };
                let mode = object.mode.as_ref().map_or(Ok(usual), |mode| u32::from_str_radix(mode, 8))?;
                modes.push((path, mode));
            }
        }
    }
    // The deepest first: a folder may be closed to the one who makes it.
    for (path, mode) in modes.iter().rev() {
        fs::set_permissions(path, fs::Permissions::from_mode(*mode))?;
    }
    let directory = folder.path().join(case.directory.as_deref().unwrap_or_default());
    let environment = case.environment.iter().map(|(name, value)| (name, placed(value)));
    let output = start(case.user, folder.path(), |command| {
        command.env_clear().env("HOME", folder.path().join("home")).env("SOURCE_DATE_EPOCH", "1777600000");
        command.envs(environment.clone()).current_dir(&directory);
        command.args(case.arguments.iter().map(|argument| placed(argument))).arg("--json");
    })?;
    // A closed folder is opened again, so that it can be taken away.
    for (path, _) in modes.iter().filter(|(path, _)| path.is_dir()) {
        fs::set_permissions(path, fs::Permissions::from_mode(FOLDER))?;
    }
    verdict(&output)
}

/// Runs the program as this user. Where the user cannot reach it, a copy beside the case is run.
fn start(user: Option<u32>, folder: &Path, set_up: impl Fn(&mut Command)) -> Result<Output, Failed> {
    let command = |program: &OsStr| {
        let mut command = Command::new(program);
        set_up(&mut command);
        if let Some(user) = user {
            command.uid(user).gid(user);
        }
        command
    };
    let program = OsStr::new(env!("CARGO_BIN_EXE_chitin"));
    match command(program).output() {
        Err(error) if error.kind() == ErrorKind::PermissionDenied => {
            let copy = folder.join("chitin");
            fs::copy(program, &copy)?;
            Ok(command(copy.as_os_str()).output()?)
        }
        other => Ok(other?),
    }
}

fn verdict(output: &Output) -> Result<Verdict, Failed> {
    let report: Value = serde_json::from_slice(&output.stdout)
        .map_err(|error| format!("no report ({error}): {}", String::from_utf8_lossy(&output.stderr)))?;
    let list = |name: &str| report.get(name).and_then(Value::as_array).cloned().unwrap_or_default();
    let text =
        |value: &Value, name: &str| value.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let mut findings: Vec<String> = list("findings")
        .iter()
        .map(|finding| format!("{}:{}", text(finding, "checkId"), text(finding, "severity")))
        .collect();
    findings.sort();
    let assessment = list("assessment");
    let missing = assessment.iter().filter(|check| text(check, "status") == "not-assessed");
    let mut not_assessed: Vec<String> = missing.map(|check| text(check, "checkId")).collect();
    not_assessed.sort();
    Ok(Verdict { exit: output.status.code().ok_or("the program was killed")?, findings, not_assessed })
}

/// Makes the folders above, each open to be looked into.
fn parents(path: &Path, owner: Option<u32>) -> Result<(), Failed> {
    let parent = path.parent().unwrap();
    if !parent.exists() {
        parents(parent, owner)?;
        fs::create_dir(parent)?;
        fs::set_permissions(parent, fs::Permissions::from_mode(FOLDER))?;
        if let Some(owner) = owner {
            lchown(parent, Some(owner), Some(owner))?;
        }
    }
    Ok(())
}

/// A path in which `%E9` stands for that byte.
fn bytes(path: &str) -> OsString {
    let mut parts = path.split('%');
    let mut out = parts.next().unwrap_or_default().as_bytes().to_vec();
    for part in parts {
        out.push(u8::from_str_radix(&part[..2], 16).expect("two digits follow a %"));
        out.extend_from_slice(&part.as_bytes()[2..]);
    }
    OsString::from_vec(out)
}
