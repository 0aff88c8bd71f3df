//! Which agents an installation has, and their ids (reference: state-checks 1.5).

use std::collections::BTreeSet;

use serde_json::Value;

use crate::context::unseen;
use crate::{Context, Failure, Kind, Node, Path, StateError, js};

/// The id of an agent that has none.
pub const MAIN: &str = "main";

/// Longest agent id of the reference program.
const MAX_ID: usize = 64;

/// The form of an agent id that names its folder.
#[must_use]
pub fn normalise(id: &str) -> String {
    let lower = js::trim(id).to_lowercase();
    let mut name = String::new();
    for c in lower.chars() {
        if matches!(c, 'a'..='z' | '0'..='9' | '_' | '-') {
            name.push(c);
        } else if !name.ends_with('\u{0}') {
            name.push('\u{0}'); // one mark for each run of other characters
        }
    }
    let plain = name.len() <= MAX_ID
        && name.starts_with(|c: char| c.is_ascii_alphanumeric())
        && !name.contains('\u{0}');
    if !plain {
        let dashed = name.replace('\u{0}', "-");
        name = dashed.trim_matches('-').chars().take(MAX_ID).collect();
    }
    if name.is_empty() { MAIN.to_owned() } else { name }
}

/// The default agent: the first entry of `agents.list` that says so, else the first, else "main".
#[must_use]
pub fn default_id(config: &Node<'_>) -> String {
    let entries: Vec<Node<'_>> =
        config.at("agents.list").items().filter(|entry| entry.object().is_some()).collect();
    let chosen = entries.iter().find(|entry| entry.get("default").is_truthy()).or_else(|| entries.first());
    normalise(chosen.and_then(|entry| entry.get("id").trimmed()).unwrap_or(MAIN))
}

/// The folders of all configured agents, each once, the default agent first.
#[must_use]
pub fn ids(config: &Node<'_>) -> Vec<String> {
    let mut ids = vec![default_id(config)];
    let mut known: BTreeSet<String> = ids.iter().cloned().collect();
    for entry in config.at("agents.list").items() {
        if let Some(id) = entry.get("id").trimmed().map(normalise)
            && known.insert(id.clone())
        {
            ids.push(id);
        }
    }
    ids
}

/// The folders below `agents/` of the state directory: those of all configured agents, then those that exist on disk
/// alone, in byte order. Where `agents` is not a directory itself, only the configured ones are known. Needs `list` on
/// `state/agents`.
///
/// # Errors
/// `inconclusive` where the directory cannot be listed.
pub fn folders(cx: &Context<'_>) -> Result<Vec<String>, Failure> {
    let mut folders = ids(&cx.config());
    let path = Path::new("state", "agents");
    let entries = match cx.host().list(&path) {
        Ok(entries) => entries,
        Err(StateError::NotFound | StateError::WrongKind | StateError::ThroughLink) => Vec::new(),
        Err(error) => return Err(unseen(&cx.display_path(&path), &error)),
    };
    let known: BTreeSet<String> = folders.iter().cloned().collect();
    for entry in entries {
        if matches!(entry.metadata.kind, Kind::Directory | Kind::Symlink) && !known.contains(&entry.name) {
            folders.push(entry.name);
        }
    }
    Ok(folders)
}

/// The agents that the config describes, each with its id as it is written: the entries of `agents.list` whose id is
/// a text (2026.2), then those of `agents.entries` (2026.9).
#[must_use]
pub fn named<'a>(config: &Node<'a>) -> Vec<(&'a str, Node<'a>)> {
    described(config).into_iter().filter_map(|(id, entry)| Some((id?, entry))).collect()
}

/// The description that answers to an id: the first whose id is the same when normalised.
#[must_use]
pub fn entry<'a>(config: &Node<'a>, id: &str) -> Option<Node<'a>> {
    let name = normalise(id);
    // Found by the bare values: this is asked for every agent, and a place is made for the one that is meant only.
    let is_it = |id: &str, entry: &Value| entry.is_object() && is_normalised_to(id, &name);
    let (list, entries) = (config.at("agents.list"), config.at("agents.entries"));
    let mut listed = list.value().and_then(Value::as_array).into_iter().flatten();
    let at =
        listed.position(|entry| is_it(entry.get("id").and_then(Value::as_str).unwrap_or_default(), entry));
    let key = || entries.object()?.iter().find(|(id, entry)| is_it(id, entry)).map(|(id, _)| id);
    at.map(|at| list.get_item(at)).or_else(|| key().map(|key| entries.get(key)))
}

