//! Which agents a config has, by the names of their folders.

use std::collections::HashSet;

use serde_json::Value;

use crate::target::js_trim;

/// The folders of the configured agents, the default one first.
pub fn folders(config: &Value) -> Vec<String> {
    let list = config.pointer("/agents/list").and_then(Value::as_array);
    let entries: Vec<&Value> = list.into_iter().flatten().filter(|entry| entry.is_object()).collect();
    let id = |entry: &&Value| entry.get("id").and_then(Value::as_str).map(folder).unwrap_or_default();
    let is_default = |entry: &&&Value| {
        entry.get("default").is_some_and(|default| !matches!(default, Value::Null | Value::Bool(false)))
    };
    let default = entries.iter().find(is_default).or_else(|| entries.first()).map(id).unwrap_or_default();
    let default = if default.is_empty() { "main".to_owned() } else { default };
    let mut known = HashSet::from([default.clone()]);
    let mut agents = vec![default];
    let ids = entries.iter().map(id).filter(|id| !id.is_empty());
    agents.extend(ids.filter(|id| known.insert(id.clone())));
    agents
}

/// The folder of an agent id (state-checks 1.1, norm); empty where the id is blank.
pub fn folder(id: &str) -> String {
    /// Longest id of the reference program.
    const MOST: usize = 64;
    let lower = js_trim(id).to_lowercase();
    let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if lower.is_empty()
        || (lower.len() <= MOST && lower.chars().all(is_plain) && !lower.starts_with(['_', '-']))
    {
        return lower;
    }
    let mut name = String::new();
    for c in lower.chars() {
        match is_plain(c) {
            true => name.push(c),
            // One mark for each run of other characters.
            false if !name.ends_with('\u{0}') => name.push('\u{0}'),
            false => {}
        }
    }
    let name = name.replace('\u{0}', "-");
    let name: String = name.trim_matches('-').chars().take(MOST).collect();
    if name.is_empty() { "main".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn agents_are_named_by_their_folders() {
        for (id, name) in
            [("Work", "work"), ("a b!!c", "a-b-c"), ("-x-", "x"), ("_u", "_u"), ("!!", "main"), (" ", "")]
        {
            assert_eq!(folder(id), name, "{id:?}");
        }
        let config =
            json!({"agents": {"list": [{"id": "A"}, 5, {"id": "b", "default": true}, {"id": "a"}, {}]}});
        assert_eq!(folders(&config), ["b", "a"]);
        assert_eq!(folders(&json!({})), ["main"]);
    }
}
