//! What only some releases have: keys of the config, and files of the state directory.

use std::path::Path;

use serde_json::Value;

use crate::config::release::Release;
use crate::config::release::detect::{Evidence, exists};
use crate::config::secret_refs::SOURCES;
use crate::config::tree::{Node, Tree};

/// What the state directory holds from a release on (`changes.md`: the databases; `2026.9-delta.md` 9.1: the key). A file of
/// an older release may lie there for good, and says nothing.
const FILES: [(&str, Release); 3] = [
    ("state/openclaw.sqlite", Release::new(2026, 6, 1)),
    ("agents/main/agent/openclaw-agent.sqlite", Release::new(2026, 6, 5)),
    ("config-journal-fingerprint.key", Release::new(2026, 8, 1)),
];

/// What a program makes itself counts more than a key, which people write.
const FILE_WEIGHT: usize = 2;
/// A key.
const KEY_WEIGHT: usize = 1;

/// The last release of the older structure that was examined.
const LAST_OLDER: Release = Release::new(2026, 7, 35);

/// Files of the state directory that only some releases make.
pub(in crate::config) fn of_state(state_dir: &Path) -> Vec<Evidence> {
    let found = FILES.iter().filter(|(rel, _)| exists(state_dir, rel));
    found.map(|(rel, since)| Evidence::new(*rel, Some(*since), None, FILE_WEIGHT)).collect()
}

/// Keys that only some releases accept, with the first and the last one (`keys-by-release.tsv`). `*` stands for any key or
/// index.
const KEYS: [(&str, Option<Release>, Option<Release>); 4] = [
    ("agents.entries", Some(Release::new(2026, 8, 1)), None),
    ("agents.ownership", Some(Release::new(2026, 8, 1)), None),
    ("meta.lastTouchedAt", None, Some(LAST_OLDER)),
    ("logging.redactSensitive", None, Some(LAST_OLDER)),
];

/// Keys of the config that only some releases accept.
pub(in crate::config) fn of_keys(config: &Tree) -> Vec<Evidence> {
    let mut all = Vec::new();
    for (key, since, until) in KEYS {
        let path: Vec<&str> = key.split('.').collect();
        if present(config, &path) {
            all.push(Evidence::new(key, since, until, KEY_WEIGHT));
        }
    }
    if holds_secret_ref(config) {
        all.push(Evidence::new("a SecretRef object", Some(SECRET_REFS), None, KEY_WEIGHT));
    }
    if has_unowned_agents(config) {
        all.push(Evidence::new("agents.list with several agents", None, Some(LAST_OLDER), KEY_WEIGHT));
    }
    all
}

/// The first release with references to secrets (`changes.md`).
const SECRET_REFS: Release = Release::new(2026, 2, 26);

fn present(tree: &Tree, path: &[&str]) -> bool {
    let Some((first, rest)) = path.split_first() else { return true };
    match (&tree.node, *first) {
        (Node::Object(members), "*") => members.iter().any(|(_, member)| present(member, rest)),
        (Node::Array(items), "*") => items.iter().any(|item| present(item, rest)),
        (Node::Object(_), key) => tree.get(key).is_some_and(|member| present(member, rest)),
        _ => false,
    }
}

fn holds_secret_ref(tree: &Tree) -> bool {
    match &tree.node {
        Node::Array(items) => items.iter().any(holds_secret_ref),
        Node::Object(members) => {
            is_secret_ref(tree) || members.iter().any(|(_, member)| holds_secret_ref(member))
        }
        Node::Leaf(_) => false,
    }
}

fn is_secret_ref(tree: &Tree) -> bool {
    let Node::Object(members) = &tree.node else { return false };
    let text = |key: &str| match tree.get(key).map(|member| &member.node) {
        Some(Node::Leaf(Value::String(text))) => Some(text.as_str()),
        _ => None,
    };
    members.len() == 3
        && text("source").is_some_and(|source| SOURCES.contains(&source))
        && text("provider").is_some()
        && text("id").is_some()
}

/// Two agents or more in the older form, none of whom is marked as the default one: newer releases refuse that.
fn has_unowned_agents(config: &Tree) -> bool {
    let Some(agents) = config.get("agents") else { return false };
    let Some(Tree { node: Node::Array(list), .. }) = agents.get("list") else { return false };
    let is_marked = |agent: &&Tree| {
        matches!(agent.get("default").map(|mark| &mark.node), Some(Node::Leaf(Value::Bool(true))))
    };
    list.len() > 1 && agents.get("ownership").is_none() && list.iter().filter(is_marked).count() != 1
}
