//! Which files the config names as includes, leniently, for permission checks: the raw documents are walked,
//! nothing is merged or confined, and what cannot be read is still listed.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde_json::Value;

use super::include::INCLUDE;
use super::scan::scan;
use super::tree::{Node, Tree, parse};
use super::{
    MAX_CONFIG_BYTES, MAX_DEPTH, MAX_INCLUDE_FILES, MAX_INCLUDE_LEVEL, MAX_POINTER_BYTES, MAX_TOTAL_BYTES,
    MAX_VALUES,
};
use crate::target::{Located, absolute, is_inside, read_regular};

/// The includes of the config whose permissions are checked, depth first, each path once. `loaded` is the parsed
/// main file, used when it is that same config.
pub(super) fn includes(located: &Located, loaded: Option<&Tree>) -> Vec<PathBuf> {
    let main = &located.config_audit;
    let mut walk = Walk {
        root: main.parent().unwrap_or(Path::new("/")),
        seen: HashSet::new(),
        found: Vec::new(),
        bytes: 0,
    };
    if *main == located.config_load {
        if let Some(tree) = loaded {
            walk.document(main, tree, 0);
        }
    } else if let Some(tree) = walk.read(main) {
        walk.document(main, &tree, 0);
    }
    walk.found
}

struct Walk<'a> {
    root: &'a Path,
    seen: HashSet<PathBuf>,
    found: Vec<PathBuf>,
    bytes: u64,
}

impl Walk<'_> {
    fn document(&mut self, base: &Path, tree: &Tree, level: usize) {
        if level > MAX_INCLUDE_LEVEL {
            return;
        }
        let mut names = Vec::new();
        list(tree, &mut names);
        for name in names {
            let path = absolute(base.parent().unwrap_or(self.root), Path::new(name));
            if self.found.len() >= MAX_INCLUDE_FILES || !self.seen.insert(path.clone()) {
                continue;
            }
            self.found.push(path.clone());
            // The gateway refuses an include from elsewhere, so there is no reason to open any file of the host.
            if is_inside(self.root, &path)
                && let Some(tree) = self.read(&path)
            {
                self.document(&path, &tree, level + 1);
            }
        }
    }

    fn read(&mut self, path: &Path) -> Option<Tree> {
        let cap = MAX_CONFIG_BYTES.min(MAX_TOTAL_BYTES.saturating_sub(self.bytes));
        let bytes = read_regular(path, cap).ok()?;
        self.bytes += bytes.len() as u64;
        let text = String::from_utf8_lossy(&bytes);
        let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
        scan(text, MAX_DEPTH, MAX_VALUES).ok()?;
        let mut budget = MAX_POINTER_BYTES;
        Some(parse(text, 0, 0, &mut budget).ok()?.tree)
    }
}

/// The names in `$include` keys of a raw document, an object's own before those below it.
fn list<'t>(tree: &'t Tree, names: &mut Vec<&'t str>) {
    match &tree.node {
        Node::Leaf(_) => {}
        Node::Array(items) => items.iter().for_each(|item| list(item, names)),
        Node::Object(entries) => {
            for (_, item) in entries.iter().filter(|(key, _)| key == INCLUDE) {
                match &item.node {
                    Node::Leaf(Value::String(name)) => names.push(name),
                    Node::Array(items) => names.extend(items.iter().filter_map(|item| match &item.node {
                        Node::Leaf(Value::String(name)) => Some(name.as_str()),
                        _ => None,
                    })),
                    _ => {}
                }
            }
            for (_, item) in entries {
                list(item, names);
            }
        }
    }
}
