//! Golden cases of a policy from a file: each is an installation in a temporary home folder, audited by this very program
//! in a child, with nothing of the caller's environment but where the cache of code lies.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Component, Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use rustix::fs::{AtFlags, FileType, Mode};
use serde::Deserialize;
use serde_json::Value;

use super::{place, review};
use crate::policy::manifest::Capabilities;
use crate::random;
use crate::sandbox::view::Grants;
use crate::target::{ReadError, read_regular};
use crate::wording::of_toml;

/// The longest file of a case that is read, in bytes.
const MAX_FILE_BYTES: u64 = 16 << 20;

/// The time that audits of cases are told: 2023-11-14.
const NOW: &str = "1700000000";

/// The variable that gives a text that is hidden: by its name it holds a secret.
const HIDING: &str = "HIDDEN_BY_TEST_TOKEN";

/// How deep a config may be nested whose texts are hidden; no real one is.
const MAX_DEPTH: usize = 100;

/// The most lines of what a policy wrote that are told.
const MAX_LOG: usize = 10;

/// The most texts of one case that are hidden.
const MAX_HIDDEN: usize = 64;

/// The temporary home folder, as the text of a case has it.
const HOME: &str = "~";

/// A case: a config, and what stands around it.
#[derive(Clone, Debug)]
pub struct Case {
    /// Its name.
    pub name: String,
    config: Vec<u8>,
    state: State,
}

/// What stands around a case's config: `NAME.state.toml`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
struct State {
    /// The release that it is judged by; where absent, the audit decides.
    release: Option<String>,
    object: Vec<Object>,
    environment: BTreeMap<String, String>,
}

/// An object below the home folder.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Object {
    path: String,
    kind: Kind,
    mode: Option<String>,
    content: Option<String>,
    target: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Kind {
    Directory,
    File,
    Symlink,
    Fifo,
}

/// Why a case cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum CaseError {
    /// A file of it cannot be read.
    #[error(transparent)]
    Read(#[from] ReadError),
    /// It is written wrongly.
    #[error("{0}: {1}")]
    Wrong(String, String),
    /// Its installation cannot be made.
    #[error("its installation cannot be made: {0}")]
    System(#[from] io::Error),
    /// The audit gave no report.
    #[error("the audit gave no report (exit code {0}): {1}")]
    NoReport(String, String),
}

impl From<rustix::io::Errno> for CaseError {
    fn from(errno: rustix::io::Errno) -> Self {
        Self::System(errno.into())
    }
}

impl From<review::FolderError> for CaseError {
    fn from(error: review::FolderError) -> Self {
        match error {
            review::FolderError::Read(error) => Self::Read(error),
            review::FolderError::NoText(path) => {
                Self::Wrong(path.display().to_string(), "it is not UTF-8".to_owned())
            }
            review::FolderError::Wrong(path, text) => Self::Wrong(path.display().to_string(), text),
        }
    }
}

/// The names of the cases in a folder `cases/`, in byte order; none where there is no such folder.
#[must_use]
pub fn names(folder: &Path) -> Vec<String> {
    let Ok(entries) = std::fs::read_dir(folder) else { return Vec::new() };
    let names = entries.filter_map(|entry| entry.ok()?.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter_map(|name| Some(name.strip_suffix(".json5")?.to_owned())).collect();
    names.sort();
    names
}

/// Where the expected words of a case stand.
#[must_use]
pub fn findings_file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("{name}.findings"))
}

