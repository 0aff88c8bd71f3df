//! The reference program, behind `driver.mjs`.

use std::fmt;
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use chitin_parity::installation::Installation;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::install::Installed;

/// A process of it, with a home directory of its own.
pub struct Reference {
    command: [PathBuf; 4],
    process: Option<(Child, ChildStdin, BufReader<ChildStdout>)>,
}

/// What it says of an installation.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub enum Verdict {
    /// Its findings, `checkId:severity`, the channels whose plugins were there, and those of them that have a login.
    Findings {
        findings: Vec<String>,
        #[serde(default)]
        audited: Vec<String>,
        #[serde(default)]
        configured: Vec<String>,
    },
    /// It makes no report: the config is `invalid`, or it broke off (`crash`).
    Refused {
        #[serde(rename = "refused")]
        why: String,
        message: String,
    },
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Findings { findings, .. } => write!(f, "{}", findings.join(" ")),
            Self::Refused { why, message } => write!(f, "refused ({why}): {message}"),
        }
    }
}

impl Reference {
    /// Not started yet. Some of its paths are decided at the start, so `home` stays the same.
    pub fn new(root: &Path, installed: &Installed, home: &Path) -> Self {
        let driver = root.join("tests/parity/driver.mjs");
        let Installed { node, folder, .. } = installed;
        Self { command: [node.clone(), driver, folder.clone(), home.to_owned()], process: None }
    }

    /// Starts its process where there is none. It looks at the home directory when it starts, so that must be empty then.
    pub fn ready(&mut self) {
        if self.process.is_none() {
            let _ = std::fs::remove_dir_all(&self.command[3]);
            self.process = Some(spawn(&self.command));
        }
    }

    /// Puts its database with rows into a home directory.
    pub fn prepare(&mut self, home: &Path, installation: &Installation) {
        if installation.rows.is_empty() {
            return;
        }
        let request = json!({"home": home, "rows": installation.rows, "env": {}, "args": []}).to_string();
        let answer: Option<serde_json::Value> = self.ask(&request);
        assert!(answer.is_some_and(|answer| answer["prepared"] == true), "the database can be made");
    }

    /// Its verdict on what lies in the home directory.
    pub fn audit(&mut self, home: &Path, installation: &Installation, arguments: &[String]) -> Verdict {
        let env = installation.environment(home);
        let request = json!({"home": home, "env": env, "args": arguments, "registry": installation.registry})
            .to_string();
        self.ask(&request).unwrap_or_else(|| {
            self.process = None;
            Verdict::Refused { why: "crash".to_owned(), message: "the process ended".to_owned() }
        })
    }

    fn ask<T: DeserializeOwned>(&mut self, request: &str) -> Option<T> {
        let (_, stdin, stdout) = self.process.as_mut()?;
        writeln!(stdin, "{request}").ok()?;
        let mut line = String::new();
        stdout.read_line(&mut line).ok()?;
        serde_json::from_str(&line).ok()
    }
}

impl Drop for Reference {
    fn drop(&mut self) {
        if let Some((mut child, stdin, _)) = self.process.take() {
            drop(stdin);
            let _ = child.wait();
        }
    }
}

fn spawn([node, driver, installed, home]: &[PathBuf; 4]) -> (Child, ChildStdin, BufReader<ChildStdout>) {
    let mut child = Command::new(node)
        .arg(driver)
        .arg(installed)
        .env_clear()
        .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8")])
        .env("HOME", home)
        // What it names by a relative path must not come to lie in this work tree.
        .current_dir(std::env::temp_dir())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the reference's runtime starts");
    let stdin = child.stdin.take().expect("a pipe");
    let mut stdout = BufReader::new(child.stdout.take().expect("a pipe"));
    let mut ready = String::new();
    stdout.read_line(&mut ready).expect("the driver says that it is ready");
    assert!(ready.contains("ready"), "the driver did not start");
    (child, stdin, stdout)
}
