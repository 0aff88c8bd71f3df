//! What an unpacked package of the program has beside its schema: plugins, and ids of checks. Nothing of it is run.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};

/// The ids of the plugins in the folder of extensions.
pub(crate) fn plugins(extensions: &Path) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    let entries =
        fs::read_dir(extensions).with_context(|| format!("cannot read {}", extensions.display()))?;
    for entry in entries {
        let manifest = entry?.path().join("openclaw.plugin.json");
        let Ok(text) = fs::read_to_string(&manifest) else { continue };
        let manifest: serde_json::Value = serde_json::from_str(&text).context("a manifest is no JSON")?;
        ids.extend(manifest.get("id").and_then(serde_json::Value::as_str).map(str::to_owned));
    }
    Ok(ids)
}

/// The ids that the code names as `checkId`. One that is put together from parts is not found.
pub(crate) fn checks(folder: &Path) -> Result<BTreeSet<String>> {
    let mut ids = BTreeSet::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        if path.is_dir() {
            ids.extend(checks(&path)?);
        } else if path.extension().is_some_and(|ending| ending == "js")
            && let Ok(text) = fs::read_to_string(&path)
        {
            for behind in text.split("checkId:").skip(1) {
                let behind = behind.trim_start();
                let quote = behind.chars().next().filter(|quote| matches!(quote, '"' | '\'' | '`'));
                let id = quote.and_then(|quote| behind.get(1..)?.split(quote).next());
                let is_id = |id: &&str| {
                    id.contains('.')
                        && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
                };
                ids.extend(id.filter(is_id).map(str::to_owned));
            }
        }
    }
    Ok(ids)
}