impl Case {
    /// Reads a case of a folder `cases/`.
    ///
    /// # Errors
    /// Where a file cannot be read, or is wrong.
    pub fn read(folder: &Path, name: &str) -> Result<Self, CaseError> {
        let config = folder.join(format!("{name}.json5"));
        if config.is_symlink() {
            let reason = "it is a link, and a case may not be a file from elsewhere".to_owned();
            return Err(CaseError::Wrong(config.display().to_string(), reason));
        }
        let config = read_regular(&config, MAX_FILE_BYTES)?;
        let path = folder.join(format!("{name}.state.toml"));
        let state = match review::text(&path) {
            Ok(text) => toml::from_str(&text)
                .map_err(|error| CaseError::Wrong(path.display().to_string(), of_toml(&text, &error)))?,
            Err(review::FolderError::Read(ReadError::NotFound(_))) => State::default(),
            Err(error) => return Err(error.into()),
        };
        // What begins the audit, outside of the sandbox, would load what they name.
        let is_loaders = |name: &&String| ["LD_", "GLIBC_"].iter().any(|start| name.starts_with(start));
        if let Some(variable) = state.environment.keys().find(is_loaders) {
            let reason = format!("the variable {variable} is for the program loader, and no case may set it");
            return Err(CaseError::Wrong(path.display().to_string(), reason));
        }
        Ok(Self { name: name.to_owned(), config, state })
    }

    /// The same case, once for each text of its config that a policy with these capabilities sees: a variable gives that text, so that
    /// it is what it was, and the policy does not see it. Each with the pointer of the text.
    #[must_use]
    pub fn with_each_text_hidden(&self, capabilities: &Capabilities) -> Vec<(String, Self)> {
        let text = std::str::from_utf8(&self.config).unwrap_or_default();
        if depth(text) > MAX_DEPTH {
            return Vec::new();
        }
        let Ok(config) = json5::from_str::<Value>(text) else { return Vec::new() };
        let grants = Grants::new(capabilities.clone(), BTreeMap::new());
        let mut found = Vec::new();
        texts(&config, &mut String::new(), &mut found);
        found.retain(|(pointer, text)| {
            grants.config(pointer) && !grants.secret(pointer) && !text.contains('$')
        });
        let hidden = found.into_iter().take(MAX_HIDDEN).filter_map(|(pointer, text)| {
            let mut config = config.clone();
            *config.pointer_mut(&pointer)? = Value::from(format!("${{{HIDING}}}"));
            let mut state = self.state.clone();
            state.environment.insert(HIDING.to_owned(), text);
            let config = serde_json::to_vec(&config).ok()?;
            Some((pointer, Self { name: self.name.clone(), config, state }))
        });
        hidden.collect()
    }

    /// An installation with a state directory, and nothing in it.
    #[must_use]
    pub fn empty() -> Self {
        Self { name: "empty installation".to_owned(), config: Vec::new(), state: State::default() }
    }
}

/// How deep a text is nested at most, whatever stands between its quotes.
fn depth(text: &str) -> usize {
    let mut depth: usize = 0;
    let depths = text.bytes().map(|byte| {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.saturating_sub(1),
            _ => {}
        }
        depth
    });
    depths.max().unwrap_or(0)
}

/// The texts in a config, with their pointers.
fn texts(value: &Value, pointer: &mut String, found: &mut Vec<(String, String)>) {
    let members: Vec<(String, &Value)> = match value {
        Value::String(text) => return found.push((pointer.clone(), text.clone())),
        Value::Object(members) => {
            members.iter().map(|(key, value)| (key.replace('~', "~0").replace('/', "~1"), value)).collect()
        }
        Value::Array(items) => {
            items.iter().enumerate().map(|(number, value)| (number.to_string(), value)).collect()
        }
        _ => return,
    };
    for (key, value) in members {
        let length = pointer.len();
        pointer.push('/');
        pointer.push_str(&key);
        texts(value, pointer, found);
        pointer.truncate(length);
    }
}

/// A policy that cases are run against.
#[derive(Clone, Debug)]
pub struct Subject {
    /// This program.
    pub program: PathBuf,
    /// The component, or a code file.
    pub policy: PathBuf,
    /// It runs in deep audits only.
    pub deep: bool,
    /// Where the cache of code lies, as `XDG_CACHE_HOME`.
    pub cache: Option<PathBuf>,
}

/// How a case's installation is changed before it is audited.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Not at all.
    Whole,
    /// Nobody may read or enter anything of it.
    Unreadable,
}

