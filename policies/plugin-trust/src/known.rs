//! Which plugins an installation knows: those that come with it, those that lie in its folders, and those that are recorded
//! as installed (reference: 2026.9-delta 3.9).

use std::cell::OnceCell;
use std::collections::BTreeSet;

use chitin_policy_sdk::context::unseen;
use chitin_policy_sdk::openclaw::{agents, installs, plugins};
use chitin_policy_sdk::{Context, NotAssessed, Path, StateError, any};

use crate::installed::{self, Folder, Plugins};

/// Members of a plugin's description that list names by which it is called, too.
const ALIASES: [&str; 2] = ["legacyPluginIds", "aliases"];

/// The plugins that are known. What takes long is looked at where a plugin was not found among the rest.
pub struct Known<'c, 'h> {
    cx: &'c Context<'h>,
    folder: &'c Folder,
    described: OnceCell<(BTreeSet<String>, Option<NotAssessed>)>,
}

impl<'c, 'h> Known<'c, 'h> {
    /// Of an installation with this folder of plugins.
    pub fn new(cx: &'c Context<'h>, folder: &'c Folder) -> Self {
        Self { cx, folder, described: OnceCell::new() }
    }

    /// A plugin of this id, in any case.
    pub fn has(&self, id: &str) -> Result<bool, NotAssessed> {
        if plugins::is_bundled(self.cx.release(), id) {
            return Ok(true);
        }
        let in_folder = match &self.folder.plugins {
            Plugins::Listed(names) => Ok(names.iter().any(|name| is_same(name, id))),
            Plugins::Elsewhere(_) if id.contains('/') => Ok(false),
            Plugins::Elsewhere(_) => installed::is_there(self.cx, &id.replace('%', "%25")),
        };
        if in_folder == Ok(true) {
            return Ok(true);
        }
        let (ids, open) = self.described.get_or_init(|| describe(self.cx, self.folder));
        if ids.contains(&id.to_lowercase()) {
            return Ok(true);
        }
        let unknown = open.clone().map_or(Ok(false), Err);
        any([in_folder, self.in_workspace(id), self.at_load_path(id), unknown])
    }

    /// It lies in the folder of an agent's own plugins, below the state directory.
    fn in_workspace(&self, id: &str) -> Result<bool, NotAssessed> {
        if id.contains('/') || id.is_empty() || id.starts_with('.') {
            return Ok(false);
        }
        let id = id.replace('%', "%25");
        let named = agents::ids(&self.cx.config())?.into_iter().map(|agent| format!("workspace-{agent}"));
        any(["workspace".to_owned()].into_iter().chain(named).map(|workspace| {
            let path = Path::new("state", &format!("{workspace}/.openclaw/extensions/{id}"));
            match self.cx.host().stat(&path) {
                Ok(_) => Ok(true),
                Err(
                    StateError::NotFound
                    | StateError::BadPath
                    | StateError::NoStateDir
                    | StateError::WrongKind,
                ) => Ok(false),
                Err(error) => Err(unseen(self.cx, "stat", &path, &error)),
            }
        }))
    }

    /// The config names a place to load it from. By its name it is known; any other place may hold it, too.
    fn at_load_path(&self, id: &str) -> Result<bool, NotAssessed> {
        let paths = self.cx.config().at("plugins.load.paths");
        let mut open = None;
        for path in paths.items()? {
            let Some(path) = path.trimmed()? else { continue };
            let name = path.trim_end_matches('/').rsplit('/').next().unwrap_or_default();
            if is_same(name, id) || name.split_once('.').is_some_and(|(stem, _)| is_same(stem, id)) {
                return Ok(true);
            }
            open = Some(NotAssessed::absent("which plugins plugins.load.paths names is not looked at"));
        }
        open.map_or(Ok(false), Err)
    }
}

fn is_same(one: &str, other: &str) -> bool {
    one.replace("%25", "%").to_lowercase() == other.to_lowercase()
}

/// What plugins say themselves that they are called, and what is recorded of installed ones.
fn describe(cx: &Context<'_>, folder: &Folder) -> (BTreeSet<String>, Option<NotAssessed>) {
    let mut open = folder.open.clone();
    let mut ids = installs::plugin_ids(cx, &mut |reason| open = Some(reason));
    let names = match &folder.plugins {
        Plugins::Listed(names) => names.as_slice(),
        Plugins::Elsewhere(_) => &[],
    };
    for name in names {
        let manifest = folder.path.join(name).join("openclaw.plugin.json");
        match installs::read_json(cx, &manifest) {
            Ok(Some(manifest)) => {
                let lists = ALIASES.iter().filter_map(|key| manifest.get(key)?.as_array()).flatten();
                let texts = manifest.get("id").into_iter().chain(lists).filter_map(|id| id.as_str());
                ids.extend(texts.map(|id| id.trim().to_lowercase()));
            }
            Ok(None) => {}
            Err(reason) => open = Some(reason),
        }
    }
    (ids, open)
}
