//! A home directory of its own for each case, and the real program run over it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test that is set up wrongly must stop"
)]
#![allow(dead_code, reason = "no test uses all of it")]

pub mod fixes;

use std::fs;
use std::os::unix::fs::{DirBuilderExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::process::Command;

use chitin::config::Config;
use chitin::config::release::Word;
use chitin::target::{Environment, Located, Preview};
use serde::Deserialize;

/// The root of the repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// A file of `tests/corpus/databases`, unpacked.
pub fn database(name: &str) -> Vec<u8> {
    let packed = fs::read(root().join(format!("tests/corpus/databases/{name}.gz"))).expect("it is there");
    let mut bytes = Vec::new();
    std::io::Read::read_to_end(&mut flate2::read::GzDecoder::new(packed.as_slice()), &mut bytes).unwrap();
    bytes
}

/// Loads a config by the release that the older cases are about.
pub fn load(located: &Located, environment: &mut Environment) -> Config {
    load_preview(located, environment, &Preview::default())
}

/// The same, as if files had other texts.
pub fn load_preview(located: &Located, environment: &mut Environment, preview: &Preview) -> Config {
    let word = Word { asked: RELEASE.parse().ok(), greeted: None };
    chitin::config::load_preview(located, environment, preview, word)
}

/// A temporary home directory.
pub struct Home {
    directory: tempfile::TempDir,
    modes: Vec<(PathBuf, u32)>,
    /// The release that audits and fixes judge by, where they do not say one.
    pub release: Option<String>,
}

/// The release that the older cases are about.
pub const RELEASE: &str = "2026.2.19";

impl Home {
    pub fn new() -> Self {
        let directory = tempfile::Builder::new().prefix("chitin-home-").tempdir().unwrap();
        fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self { directory, modes: Vec::new(), release: Some(RELEASE.to_owned()) }
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// Directories that are not named get mode 755, as with umask 022.
    fn parents(path: &Path) {
        let parent = path.parent().unwrap();
        if !parent.exists() {
            Self::parents(parent);
            fs::create_dir(parent).unwrap();
            fs::set_permissions(parent, fs::Permissions::from_mode(0o755)).unwrap();
        }
    }

    /// Takes away a file, where something else is to stand in its place.
    fn make_room(&mut self, path: &Path) {
        Self::parents(path);
        if path.symlink_metadata().is_ok_and(|metadata| !metadata.is_dir()) {
            fs::remove_file(path).unwrap();
            self.modes.retain(|(known, _)| known != path);
        }
    }

    pub fn directory(&mut self, rel: &str, mode: u32) {
        let path = self.path().join(rel);
        self.make_room(&path);
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&path).unwrap();
        self.modes.push((path, mode));
    }

    /// Writes a file; without content one that exists keeps what it has.
    pub fn file(&mut self, rel: &str, mode: u32, content: Option<&[u8]>) {
        let path = self.path().join(rel);
        Self::parents(&path);
        if content.is_some() || !path.exists() {
            fs::write(&path, content.unwrap_or_default()).unwrap();
        }
        self.modes.push((path, mode));
    }

    /// Gives an object that is there another mode.
    pub fn mode(&mut self, rel: &str, mode: u32) {
        let path = self.path().join(rel);
        self.modes.push((path, mode));
    }

    pub fn symlink(&mut self, rel: &str, target: &str) {
        let path = self.path().join(rel);
        self.make_room(&path);
        std::os::unix::fs::symlink(target, &path).unwrap();
    }

    pub fn fifo(&mut self, rel: &str, mode: u32) {
        let path = self.path().join(rel);
        self.make_room(&path);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, 0o600.into(), 0).unwrap();
        self.modes.push((path, mode));
    }

    /// Runs the program in this home directory, with nothing of the caller's environment.
    pub fn chitin<'a>(
        &self,
        arguments: impl IntoIterator<Item = &'a str>,
        environment: impl IntoIterator<Item = (&'a String, &'a String)>,
    ) -> Answer {
        let home = self.path().to_str().unwrap();
        let environment = environment.into_iter().map(|(name, value)| (name, value.replace("$HOME", home)));
        self.settle();
        let mut command = self.command();
        command.args(arguments).envs(environment);
        self.answer(&mut command)
    }

    /// The files of the set, with their content.
    pub fn set(&self) -> Vec<(PathBuf, Vec<u8>)> {
        let mut found = Vec::new();
        let mut folders = vec![self.path().join(".config/chitin")];
        while let Some(folder) = folders.pop() {
            for entry in fs::read_dir(folder).into_iter().flatten() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    folders.push(path);
                } else {
                    found.push((path.clone(), fs::read(path).unwrap()));
                }
            }
        }
        found.sort();
        found
    }

    /// Gives everything the mode that it was made with.
    pub fn settle(&self) {
        for (path, mode) in &self.modes {
            fs::set_permissions(path, fs::Permissions::from_mode(*mode)).unwrap();
        }
    }

    /// The program, to be run in this home directory with nothing of the caller's environment.
    pub fn command(&self) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_chitin"));
        command
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .env("HOME", self.path())
            .env("LANG", "C.UTF-8")
            .env("SOURCE_DATE_EPOCH", "1700000000")
            .current_dir(self.path());
        command
    }

    /// Says by which release it judges, where it does not say so itself.
    pub fn judge(&self, command: &mut Command) {
        const FLAG: &str = "--openclaw-version";
        let arguments: Vec<_> = command.get_args().map(|argument| argument.to_string_lossy()).collect();
        let has_command = arguments.get(1).is_some_and(|word| ["history"].contains(&&**word));
        let judges =
            !has_command && arguments.first().is_some_and(|word| ["audit", "fix"].contains(&&**word));
        let is_said = arguments.iter().any(|argument| argument.starts_with(FLAG) || argument == "--help");
        if let Some(release) = self.release.as_ref().filter(|_| judges && !is_said) {
            command.args([FLAG, release]);
        }
    }

    /// Runs such a command to its end.
    pub fn answer(&self, command: &mut Command) -> Answer {
        let home = self.path().to_str().unwrap();
        self.judge(command);
        let output = command.output().unwrap();
        let text =
            |bytes: Vec<u8>| String::from_utf8(bytes).expect("the program writes UTF-8").replace(home, "~");
        Answer {
            code: output.status.code().expect("the program ends by itself"),
            stdout: text(output.stdout),
            stderr: text(output.stderr),
        }
    }
}