impl Subject {
    /// Audits a case with these grants.
    ///
    /// # Errors
    /// Where the case is wrong, or there is no report.
    pub fn run(&self, case: &Case, grants: &[String], access: Access) -> Result<Said, CaseError> {
        let home = Home::new()?;
        home.install(case)?;
        if access == Access::Unreadable {
            home.lock()?;
        }
        let mut command = Command::new(&self.program);
        command
            .args(["audit", "--json", "--timings", "--verbose", "--state-dir"])
            .arg(home.path.join(".openclaw"))
            .arg("--policy")
            .arg(&self.policy)
            .args(self.deep.then_some("--deep"))
            .args(grants.iter().flat_map(|grant| ["--grant", grant]))
            .args(case.state.release.iter().flat_map(|release| ["--openclaw-version", release]))
            .current_dir(&home.path)
            .env_clear()
            .envs(
                case.state
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value.replace("$HOME", &home.shown))),
            )
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", &home.path)
            .env("LANG", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", NOW)
            .envs(self.cache.iter().map(|cache| ("XDG_CACHE_HOME", cache)))
            .stdin(Stdio::null());
        let output = command.output()?;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).replace(&home.shown, HOME);
        let code = output.status.code().map_or("none".to_owned(), |code| code.to_string());
        Said::of(&text(&output.stdout), &code, &text(&output.stderr))
    }
}

/// What one run used of its limits, at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Used {
    /// Units of fuel.
    pub fuel: u64,
    /// Bytes of linear memory.
    pub memory: u64,
    /// Calls of imports of the contract.
    pub calls: u64,
    /// The time from mapping its code to its answer.
    pub time: Duration,
}

impl Used {
    /// Reads the line that `--timings` gives of a run.
    fn of(notes: &str) -> Self {
        let line = notes.lines().find(|line| line.contains("; fuel ")).unwrap_or_default();
        let after = |word: &str| -> u64 {
            let rest = line.split_once(word).map_or("", |(_, rest)| rest);
            let digits =
                rest.find(|c: char| !c.is_ascii_digit()).map_or(rest, |end| rest.get(..end).unwrap_or(rest));
            digits.parse().unwrap_or_default()
        };
        let milliseconds: f64 =
            line.trim().split(' ').next().and_then(|number| number.parse().ok()).unwrap_or_default();
        Self {
            fuel: after("; fuel "),
            memory: after(", memory "),
            calls: after(", calls "),
            time: Duration::try_from_secs_f64(milliseconds / 1000.0).unwrap_or_default(),
        }
    }

    /// The more of both, of each.
    #[must_use]
    pub fn most(self, other: Self) -> Self {
        Self {
            fuel: self.fuel.max(other.fuel),
            memory: self.memory.max(other.memory),
            calls: self.calls.max(other.calls),
            time: self.time.max(other.time),
        }
    }
}

/// What an audit said of a case.
#[derive(Clone, Debug)]
pub struct Said {
    report: Report,
    code: String,
    /// What it used.
    pub used: Used,
    /// What it wrote itself, a panic among it.
    pub log: Vec<String>,
}

/// The parts of a report that cases look at.
#[derive(Clone, Debug, Deserialize)]
struct Report {
    findings: Vec<Finding>,
    assessment: Vec<Assessment>,
    incomplete: Vec<Incomplete>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    check_id: String,
    severity: String,
    title: String,
    detail: String,
    remediation: Option<String>,
    locations: Vec<Location>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Assessment {
    check_id: String,
    status: String,
    #[serde(default)]
    unassessed: Vec<Unassessed>,
}

#[derive(Clone, Debug, Deserialize)]
struct Unassessed {
    kind: String,
    class: String,
    text: String,
    location: Option<Location>,
}

#[derive(Clone, Debug, Deserialize)]
struct Incomplete {
    policy: Option<String>,
    reason: String,
    #[serde(default)]
    denied: Vec<String>,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
enum Location {
    Config { pointer: String, file: Option<String>, line: u32, column: u32, exact: bool },
    Object { path: String, mode: Option<String> },
    Env { name: String },
    Text { path: String, line: u32, column: u32 },
}

impl Location {
    fn told(&self) -> String {
        match self {
            Self::Config { pointer, file, line, column, exact } => {
                let place = file
                    .as_ref()
                    .map_or_else(|| "no file".to_owned(), |file| format!("{file}:{line}:{column}"));
                let missing = if *exact { "" } else { " (not set)" };
                if pointer.is_empty() { place } else { format!("{place} {pointer}{missing}") }
            }
            Self::Object { path, mode: Some(mode) } => format!("{path} {mode}"),
            Self::Object { path, mode: None } => path.clone(),
            Self::Env { name } => format!("env {name}"),
            Self::Text { path, line, column } => format!("{path}:{line}:{column}"),
        }
    }
}

impl Said {
    /// What an audit wrote, with its exit code: the report as JSON, and on standard error its notes and timings.
    ///
    /// # Errors
    /// Where there is no report.
    pub fn of(report: &str, code: &str, notes: &str) -> Result<Self, CaseError> {
        match serde_json::from_str(report) {
            Ok(report) => {
                let words = |line: &str| line.split_once(": ").map(|(_, words)| words.to_owned());
                let is_log = |line: &&str| !line.starts_with(' ') && !line.starts_with("warning: ");
                let log = notes.lines().filter(is_log).filter_map(words).take(MAX_LOG).collect();
                Ok(Self { report, code: code.to_owned(), used: Used::of(notes), log })
            }
            Err(_) => Err(CaseError::NoReport(code.to_owned(), notes.trim().to_owned())),
        }
    }

