//! Agents in one form for all policies: the list `/agents/list`, whose items have an `id`. From 2026.8.1 on a config has
//! them by their names in `/agents/entries`, and the loader turns a list into that. A list can hold what every release accepts,
//! with its order and its repetitions; so it is the form of all, and what it was made from stays known.

use std::borrow::Cow;

use serde_json::{Map, Value, json};

use crate::config::agents::folder;
use crate::config::pointer::{escape, join};
use crate::config::release::Release;

const LIST: &str = "/agents/list";
const ENTRIES: &str = "/agents/entries";

/// How the config file has its agents.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(in crate::config) enum Form {
    /// No agents, or none that could be read.
    #[default]
    None,
    /// `agents.list`.
    List,
    /// `agents.entries`.
    Entries,
    /// Both, which every release refuses.
    Both,
}

/// What became of the agents.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct Roster {
    /// How the file has them.
    pub form: Form,
    /// The ids in the order of the list that policies get, of those that were entries.
    ids: Vec<String>,
    /// The ids of the file's list in its order, where it became entries, as the loader of a newer release does.
    converted: Option<Vec<String>>,
}

impl Roster {
    /// Turns a clean list into entries, as the loader of the newer structure does before it looks at anything; and an empty
    /// roster into the one agent `main`.
    pub(in crate::config) fn load(config: &mut Value, release: Release) -> Self {
        let has = |key: &str| config.pointer(key).is_some();
        let form = match (has(LIST), has(ENTRIES)) {
            (false, false) => Form::None,
            (true, false) => Form::List,
            (false, true) => Form::Entries,
            (true, true) => Form::Both,
        };
        let mut roster = Self { form, ids: Vec::new(), converted: None };
        if !release.is_newer_structure() {
            return roster;
        }
        let Some(config) = config.as_object_mut() else { return roster };
        let is_owned = config.get("agents").and_then(|agents| agents.get("ownership")).is_some();
        let agents = config.entry("agents").or_insert_with(|| json!({}));
        let Some(agents) = agents.as_object_mut() else { return roster };
        if form == Form::List
            && let Some(entries) = agents.get("list").and_then(Value::as_array).and_then(|list| entries(list))
        {
            agents.shift_remove("list");
            roster.converted = Some(entries.keys().cloned().collect());
            agents.insert("entries".to_owned(), Value::Object(entries));
        }
        let is_empty = match agents.get("entries") {
            None => !agents.contains_key("list"),
            Some(entries) => entries.as_object().is_some_and(Map::is_empty),
        };
        if is_empty && !is_owned {
            agents.insert("entries".to_owned(), json!({"main": {}}));
        }
        roster
    }

    /// The file's list became entries.
    pub(in crate::config) fn is_converted(&self) -> bool {
        self.converted.is_some()
    }

    /// Gives the agents the one form that policies see.
    pub(in crate::config) fn canonical(&mut self, config: &mut Value) {
        let Some(agents) = config.get_mut("agents").and_then(Value::as_object_mut) else { return };
        let Some(entries) = agents.get("entries").and_then(Value::as_object) else { return };
        if self.form == Form::Both && agents.get("list").is_some_and(Value::is_array) {
            return; // its list is what it says of agents
        }
        let item = |(id, entry): (&String, &Value)| {
            let mut item = Map::from_iter([("id".to_owned(), Value::from(id.as_str()))]);
            item.extend(
                entry.as_object().into_iter().flatten().map(|(key, value)| (key.clone(), value.clone())),
            );
            item.insert("id".to_owned(), Value::from(id.as_str()));
            Value::Object(item)
        };
        let entries = entries.iter().filter(|(_, entry)| entry.is_object());
        let (ids, list): (Vec<String>, Vec<Value>) = entries.map(|one| (one.0.clone(), item(one))).unzip();
        self.ids = ids;
        agents.shift_remove("entries");
        agents.insert("list".to_owned(), Value::Array(list));
    }

    /// A pointer of the file as the loader has it.
    pub(in crate::config) fn of_loader<'p>(&self, pointer: &'p str) -> Cow<'p, str> {
        let (Some(ids), Some((index, rest))) = (&self.converted, below(pointer, LIST)) else {
            return Cow::Borrowed(pointer);
        };
        match index.parse().ok().and_then(|index: usize| ids.get(index)) {
            Some(id) => Cow::Owned(format!("{}{rest}", join(ENTRIES, id))),
            None => Cow::Borrowed(pointer),
        }
    }

    /// A pointer to agents, in any of the two forms, as the file has it.
    pub(in crate::config) fn of_file<'p>(&self, pointer: &'p str) -> Cow<'p, str> {
        match self.form {
            Form::Entries => match below(pointer, LIST) {
                Some((index, rest)) => {
                    match index.parse().ok().and_then(|index: usize| self.ids.get(index)) {
                        Some(id) => Cow::Owned(format!("{}{rest}", join(ENTRIES, id))),
                        None => {
                            Cow::Owned(format!("{ENTRIES}{}", pointer.get(LIST.len()..).unwrap_or_default()))
                        }
                    }
                }
                None if pointer == LIST => Cow::Borrowed(ENTRIES),
                None => Cow::Borrowed(pointer),
            },
            Form::List | Form::None => match below(pointer, ENTRIES) {
                Some((id, rest)) => match self.ids.iter().position(|known| escape(known) == id) {
                    Some(index) => Cow::Owned(format!("{LIST}/{index}{rest}")),
                    None => Cow::Borrowed(pointer),
                },
                None if pointer == ENTRIES && self.form == Form::List => Cow::Borrowed(LIST),
                None => Cow::Borrowed(pointer),
            },
            Form::Both => Cow::Borrowed(pointer),
        }
    }

    /// A pointer as it was before [`Self::canonical`], in the form that policies see.
    pub(in crate::config) fn of_policies<'p>(&self, pointer: &'p str) -> Cow<'p, str> {
        match below(pointer, ENTRIES) {
            Some((id, rest)) => match self.ids.iter().position(|known| escape(known) == id) {
                Some(index) => Cow::Owned(format!("{LIST}/{index}{rest}")),
                None => Cow::Borrowed(pointer),
            },
            None => Cow::Borrowed(pointer),
        }
    }
}

