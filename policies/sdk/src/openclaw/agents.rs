//! Which agents an installation has, and their ids (reference: state-checks 1.5).

use std::collections::{BTreeMap, BTreeSet};

use crate::context::unseen;
use crate::{Context, Kind, Node, NotAssessed, Path, Release, StateError, js};

/// The id of an agent that has none.
pub const MAIN: &str = "main";

/// Longest agent id of the reference program.
const MAX_ID: usize = 64;

/// An agent that the config describes: its id, or why that is not shown, and the description.
pub type Described<'a> = (Result<&'a str, NotAssessed>, Node<'a>);

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
///
/// # Errors
/// Where what decides it is not shown.
pub fn default_id(config: &Node<'_>) -> Result<String, NotAssessed> {
    let mut first = None;
    for entry in listed(config)? {
        if entry.get("default").is_truthy()? {
            first = Some(entry);
            break;
        }
        first.get_or_insert(entry);
    }
    let id = first.map(|entry| entry.get("id").trimmed()).transpose()?;
    Ok(normalise(id.flatten().unwrap_or(MAIN)))
}

/// Where the config has an agent, as people write it: `agents.entries.main` from 2026.8.1 on, `agents.list.main` before.
#[must_use]
pub fn section(release: Release, id: &str) -> String {
    let place = if release.since(2026, 8, 1) { "entries" } else { "list" };
    format!("agents.{place}.{id}")
}

/// The agent that what belongs to no other one goes to. From 2026.8.1 on it is the only one, or the one that says so, and
/// there need not be one; before it is [`default_id`].
///
/// # Errors
/// Where what decides it is not shown.
pub fn owner(cx: &Context<'_>) -> Result<Option<String>, NotAssessed> {
    let config = cx.config();
    if !cx.release().since(2026, 8, 1) {
        return default_id(&config).map(Some);
    }
    let named = named(&config)?;
    if let [(id, _)] = named.as_slice() {
        return Ok(Some(normalise(id)));
    }
    if named.is_empty() || config.at("agents.ownership").trimmed()? == Some("explicit") {
        return Ok(None);
    }
    let mut marked = Vec::new();
    for (id, agent) in named {
        if agent.get("default").is_true()? {
            marked.push(normalise(id));
        }
    }
    Ok(if marked.len() == 1 { marked.pop() } else { None })
}

/// The folders of all configured agents, each once, the default agent first.
///
/// # Errors
/// Where an id is not shown.
pub fn ids(config: &Node<'_>) -> Result<Vec<String>, NotAssessed> {
    let mut ids = vec![default_id(config)?];
    let mut known: BTreeSet<String> = ids.iter().cloned().collect();
    for entry in config.at("agents.list").items()? {
        if let Some(id) = entry.get("id").trimmed()?.map(normalise)
            && known.insert(id.clone())
        {
            ids.push(id);
        }
    }
    Ok(ids)
}

/// The folders of agents below `agents/` of the state directory.
#[derive(Clone, Debug, PartialEq)]
pub struct Folders {
    /// Those of all configured agents, then those that exist on disk alone, in byte order.
    pub names: Vec<String>,
    /// Why there may be more of them; none where these are all.
    pub open: Option<NotAssessed>,
}

/// The folders of all agents. Needs `list` on `state/agents`. Where that cannot be listed, or is not a directory itself,
/// only the configured ones are known.
#[must_use]
pub fn folders(cx: &Context<'_>) -> Folders {
    let path = Path::new("state", "agents");
    let (listed, open) = match cx.host().list(&path) {
        Ok(entries) => (entries, None),
        Err(StateError::NotFound) => (Vec::new(), None),
        Err(error) => (Vec::new(), Some(unseen(cx, "list", &path, &error))),
    };
    // A hidden id does not matter: where the agent has a folder, the listing below has it.
    let mut names = ids(&cx.config()).unwrap_or_default();
    let known: BTreeSet<String> = names.iter().cloned().collect();
    for entry in listed {
        if matches!(entry.metadata.kind, Kind::Directory | Kind::Symlink) && !known.contains(&entry.name) {
            names.push(entry.name);
        }
    }
    Folders { names, open }
}

/// The agents that the config describes, each with its id as it is written: the entries of `agents.list` whose id is a text.
///
/// # Errors
/// Where an id is not shown.
pub fn named<'a>(config: &Node<'a>) -> Result<Vec<(&'a str, Node<'a>)>, NotAssessed> {
    each(config)?.into_iter().map(|(id, agent)| Ok((id?, agent))).collect()
}

/// The same for what judges them one by one: each with its id, or why that is not shown.
///
/// # Errors
/// Where it cannot be told which agents there are.
pub fn each<'a>(config: &Node<'a>) -> Result<Vec<Described<'a>>, NotAssessed> {
    let mut each = Vec::new();
    for entry in listed(config)? {
        if let Some(id) = entry.get("id").text().transpose() {
            each.push((id, entry));
        }
    }
    Ok(each)
}