    /// All of it as text, as it stands in `NAME.findings`. The home folder is written `~`.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        for finding in &self.report.findings {
            let Finding { check_id, severity, title, detail, remediation, locations } = finding;
            let _ = writeln!(text, "{} {check_id}\n  title: {title}", severity.to_uppercase());
            for location in locations {
                let _ = writeln!(text, "  at: {}", location.told());
            }
            let _ = writeln!(text, "  detail: {}", detail.replace('\n', "\n    "));
            if let Some(remediation) = remediation {
                let _ = writeln!(text, "  fix: {}", remediation.replace('\n', "\n    "));
            }
        }
        for check in &self.report.assessment {
            for open in &check.unassessed {
                let place =
                    open.location.as_ref().map_or(String::new(), |place| format!(" at {}", place.told()));
                let _ = writeln!(text, "{} {}: {}{place}", open.class, check.check_id, open.text);
            }
        }
        for gap in &self.report.incomplete {
            let policy = gap.policy.as_ref().map_or(String::new(), |policy| format!("{policy}: "));
            let _ = writeln!(text, "incomplete: {policy}{}", gap.reason);
            for denied in &gap.denied {
                let _ = writeln!(text, "  denied: {denied}");
            }
        }
        if text.is_empty() {
            text.push_str("(clean)\n");
        }
        let _ = writeln!(text, "exit {}", self.code);
        text
    }

    /// The check has a finding.
    #[must_use]
    pub fn finds(&self, check: &str) -> bool {
        self.report.findings.iter().any(|found| found.check_id == check)
    }

    /// Why the policy has no answer: it broke off, or said what no policy may say, or a limit of the sandbox ended it.
    #[must_use]
    pub fn failure(&self) -> Option<&str> {
        let mut opens = self.report.assessment.iter().flat_map(|check| &check.unassessed);
        // A policy may say itself that something is more than it looks at.
        let is_own = |open: &Unassessed| open.text.starts_with("over a limit: ");
        let broke = |open: &&Unassessed| open.kind == "broken" || open.kind == "limit" && !is_own(open);
        opens.find(broke).map(|open| open.text.as_str())
    }

    /// What is wrong where less was shown than for `whole`: a finding that is not so, or a check that passes for clean.
    #[must_use]
    pub fn untrue(&self, whole: &Self) -> Vec<String> {
        let mut wrong = Vec::new();
        let (all, part) = (whole.found(), self.found());
        for (check, severity) in part.difference(&all) {
            wrong.push(format!("it finds {check} ({severity}), which is not so"));
        }
        for check in self.report.assessment.iter().filter(|check| check.status == "clean") {
            if all.iter().any(|(found, _)| *found == check.check_id) {
                wrong.push(format!("{} passes for clean, and is not", check.check_id));
            }
        }
        wrong
    }

    fn found(&self) -> BTreeSet<(&str, &str)> {
        self.report.findings.iter().map(|found| (found.check_id.as_str(), found.severity.as_str())).collect()
    }
}

