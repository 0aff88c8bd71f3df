//! Our program, as its users start it.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use chitin_parity::installation::Installation;
use chitin_parity::release::Release;
use serde::Deserialize;

use crate::difference::{check_of, unnumbered};

/// The policy that reports what the reference prints before it refuses to audit.
pub const OWN_POLICY: &str = "config-problems";

/// The list of checks that the reference does not have is in here.
const OWN_CHECKS: &str = include_str!("../../corpus/known-differences.toml");

/// Its path, and what it knows to check.
pub struct Ours {
    program: PathBuf,
    release: Release,
    checks: Vec<String>,
    /// It knows `--deep`.
    pub deep: bool,
}

/// What it says of an installation.
#[derive(Clone, Debug, Default)]
pub struct Verdict {
    /// Findings that the reference could have, `checkId:severity`.
    pub findings: Vec<String>,
    /// Findings about what the reference refuses, or does not see.
    pub own: Vec<String>,
    /// Both, with the reasons of what is missing.
    pub all: Vec<String>,
    /// The exit code; -1 where it did not end by itself.
    pub code: i32,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Report {
    findings: Vec<Finding>,
    incomplete: Vec<Incomplete>,
    target: Target,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Finding {
    check_id: String,
    severity: String,
    policy: String,
}

#[derive(Deserialize)]
struct Incomplete {
    policy: Option<String>,
    reason: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Target {
    state_dir: String,
}

#[derive(Deserialize)]
struct Manifest {
    policy: About,
    check: Vec<About>,
}

#[derive(Deserialize)]
struct About {
    id: String,
}

impl Ours {
    /// The program that `make` built.
    pub fn new(root: &Path, release: Release) -> Self {
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let program = root.join(target).join("debug/chitin");
        let list = Command::new(&program).args(["policy", "list", "--json"]).output().expect("chitin runs");
        let manifests: Vec<Manifest> = serde_json::from_slice(&list.stdout).expect("a list of manifests");
        let manifests = manifests.into_iter().filter(|manifest| manifest.policy.id != OWN_POLICY);
        let checks = manifests.flat_map(|manifest| manifest.check).map(|check| unnumbered(&check.id));
        let checks = checks.filter(|check| !OWN_CHECKS.contains(&format!("check = \"{check}\""))).collect();
        let help = Command::new(&program).args(["audit", "--help"]).output().expect("chitin runs");
        let deep = String::from_utf8_lossy(&help.stdout).contains("--deep");
        Self { program, release, checks, deep }
    }

    /// The ids that built-in policies check, with `*` for a name.
    pub fn checks(&self) -> &[String] {
        &self.checks
    }

    /// Its verdict on what lies in `home`.
    pub fn audit(&self, home: &Path, installation: &Installation) -> Verdict {
        let environment = &installation.environment(home);
        let mut output = self.run(home, environment, installation.deep);
        if output.status.code() == Some(4)
            && let Ok(report) = serde_json::from_slice::<Report>(&output.stdout)
        {
            // The reference creates a state directory that is missing before it looks.
            let _ = fs::create_dir_all(&report.target.state_dir);
            let _ = fs::set_permissions(&report.target.state_dir, fs::Permissions::from_mode(0o700));
            output = self.run(home, environment, installation.deep);
        }
        let code = output.status.code().unwrap_or(-1);
        let Ok(report) = serde_json::from_slice::<Report>(&output.stdout) else {
            let all = vec![String::from_utf8_lossy(&output.stderr).into_owned()];
            return Verdict { all, code, ..Verdict::default() };
        };
        let mut verdict = Verdict { code, ..Verdict::default() };
        for finding in report.findings {
            let text = unnumbered(&format!("{}:{}", finding.check_id, finding.severity));
            verdict.all.push(text.clone());
            if finding.policy == OWN_POLICY {
                verdict.own.push(text);
            } else if check_of(&text, &self.checks).is_some() {
                verdict.findings.push(text);
            }
        }
        for part in report.incomplete {
            verdict.all.push(format!("[{}: {}]", part.policy.as_deref().unwrap_or("audit"), part.reason));
        }
        verdict
    }

    fn run(&self, home: &Path, environment: &BTreeMap<String, String>, deep: bool) -> Output {
        Command::new(&self.program)
            .args(["audit", "--json", "--openclaw-version", &self.release.to_string()])
            .args(deep.then_some("--deep"))
            .env_clear()
            .envs([("PATH", "/usr/bin:/bin"), ("LANG", "C.UTF-8"), ("SOURCE_DATE_EPOCH", "1771545600")])
            .env("HOME", home)
            .envs(environment)
            .current_dir(home)
            .output()
            .expect("chitin runs")
    }
}