/// The description that answers to an id: the first whose id is the same when normalised.
///
/// # Errors
/// Where an id that may be the same is not shown.
pub fn entry<'a>(config: &Node<'a>, id: &str) -> Result<Option<Node<'a>>, NotAssessed> {
    let name = normalise(id);
    for entry in listed(config)? {
        if is_normalised_to(entry.get("id").text()?.unwrap_or_default(), &name) {
            return Ok(Some(entry));
        }
    }
    Ok(None)
}

/// The descriptions by the ids that they answer to, for whoever asks for many: each answer is that of [`entry`].
#[derive(Clone, Debug)]
pub struct Roster<'a> {
    /// The first description of each id, by its normalised form.
    first: BTreeMap<String, Node<'a>>,
    /// Why those that come behind are not known.
    unseen: Option<NotAssessed>,
}

impl<'a> Roster<'a> {
    /// That of a config.
    ///
    /// # Errors
    /// A list or an entry that is hidden.
    pub fn of(config: &Node<'a>) -> Result<Self, NotAssessed> {
        let mut roster = Self { first: BTreeMap::new(), unseen: None };
        for entry in listed(config)? {
            match entry.get("id").text() {
                Ok(id) => _ = roster.first.entry(normalise(id.unwrap_or_default())).or_insert(entry),
                Err(reason) => {
                    roster.unseen = Some(reason);
                    break;
                }
            }
        }
        Ok(roster)
    }

    /// The description that answers to an id.
    ///
    /// # Errors
    /// As [`entry`].
    pub fn entry(&self, id: &str) -> Result<Option<Node<'a>>, NotAssessed> {
        match (self.first.get(&normalise(id)), &self.unseen) {
            (Some(entry), _) => Ok(Some(entry.clone())),
            (None, Some(reason)) => Err(reason.clone()),
            (None, None) => Ok(None),
        }
    }
}

/// The entries of `agents.list` that are objects. Every release has its agents there, whatever the file calls them.
fn listed<'a>(config: &Node<'a>) -> Result<Vec<Node<'a>>, NotAssessed> {
    let mut objects = Vec::new();
    for entry in config.at("agents.list").items()? {
        if entry.is_object()? {
            objects.push(entry);
        }
    }
    Ok(objects)
}