/// A temporary home folder. It goes away with this.
struct Home {
    path: PathBuf,
    /// The path as the report shows it.
    shown: String,
}

impl Home {
    fn new() -> Result<Self, CaseError> {
        let mut bytes = [0; 8];
        random::fill(&mut bytes)?;
        let name = format!("chitin-case-{:016x}", u64::from_le_bytes(bytes));
        // Without links on the way to it: the report shows no others.
        let path = std::env::temp_dir().canonicalize()?.join(name);
        std::fs::DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self { shown: path.display().to_string(), path })
    }

    /// Makes what a case has. Modes come last, so that a folder without permissions can be filled.
    fn install(&self, case: &Case) -> Result<(), CaseError> {
        let state = self.path.join(".openclaw");
        std::fs::create_dir(&state)?;
        let mut modes = BTreeMap::from([(self.path.clone(), 0o755), (state.clone(), 0o700)]);
        if !case.config.is_empty() {
            place::replace(&state.join("openclaw.json"), &case.config)?;
            modes.insert(state.join("openclaw.json"), 0o600);
        }
        for object in &case.state.object {
            let wrong = |text: &str| {
                CaseError::Wrong(format!("{}.state.toml", case.name), format!("\"{}\": {text}", object.path))
            };
            let path = self.place(&object.path).map_err(wrong)?;
            // Folders that are not named have mode 755, as with umask 022.
            let mut parent = path.parent();
            let mut made = Vec::new();
            while let Some(folder) = parent.filter(|folder| !folder.exists()) {
                made.push(folder.to_owned());
                parent = folder.parent();
            }
            for folder in made.into_iter().rev() {
                std::fs::create_dir(&folder)?;
                modes.insert(folder, 0o755);
            }
            let there = path.symlink_metadata().ok();
            if there.as_ref().is_some_and(|there| !there.is_dir()) && object.kind != Kind::File {
                rustix::fs::unlink(&path)?;
            }
            match object.kind {
                Kind::Directory if there.as_ref().is_some_and(std::fs::Metadata::is_dir) => {}
                Kind::Directory => std::fs::create_dir(&path)?,
                // Without content one that exists keeps what it has.
                Kind::File => {
                    if let Some(content) = object.content.as_deref().or(there.is_none().then_some("")) {
                        place::replace(&path, content.as_bytes())?;
                    }
                }
                Kind::Symlink => {
                    let target = object.target.as_deref().ok_or_else(|| wrong("a symlink needs a target"))?;
                    // The config is read through it, and its words come out.
                    let is_config = [".openclaw", ".openclaw/openclaw.json"]
                        .map(|own| self.path.join(own))
                        .contains(&path);
                    if is_config
                        && Path::new(target).components().any(|part| !matches!(part, Component::Normal(_)))
                    {
                        return Err(wrong(
                            "a link in the place of the config leads to a file beside it, or below",
                        ));
                    }
                    rustix::fs::symlink(target, &path)?;
                }
                Kind::Fifo => {
                    rustix::fs::mknodat(rustix::fs::CWD, &path, FileType::Fifo, Mode::RUSR | Mode::WUSR, 0)?;
                }
            }
            modes.remove(&path);
            if object.kind != Kind::Symlink {
                let octal =
                    object.mode.as_deref().ok_or_else(|| wrong("it needs a mode, such as \"0644\""))?;
                let number = u32::from_str_radix(octal, 8).ok().filter(|number| *number <= 0o7777);
                modes.insert(path, number.ok_or_else(|| wrong("its mode is not octal"))?);
            }
        }
        // The deepest first: a folder may keep everybody out.
        for (path, mode) in modes.iter().rev() {
            rustix::fs::chmod(path, Mode::from_raw_mode(*mode))?;
        }
        Ok(())
    }

    /// Where an object of a case lies: below the home folder, and through no link.
    fn place(&self, path: &str) -> Result<PathBuf, &'static str> {
        let mut place = self.path.clone();
        let mut parts = Path::new(path).components().peekable();
        while let Some(part) = parts.next() {
            let Component::Normal(name) = part else {
                return Err("it has to be a path below the home folder, without \"..\"");
            };
            place.push(name);
            let is_link = place.symlink_metadata().is_ok_and(|found| found.is_symlink());
            if is_link && parts.peek().is_some() {
                return Err("a symlink stands on the way to it");
            }
        }
        if place == self.path { Err("it names nothing below the home folder") } else { Ok(place) }
    }

    /// Takes all permissions from the state directory.
    fn lock(&self) -> Result<(), CaseError> {
        Ok(rustix::fs::chmod(self.path.join(".openclaw"), Mode::empty())?)
    }
}

