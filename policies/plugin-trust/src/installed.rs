//! Which plugins lie in the state directory (reference: state-checks 5.1).

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::{Context, Entry, Kind, Link, NotAssessed, Path, StateError, Target};

/// The folder of installed plugins. There is at least one, or they cannot be listed.
pub struct Folder {
    /// `extensions` in the state directory.
    pub path: Path,
    /// What is in it.
    pub plugins: Plugins,
    /// Why there may be more plugins in it; none where these are all.
    pub open: Option<NotAssessed>,
}

/// What is known of the plugins.
pub enum Plugins {
    /// The names of their folders, encoded as in `path.rel`.
    Listed(Vec<String>),
    /// The folder is a symbolic link with this text. The gateway follows it, the views do not.
    Elsewhere(String),
}

/// Looks for installed plugins; none where there are none.
pub fn look(cx: &Context<'_>) -> Result<Option<Folder>, NotAssessed> {
    let path = Path::new("state", "extensions");
    let kind = match cx.host().stat(&path) {
        Ok(metadata) => metadata.kind,
        Err(StateError::NotFound) => return Ok(None),
        Err(error) => return Err(unseen(cx, "stat", &path, &error)),
    };
    let mut open = None;
    let plugins = match kind {
        Kind::Directory => {
            let mut names = Vec::new();
            for entry in cx.host().list(&path).map_err(|error| unseen(cx, "list", &path, &error))? {
                match is_plugin(cx, &entry) {
                    Ok(true) => names.push(entry.name),
                    Ok(false) => {}
                    Err(reason) => open = Some(reason),
                }
            }
            if let (true, Some(reason)) = (names.is_empty(), &open) {
                return Err(reason.clone());
            }
            Plugins::Listed(names)
        }
        Kind::Symlink => match leads_to_directory(cx, &path)? {
            Some(link) => Plugins::Elsewhere(link.text),
            None => return Ok(None),
        },
        Kind::File | Kind::Other => return Ok(None),
    };
    let is_empty = matches!(&plugins, Plugins::Listed(names) if names.is_empty());
    Ok((!is_empty).then_some(Folder { path, plugins, open }))
}

/// Names of folders that later releases do not take for plugins (reference: releases/changes, 2026.5.2 and 2026.5.7).
fn is_ignored(cx: &Context<'_>, name: &str) -> bool {
    let name = name.to_lowercase();
    let ending = name.rsplit_once('.').map(|(_, ending)| ending);
    let is_left_over = name == "node_modules"
        || name.starts_with('.')
        || ending == Some("bak")
        || name.contains(".backup-")
        || name.contains(".disabled");
    is_left_over && cx.release().since(2026, 5, 2)
}

fn is_plugin(cx: &Context<'_>, entry: &Entry) -> Result<bool, NotAssessed> {
    if is_ignored(cx, &entry.name) {
        return Ok(false);
    }
    match entry.metadata.kind {
        Kind::Directory => Ok(true),
        // Earlier gateways pass over a plugin folder that is a symbolic link; later ones load it.
        Kind::Symlink if cx.release().since(2026, 8, 1) => is_there(cx, &entry.name),
        _ => Ok(false),
    }
}

/// A plugin folder of this name exists, links followed.
pub fn is_there(cx: &Context<'_>, name: &str) -> Result<bool, NotAssessed> {
    Ok(leads_to_directory(cx, &Path::new("state", &format!("extensions/{name}")))?.is_some())
}

fn leads_to_directory(cx: &Context<'_>, path: &Path) -> Result<Option<Link>, NotAssessed> {
    let link = match cx.host().resolve(path) {
        Ok(link) => link,
        Err(StateError::NotFound | StateError::BadPath) => return Ok(None),
        Err(error) => return Err(unseen(cx, "stat", path, &error)),
    };
    match (link.metadata, link.target) {
        (Some(end), _) => Ok((end.kind == Kind::Directory).then_some(link)),
        (None, Target::Dangling | Target::Loop) => Ok(None),
        (None, Target::Inside | Target::Outside) => Err(unseen(cx, "stat", path, &StateError::Denied)),
    }
}