/// What the program answered; the home directory is written `~`.
#[derive(Debug)]
pub struct Answer {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Answer {
    pub fn report(&self) -> Result<Report, String> {
        serde_json::from_str(&self.stdout).map_err(|error| {
            format!("exit code {} without a report ({error})\n{}{}", self.code, self.stdout, self.stderr)
        })
    }
}

/// The parts of the report that tests look at.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    pub findings: Vec<Finding>,
    pub target: Target,
    pub assessment: Vec<Assessment>,
    pub incomplete: Vec<Incomplete>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Assessment {
    pub check_id: String,
    pub policy: String,
    pub status: String,
    #[serde(default)]
    pub unassessed: Vec<Unassessed>,
}

#[derive(Debug, Deserialize)]
pub struct Unassessed {
    pub kind: String,
    pub class: String,
    pub text: String,
    pub location: Option<Location>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Finding {
    pub check_id: String,
    pub severity: String,
    pub title: String,
    pub detail: String,
    pub remediation: Option<String>,
    pub policy: String,
    pub locations: Vec<Location>,
}

#[derive(Debug, Deserialize)]
#[serde(tag = "kind", rename_all = "lowercase")]
pub enum Location {
    Config { pointer: String, file: Option<String>, line: u32, column: u32, exact: bool },
    Object { path: String, mode: Option<String> },
    Env { name: String },
    Text { path: String, line: u32, column: u32 },
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Target {
    pub state_dir: String,
}

#[derive(Debug, Deserialize)]
pub struct Incomplete {
    pub policy: Option<String>,
    pub reason: String,
    #[serde(default)]
    pub denied: Vec<String>,
}