impl Drop for Home {
    fn drop(&mut self) {
        open(&self.path);
        // What cannot be removed stays in the folder for temporary files.
        let _ = std::fs::remove_dir_all(&self.path);
    }
}

/// Gives the folders below one permissions to be removed.
fn open(folder: &Path) {
    let _ = rustix::fs::chmod(folder, Mode::RWXU);
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            open(&entry.path());
        }
    }
}

/// This account is kept out by modes: of root nobody knows what it may not read.
#[must_use]
pub fn is_held_to_modes() -> bool {
    let Ok(home) = Home::new() else { return false };
    let path = home.path.join("closed");
    place::replace(&path, b"").is_ok()
        && rustix::fs::chmod(&path, Mode::empty()).is_ok()
        && rustix::fs::accessat(rustix::fs::CWD, &path, rustix::fs::Access::READ_OK, AtFlags::EACCESS)
            .is_err()
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt as _;

    use super::*;

    fn case(state: &str) -> Case {
        read(state).unwrap()
    }

    fn read(state: &str) -> Result<Case, CaseError> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("a.json5"), "{}").unwrap();
        fs::write(folder.path().join("a.state.toml"), state).unwrap();
        assert_eq!(names(folder.path()), ["a"]);
        Case::read(folder.path(), "a")
    }

    #[test]
    fn no_case_has_the_loader_load_something() {
        assert!(read("[environment]\nOPENCLAW_GATEWAY_PORT = \"1\"").is_ok());
        for variable in ["LD_PRELOAD", "LD_LIBRARY_PATH", "GLIBC_TUNABLES"] {
            let error = read(&format!("[environment]\n{variable} = \"x\"")).unwrap_err().to_string();
            assert!(error.contains(variable), "{error}");
        }
        assert!(read("[envirnoment]\nA = \"1\"").unwrap_err().to_string().contains("unknown field"));
    }

    fn object(path: &str, more: &str) -> String {
        format!("[[object]]\npath = \"{path}\"\n{more}\n")
    }

    #[test]
    fn an_installation_is_made_and_taken_away() {
        let state = [
            object(".openclaw/logs/a.log", "kind = \"file\"\nmode = \"0640\"\ncontent = \"x\""),
            object(".openclaw/closed", "kind = \"directory\"\nmode = \"0000\""),
            object(".openclaw/link", "kind = \"symlink\"\ntarget = \"/etc\""),
            object(".openclaw", "kind = \"directory\"\nmode = \"0755\""),
        ];
        let home = Home::new().unwrap();
        home.install(&case(&state.concat())).unwrap();
        let mode =
            |path: &str| fs::symlink_metadata(home.path.join(path)).unwrap().permissions().mode() & 0o7777;
        assert_eq!(mode(".openclaw"), 0o755);
        assert_eq!(mode(".openclaw/openclaw.json"), 0o600);
        assert_eq!((mode(".openclaw/logs"), mode(".openclaw/logs/a.log")), (0o755, 0o640));
        assert_eq!(mode(".openclaw/closed"), 0);
        let path = home.path.clone();
        drop(home);
        assert!(!path.exists());
    }

    #[test]
    fn nothing_is_made_outside_of_the_home_folder() {
        let file = "kind = \"file\"\nmode = \"0600\"\ncontent = \"x\"";
        let link = object("link", "kind = \"symlink\"\ntarget = \"/tmp\"");
        for (state, words) in [
            (object("../x", file), "without \"..\""),
            (object("/tmp/x", file), "without \"..\""),
            (object("", file), "names nothing"),
            (link + &object("link/x", file), "a symlink stands on the way"),
            (object("x", "kind = \"file\""), "needs a mode"),
            (object("x", "kind = \"file\"\nmode = \"9\""), "not octal"),
            (object("x", "kind = \"symlink\""), "needs a target"),
            (
                object(".openclaw/openclaw.json", "kind = \"symlink\"\ntarget = \"/etc/hostname\""),
                "in the place of the config",
            ),
            (object(".openclaw", "kind = \"symlink\"\ntarget = \"../x\""), "in the place of the config"),
        ] {
            let error = Home::new().unwrap().install(&case(&state)).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
    }

    #[test]
    fn each_text_that_is_seen_is_hidden_once() {
        let mut case = case("");
        case.config = br#"{a: {b: "x", "c/d": ["y", 1]}, e: "${F}", g: "z", token: "s"}"#.to_vec();
        let capabilities = Capabilities {
            config: vec!["/a".to_owned(), "/e".to_owned(), "/token".to_owned()],
            secrets: vec!["/token".to_owned()],
            ..Capabilities::default()
        };
        let hidden = case.with_each_text_hidden(&capabilities);
        let pointers: Vec<&str> = hidden.iter().map(|(pointer, _)| pointer.as_str()).collect();
        assert_eq!(pointers, ["/a/b", "/a/c~1d/0"]);
        let config: Value = serde_json::from_slice(&hidden[1].1.config).unwrap();
        assert_eq!(config["a"]["c/d"][0], "${HIDDEN_BY_TEST_TOKEN}");
        assert_eq!(hidden[1].1.state.environment["HIDDEN_BY_TEST_TOKEN"], "y");
        case.config = "[".repeat(300_000).into_bytes();
        assert!(case.with_each_text_hidden(&capabilities).is_empty());
    }

    #[test]
    fn what_was_used_is_read() {
        let line =
            "    1.0 ms  mine (map 0.1, instantiate 0.2, call 0.7; fuel 30123, memory 1179648, calls 2)";
        let used = Used { fuel: 30_123, memory: 1_179_648, calls: 2, time: Duration::from_millis(1) };
        assert_eq!(Used::of(&format!("note\n{line}\n")), used);
        assert_eq!(Used::of("note"), Used::default());
        assert_eq!(used.most(Used { fuel: 1, memory: 2 << 20, ..Used::default() }).memory, 2 << 20);
    }

    #[test]
    fn a_finding_that_is_not_so_and_a_false_clean_are_told() {
        let said = |findings: &str, status: &str| {
            let report = format!(
                r#"{{"findings": [{findings}], "incomplete": [],
                "assessment": [{{"checkId": "a.b", "status": "{status}", "unassessed": []}}]}}"#
            );
            Said {
                report: serde_json::from_str(&report).unwrap(),
                code: "0".to_owned(),
                used: Used::default(),
                log: Vec::new(),
            }
        };
        let finding =
            r#"{"checkId": "a.b", "severity": "warn", "title": "t", "detail": "d", "locations": []}"#;
        let (clean, found) = (said("", "clean"), said(finding, "finding"));
        assert_eq!(found.untrue(&clean), ["it finds a.b (warn), which is not so"]);
        assert_eq!(clean.untrue(&found), ["a.b passes for clean, and is not"]);
        assert!(said("", "not-assessed").untrue(&found).is_empty() && found.untrue(&found).is_empty());
        assert_eq!(clean.text(), "(clean)\nexit 0\n");
        for (kind, text, fails) in [
            ("broken", "trapped", true),
            ("limit", "fuel limit: 1 allowed, all used", true),
            ("limit", "over a limit: files", false),
            ("unreadable", "permission denied", false),
        ] {
            let mut said = said("", "not-assessed");
            let (kind, class, text) = (kind.to_owned(), "failed".to_owned(), text.to_owned());
            said.report.assessment[0].unassessed.push(Unassessed { kind, class, text, location: None });
            assert_eq!(said.failure().is_some(), fails, "{}", said.text());
        }
        assert!(found.text().starts_with("WARN a.b\n  title: t\n  detail: d\n"));
    }
}
