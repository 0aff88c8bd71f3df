//! What only some releases have: keys of the config, and files of the state directory.

use std::path::Path;

use serde_json::Value;

use crate::config::pointer::{join, readable};
use crate::config::release::Release;
use crate::config::release::detect::Evidence;
use crate::config::schema::{self, Trail};
use crate::config::secret_refs::SOURCES;
use crate::config::tree::{Node, Tree};
use crate::target::sysroot;

/// What the state directory holds from a release on (`changes.md`: the databases; `2026.9-delta.md` 9.1: the key). A file of
/// an older release may lie there for good, and says nothing.
const FILES: [(&str, Release); 3] = [
    ("state/openclaw.sqlite", Release::new(2026, 6, 1)),
    ("agents/main/agent/openclaw-agent.sqlite", Release::new(2026, 6, 5)),
    ("config-journal-fingerprint.key", Release::new(2026, 8, 1)),
];

/// The weight of a file: programs make it, so it counts more than a key, which people write.
const FILE_WEIGHT: usize = 2;
/// The weight of a key.
const KEY_WEIGHT: usize = 1;

/// The last release of the older structure that was examined.
const LAST_OLDER: Release = Release::new(2026, 7, 35);

/// Files of the state directory that only some releases make.
pub(in crate::config) fn of_state(state_dir: &Path) -> Vec<Evidence> {
    let found = FILES.iter().filter(|(rel, _)| sysroot::lstat(&state_dir.join(rel)).is_ok());
    found.map(|(rel, since)| Evidence::new(*rel, Some(*since), None, FILE_WEIGHT)).collect()
}

/// Most keys that are named: more pieces make nothing surer.
const MOST: usize = 50;

/// The release whose schema is the first to know the channels of plugins; before, what such a channel held was not looked at.
const CHANNELS_CHECKED: Release = Release::new(2026, 3, 31);

/// Keys of the config that only some releases accept.
pub(in crate::config) fn of_keys(config: &Tree) -> Vec<Evidence> {
    let mut all = Vec::new();
    add_keys(config, &Trail::root(), "", &mut all);
    if holds_secret_ref(config) {
        all.push(Evidence::new("a SecretRef object", Some(SECRET_REFS), None, KEY_WEIGHT));
    }
    if has_unowned_agents(config) {
        all.push(Evidence::new("agents.list with several agents", None, Some(LAST_OLDER), KEY_WEIGHT));
    }
    all
}

/// Adds the keys below a place whose releases are fewer than those of the place itself. A key that no release knows says
/// nothing.
fn add_keys(tree: &Tree, trail: &Trail, pointer: &str, all: &mut Vec<Evidence>) {
    // The config of a plugin comes and goes with the plugin's place in the package.
    let is_plugins = pointer.starts_with("/plugins/entries/") && pointer.ends_with("/config");
    if is_plugins || all.len() >= MOST {
        return;
    }
    let mut add = |name: &str, member: &Tree| {
        let below = trail.step(name);
        let releases = below.releases();
        if releases == 0 {
            return;
        }
        let place = join(pointer, name);
        if releases != trail.releases() {
            let (since, until) = schema::ends(releases);
            let is_late = |since: &Release| !place.starts_with("/channels/") || *since > CHANNELS_CHECKED;
            let since = since.filter(is_late);
            // A list of agents becomes entries where it is clean.
            if (since.is_some() || until.is_some()) && place != "/agents/list" && all.len() < MOST {
                all.push(Evidence::new(readable(&place), since, until, KEY_WEIGHT));
            }
        }
        add_keys(member, &below, &place, all);
    };
    match &tree.node {
        Node::Object(members) => members.iter().for_each(|(name, member)| add(name, member)),
        Node::Array(items) => {
            for (index, item) in items.iter().enumerate().take(MOST) {
                add(&index.to_string(), item);
            }
        }
        Node::Leaf(_) => {}
    }
}

/// The first release with references to secrets (`changes.md`).
const SECRET_REFS: Release = Release::new(2026, 2, 26);

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