/// What [`normalise`] makes of the id is this name.
fn is_normalised_to(id: &str, name: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let plain = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_plain) && !id.starts_with(['_', '-']);
    if plain { id == name } else { normalise(id) == name }
}

/// As [`named`], and those without an id.
fn described<'a>(config: &Node<'a>) -> Vec<(Option<&'a str>, Node<'a>)> {
    let (list, entries) = (config.at("agents.list"), config.at("agents.entries"));
    let listed = list.items().map(|entry| (entry.get("id").text(), entry));
    let keyed = entries.entries().map(|(id, entry)| (Some(id), entry));
    listed.chain(keyed).filter(|(_, entry)| entry.object().is_some()).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::MemoryHost;

    #[test]
    fn normalise_makes_a_folder_name() {
        for (id, name) in [
            ("", "main"),
            ("  ", "main"),
            ("Work", "work"),
            ("-x-", "x"),
            ("a b!!c", "a-b-c"),
            ("_under", "_under"),
            ("!!", "main"),
            ("Ünï", "n"),
        ] {
            assert_eq!(normalise(id), name, "{id:?}");
        }
        assert_eq!(normalise(&"x".repeat(70)).len(), MAX_ID);
    }

    #[test]
    fn ids_are_listed_once_with_the_default_first() {
        let config =
            json!({"agents": {"list": [{"id": "Work"}, {"id": "home", "default": true}, {"id": "work"}, 5]}});
        assert_eq!(ids(&Node::root(&config)), ["home", "work"]);
        assert_eq!(ids(&Node::root(&json!({}))), ["main"]);
    }

    #[test]
    fn folders_on_disk_come_after_the_configured_ones() {
        let config = r#"{agents: {list: [{id: "work"}]}}"#;
        let host = MemoryHost::new(config)
            .file("state", "agents/work/a", 0o600, "")
            .file("state", "agents/old/a", 0o600, "")
            .file("state", "agents/main/a", 0o600, "")
            .file("state", "agents/notes.txt", 0o600, "")
            .symlink("state", "agents/linked", None);
        assert_eq!(host.with(folders).expect("the folder can be listed"), ["work", "linked", "main", "old"]);
    }

    #[test]
    fn a_folder_of_agents_that_cannot_be_listed_is_not_called_empty() {
        let folders = |host: MemoryHost| host.with(folders);
        assert_eq!(folders(MemoryHost::new("{}")), Ok(vec!["main".to_owned()]));
        assert_eq!(
            folders(MemoryHost::new("{}").symlink("state", "agents", None)),
            Ok(vec!["main".to_owned()])
        );
        assert!(folders(MemoryHost::new("{}").deny("state", "agents")).is_err());
    }

    #[test]
    fn agents_are_described_in_a_list_or_by_their_ids() {
        let config = json!({"agents": {
            "list": [{"id": "A"}, {"id": ""}, {"id": 5}, {}, null, "x"],
            "entries": {"b": {}, "c": null},
        }});
        let config = Node::root(&config);
        let seen: Vec<(&str, String)> =
            named(&config).iter().map(|(id, node)| (*id, node.pointer().to_owned())).collect();
        let place = |id, pointer: &str| (id, pointer.to_owned());
        assert_eq!(
            seen,
            [place("A", "/agents/list/0"), place("", "/agents/list/1"), place("b", "/agents/entries/b")]
        );
        let pointer = |id| entry(&config, id).map(|node| node.pointer().to_owned());
        assert_eq!(pointer("a").as_deref(), Some("/agents/list/0"));
        assert_eq!(pointer("B").as_deref(), Some("/agents/entries/b"));
        assert_eq!(pointer("c"), None);
    }
}
