//! Which agents an installation has, and their ids (reference: state-checks 1.5).

use crate::{Node, js};

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
    for entry in config.at("agents.list").items() {
        if let Some(id) = entry.get("id").trimmed().map(normalise)
            && !ids.contains(&id)
        {
            ids.push(id);
        }
    }
    ids
}

/// The entry of `agents.list` that answers to an id: the first whose id is the same when normalised.
#[must_use]
pub fn entry<'a>(config: &Node<'a>, id: &str) -> Option<Node<'a>> {
    let name = normalise(id);
    config
        .at("agents.list")
        .items()
        .filter(|entry| entry.object().is_some())
        .find(|entry| normalise(entry.get("id").text().unwrap_or_default()) == name)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

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
}