/// What [`normalise`] makes of the id is this name.
fn is_normalised_to(id: &str, name: &str) -> bool {
    let is_plain = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_' | b'-');
    let plain = (1..=MAX_ID).contains(&id.len()) && id.bytes().all(is_plain) && !id.starts_with(['_', '-']);
    if plain { id == name } else { normalise(id) == name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::testing::MemoryHost;

    #[test]
    fn a_roster_answers_as_a_look_for_one_does() {
        let hidden = json!({"$hidden": "variable"});
        for list in [
            json!([{"id": "Work"}, {"id": " work "}, {}, {"id": "home"}, {"id": 5}, "text"]),
            json!([{"id": "a"}, {"id": hidden}, {"id": "b"}]),
            json!([{"id": "a"}, hidden, {"id": "b"}]),
            json!({"$hidden": "withheld"}),
            json!(null),
        ] {
            let config = json!({"agents": {"list": list}});
            let config = Node::root(&config);
            let roster = Roster::of(&config);
            for id in ["work", "WORK", "home", "main", "", "a", "b", "nobody"] {
                let place = |found: Option<Node<'_>>| found.map(|node| node.pointer().to_owned());
                let known = roster.as_ref().map_err(Clone::clone).and_then(|roster| roster.entry(id));
                assert_eq!(known.map(place), entry(&config, id).map(place), "{list} {id}");
            }
        }
    }

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
        assert_eq!(ids(&Node::root(&config)), Ok(vec!["home".to_owned(), "work".to_owned()]));
        assert_eq!(ids(&Node::root(&json!({}))), Ok(vec!["main".to_owned()]));
    }

    #[test]
    fn what_belongs_to_no_agent_has_an_owner_only_where_there_is_one() {
        let owner = |agents: &str, release: (u16, u8, u16)| {
            let host = MemoryHost::new(&format!("{{agents: {agents}}}"));
            host.release(release.0, release.1, release.2).with(owner)
        };
        let (old, new) = ((2026, 7, 35), (2026, 8, 1));
        let text = |id: &str| Ok(Some(id.to_owned()));
        assert_eq!((owner("{}", old), owner("{}", new)), (text("main"), Ok(None)));
        assert_eq!(owner(r#"{list: [{id: "A"}]}"#, new), text("a"));
        let two = r#"{list: [{id: "a"}, {id: "b"}]}"#;
        assert_eq!((owner(two, old), owner(two, new)), (text("a"), Ok(None)));
        assert_eq!(owner(r#"{list: [{id: "a"}, {id: "b", default: true}]}"#, new), text("b"));
        let explicit = r#"{ownership: "explicit", list: [{id: "a"}, {id: "b", default: true}]}"#;
        assert_eq!(owner(explicit, new), Ok(None));
        assert_eq!(section(Release { year: 2026, month: 8, patch: 1 }, "a"), "agents.entries.a");
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
        let folders = host.with(folders);
        assert_eq!((folders.names, folders.open), (all(&["work", "linked", "main", "old"]), None));
    }

    #[test]
    fn a_folder_of_agents_that_cannot_be_listed_is_not_called_empty() {
        let config = r#"{agents: {list: [{id: "work"}]}}"#;
        let absent = MemoryHost::new(config).with(folders);
        assert_eq!((absent.names, absent.open), (all(&["work"]), None));
        let (denied, linked) = (MemoryHost::new(config), MemoryHost::new(config));
        for host in [denied.deny("state", "agents"), linked.symlink("state", "agents", None)] {
            let folders = host.with(folders);
            assert_eq!((folders.names, folders.open.is_some()), (all(&["work"]), true));
        }
    }

    fn all(names: &[&str]) -> Vec<String> {
        names.iter().map(|&name| name.to_owned()).collect()
    }

    #[test]
    fn agents_are_described_in_a_list() {
        let config =
            json!({"agents": {"list": [{"id": "A"}, {"id": ""}, {"id": 5}, {}, null, "x", {"id": "b"}]}});
        let config = Node::root(&config);
        let seen: Vec<(&str, String)> = named(&config)
            .expect("shown")
            .iter()
            .map(|(id, node)| (*id, node.pointer().to_owned()))
            .collect();
        let place = |id, pointer: &str| (id, pointer.to_owned());
        assert_eq!(
            seen,
            [place("A", "/agents/list/0"), place("", "/agents/list/1"), place("b", "/agents/list/6")]
        );
        let pointer = |id| entry(&config, id).expect("shown").map(|node| node.pointer().to_owned());
        assert_eq!(pointer("a").as_deref(), Some("/agents/list/0"));
        assert_eq!(pointer("B").as_deref(), Some("/agents/list/6"));
        assert_eq!(pointer("c"), None);
    }

    const HIDDEN: &str = r#"{"$hidden": "variable"}"#;

    #[test]
    fn an_id_that_is_not_shown_is_asked_for_only_where_it_decides() {
        for (list, default, all, of_a) in [
            (r#"[{id: "a"}, {id: HIDDEN}]"#, true, false, true),
            (r#"[{id: HIDDEN}, {id: "a"}]"#, false, false, false),
            (r#"[{id: HIDDEN}, {id: "a", default: true}]"#, true, false, false),
            (r#"[{id: "a"}, {id: HIDDEN, default: true}]"#, false, false, true),
            (r#"[{id: "a"}, {id: "b", default: HIDDEN}]"#, true, true, true),
        ] {
            let host = MemoryHost::new(&format!("{{agents: {{list: {list}}}}}").replace("HIDDEN", HIDDEN));
            host.with(|cx| {
                let config = cx.config();
                let seen = (default_id(&config).is_ok(), ids(&config).is_ok(), entry(&config, "a").is_ok());
                assert_eq!(seen, (default, all, of_a), "{list}");
                assert_eq!(named(&config).is_ok(), all, "{list}");
            });
        }
    }

    #[test]
    fn agents_that_are_withheld_are_not_taken_for_none() {
        for pointer in ["/agents", "/agents/list"] {
            let host = MemoryHost::new("{agents: {list: []}}").withhold(pointer);
            host.with(|cx| {
                let config = cx.config();
                assert!(default_id(&config).is_err() && ids(&config).is_err(), "{pointer}");
                assert!(named(&config).is_err() && entry(&config, "a").is_err(), "{pointer}");
            });
        }
        let some = MemoryHost::new(r#"{agents: {list: [{"$hidden": "withheld"}, {id: "a"}]}}"#);
        some.with(|cx| assert!(named(&cx.config()).is_err() && entry(&cx.config(), "a").is_err()));
    }

    #[test]
    fn the_folders_of_agents_that_are_not_shown_are_listed() {
        let host = MemoryHost::new(&format!("{{agents: {{list: [{{id: {HIDDEN}}}]}}}}"));
        let listed = host.clone().file("state", "agents/work/a", 0o600, "");
        assert_eq!(listed.with(folders), Folders { names: all(&["work"]), open: None });
        let linked = host.symlink("state", "agents", None).with(folders);
        assert_eq!((linked.names, linked.open.is_some()), (Vec::new(), true));
    }
}
