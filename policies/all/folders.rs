//! Lists the built-in policies. Three build scripts include this file.

use std::io;
use std::path::Path;

/// The folder that has a manifest and is no policy: one to begin with.
const TEMPLATE: &str = "template";

/// The ids of the built-in policies, in byte order: the names of their folders.
pub(crate) fn ids(policies: &Path) -> io::Result<Vec<String>> {
    let mut ids = Vec::new();
    for entry in policies.read_dir()? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name != TEMPLATE && entry.path().join("policy.toml").is_file() {
            ids.push(name);
        }
    }
    ids.sort();
    Ok(ids)
}
