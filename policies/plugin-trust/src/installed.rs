//! Which plugins lie in the state directory (reference: state-checks 5.1).

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::{Context, Entry, Failure, Kind, Link, Path, StateError};

/// The gateway of this generation passes over a plugin folder that is a symbolic link; later ones load it.
const PASSES_OVER_LINKS: &str = "2026.2";

/// The folder of installed plugins. There is at least one, or they cannot be listed.
pub struct Folder {
    /// `extensions` in the state directory.
    pub path: Path,
    /// What is in it.
    pub plugins: Plugins,
}

/// What is known of the plugins.
pub enum Plugins {
    /// The names of their folders, encoded as in `path.rel`.
    Listed(Vec<String>),
    /// The folder is a symbolic link with this text. The gateway follows it, the views do not.
    Elsewhere(String),
}

/// Looks for installed plugins; none where there are none.
pub fn look(cx: &Context<'_>) -> Result<Option<Folder>, Failure> {
    let path = Path::new("state", "extensions");
    let failed = |error| unseen(&cx.display_path(&path), &error);
    let kind = match cx.host().stat(&path) {
        Ok(metadata) => metadata.kind,
        Err(StateError::NotFound) => return Ok(None),
        Err(error) => return Err(failed(error)),
    };
    let plugins = match kind {
        Kind::Directory => {
            let mut names = Vec::new();
            for entry in cx.host().list(&path).map_err(failed)? {
                if is_plugin(cx, &entry)? {
                    names.push(entry.name);
                }
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
    Ok((!is_empty).then_some(Folder { path, plugins }))
}

fn is_plugin(cx: &Context<'_>, entry: &Entry) -> Result<bool, Failure> {
    match entry.metadata.kind {
        Kind::Directory => Ok(true),
        Kind::Symlink if cx.generation() != PASSES_OVER_LINKS => is_there(cx, &entry.name),
        _ => Ok(false),
    }
}

/// A plugin folder of this name exists, links followed.
pub fn is_there(cx: &Context<'_>, name: &str) -> Result<bool, Failure> {
    Ok(leads_to_directory(cx, &Path::new("state", &format!("extensions/{name}")))?.is_some())
}

fn leads_to_directory(cx: &Context<'_>, path: &Path) -> Result<Option<Link>, Failure> {
    match cx.host().resolve(path) {
        Ok(link) => Ok(link.metadata.is_some_and(|end| end.kind == Kind::Directory).then_some(link)),
        Err(StateError::NotFound | StateError::BadPath) => Ok(None),
        Err(error) => Err(unseen(&cx.display_path(path), &error)),
    }
}
