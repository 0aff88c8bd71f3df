//! Real plugins from npm, the official channels and some of strangers, each installed alone and scanned by both programs.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode, Stdio};

use chitin_parity::installation::{CONFIG, Installation, STATE};
use serde_json::json;

use crate::Pair;
use crate::difference::differences;
use crate::install::Installed;
use crate::reference::Verdict;

/// Their names and versions, one a line.
const PLUGINS: &str = include_str!("../plugins.txt");

/// Scans each of them with both.
pub fn run(root: &Path, installed: &Installed) -> ExitCode {
    let packages = root.join("target/parity/plugins");
    fs::create_dir_all(&packages).expect("target/ can be written");
    let (mut scanned, mut differ) = (0, 0);
    for plugin in PLUGINS.lines() {
        let Some(archive) = fetch(&packages, plugin) else {
            println!("{plugin}: skipped, npm could not fetch it; is there a network?");
            continue;
        };
        let mut installation = Installation { deep: true, ..Installation::default() };
        installation.directory(STATE, 0o700);
        installation.json(CONFIG, 0o600, json!({}));
        // A process of its own for each: the reference keeps some of what it knew of the one before.
        let mut pair = Pair::new(root, installed, 0);
        let name = plugin.rsplit_once('@').map_or(plugin, |(name, _)| name).replace('/', "-");
        let seen = pair.look_at(&installation, |home| {
            let folder = home.join(STATE).join("extensions").join(name.trim_start_matches('@'));
            unpack(&archive, &folder);
        });
        scanned += 1;
        let findings = match &seen.reference {
            Verdict::Findings { findings, .. } => {
                let of_code = findings.iter().filter(|verdict| verdict.contains("code_safety"));
                of_code.cloned().collect::<Vec<_>>().join(" ")
            }
            refused @ Verdict::Refused { .. } => refused.to_string(),
        };
        println!("{plugin}: {}", if findings.is_empty() { "nothing in its code" } else { &findings });
        let found = differences(&seen, pair.ours.checks());
        differ += usize::from(found.iter().any(|found| found.known.is_none()));
        for found in found {
            println!("  {} ({})", found.text, found.known.unwrap_or("not known"));
        }
        for missing in seen.ours.all.iter().filter(|verdict| verdict.starts_with('[')) {
            println!("  ours: {missing}");
        }
    }
    println!("{scanned} plugins, {differ} differ");
    ExitCode::from(u8::from(differ > 0))
}

/// The package as npm serves it, which is kept.
fn fetch(packages: &Path, plugin: &str) -> Option<PathBuf> {
    let folder = packages.join(plugin.replace('/', "-"));
    let archive = |folder: &Path| fs::read_dir(folder).ok()?.flatten().map(|entry| entry.path()).next();
    if let Some(archive) = archive(&folder) {
        return Some(archive);
    }
    fs::create_dir_all(&folder).expect("target/ can be written");
    let mut npm = Command::new("npm");
    npm.args(["pack", "--loglevel=error", "--pack-destination"]).arg(&folder).arg(plugin);
    let is_fetched = npm.stdout(Stdio::null()).status().is_ok_and(|status| status.success());
    archive(&folder).filter(|_| is_fetched)
}

fn unpack(archive: &Path, folder: &Path) {
    fs::create_dir_all(folder).expect("the home can be written");
    let mut tar = Command::new("tar");
    tar.args(["--strip-components=1", "--no-same-owner", "--no-same-permissions", "-xzf"]).arg(archive);
    assert!(tar.arg("-C").arg(folder).status().is_ok_and(|status| status.success()), "tar can unpack it");
}