/// The segment below a base, and what follows it.
fn below<'p>(pointer: &'p str, base: &str) -> Option<(&'p str, &'p str)> {
    let rest = pointer.strip_prefix(base)?.strip_prefix('/')?;
    Some(rest.find('/').map_or((rest, ""), |at| rest.split_at(at)))
}

/// The entries that a clean list becomes: every item has an id that is its own folder's name, and no two the same.
fn entries(list: &[Value]) -> Option<Map<String, Value>> {
    let mut entries = Map::with_capacity(list.len());
    for agent in list {
        let mut entry = agent.as_object()?.clone();
        let id = entry.shift_remove("id")?.as_str()?.to_owned();
        if id.is_empty() || folder(&id) != id || entries.contains_key(&id) {
            return None;
        }
        entries.insert(id, Value::Object(entry));
    }
    Some(entries)
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use super::*;

    const NEW: Release = Release::new(2026, 9, 6);
    const OLD: Release = Release::new(2026, 7, 35);

    fn agents(config: &Value, release: Release) -> (Value, Roster) {
        let mut config = config.clone();
        let mut roster = Roster::load(&mut config, release);
        roster.canonical(&mut config);
        (config.get("agents").cloned().unwrap_or_default(), roster)
    }

    #[test]
    fn policies_see_a_list_whatever_the_release_has() {
        let entries = json!({"agents": {"ownership": "explicit", "entries": {"b": {"model": "x"}, "a": {}}}});
        let list = json!({"agents": {"list": [{"id": "b", "model": "x"}, {"id": "a"}]}});
        for (config, release) in [(&entries, NEW), (&entries, OLD), (&list, OLD), (&list, NEW)] {
            let (agents, _) = agents(config, release);
            assert_eq!(
                agents.get("list"),
                Some(&json!([{"id": "b", "model": "x"}, {"id": "a"}])),
                "{release}"
            );
            assert_eq!(agents.get("entries"), None);
        }
    }

    #[test]
    fn an_empty_roster_is_one_agent_from_the_newer_structure_on() {
        for config in [
            json!({}),
            json!({"agents": {}}),
            json!({"agents": {"list": []}}),
            json!({"agents": {"entries": {}}}),
        ] {
            assert_eq!(agents(&config, NEW).0.get("list"), Some(&json!([{"id": "main"}])), "{config}");
        }
        assert_eq!(agents(&json!({}), OLD).0, Value::Null);
        let owned = json!({"agents": {"ownership": "explicit"}});
        assert_eq!(agents(&owned, NEW).0.get("list"), None);
    }

    #[test]
    fn a_list_that_is_not_clean_stays_what_it_is() {
        for list in [json!([{"id": "A"}]), json!([{}]), json!([5]), json!([{"id": "a"}, {"id": "a"}])] {
            let (agents, roster) = agents(&json!({"agents": {"list": list}}), NEW);
            assert_eq!(agents.get("list"), Some(&list));
            assert!(roster.converted.is_none());
        }
    }

    #[test]
    fn pointers_lead_back_to_what_stands_in_the_file() {
        let (_, entries) = agents(&json!({"agents": {"entries": {"b/c": {}, "a": {}}}}), NEW);
        for (pointer, file) in [
            ("/agents/list/0/tools/exec", "/agents/entries/b~1c/tools/exec"),
            ("/agents/list/1", "/agents/entries/a"),
            ("/agents/list", "/agents/entries"),
            ("/agents/listing/0", "/agents/listing/0"),
            ("/agents/entries/a/x", "/agents/entries/a/x"),
            ("/gateway", "/gateway"),
        ] {
            assert_eq!(entries.of_file(pointer), file);
        }
        assert_eq!(entries.of_policies("/agents/entries/a/x"), "/agents/list/1/x");
        let (_, list) = agents(&json!({"agents": {"list": [{"id": "b"}, {"id": "a"}]}}), NEW);
        assert_eq!(list.of_file("/agents/entries/a/x"), "/agents/list/1/x");
        assert_eq!(list.of_file("/agents/list/1/x"), "/agents/list/1/x");
    }
}
