//! What policies see of documents that stand in cells: the parts that say who may do what. A credential, and every text of
//! which nobody knows that it is none, is replaced by `{"$hidden": "secret"}`.

use serde_json::{Map, Value, json};

use super::RecordsError;

/// Makes a text fit to be shown, by what is known of secrets.
pub type Mask = Box<dyn Fn(&str) -> String + Send + Sync>;

/// Keys of an approvals document whose texts are no credentials. Commands that ran, and what their arguments must be, may
/// well hold some.
const SHOWN: [&str; 13] = [
    "allowlist",
    "ask",
    "askFallback",
    "host",
    "id",
    "mcpTools",
    "mode",
    "name",
    "path",
    "pattern",
    "security",
    "server",
    "tool",
];

/// How a hidden value is marked.
const MARK: &str = "$hidden";

fn parse(text: &str, what: &str) -> Result<Value, RecordsError> {
    serde_json::from_str(text)
        .map_err(|error| RecordsError::NotUnderstood(format!("{what} is no JSON that is read: {error}")))
}

/// An approvals document without the credentials in it.
pub(super) fn approvals(text: &str, mask: &Mask) -> Result<String, RecordsError> {
    let document = parse(text, "the document of exec approvals")?;
    Ok(shown(document, "", mask).to_string())
}

/// A value, of which texts are shown where their key is known.
fn shown(value: Value, key: &str, mask: &Mask) -> Value {
    match value {
        Value::String(text) if SHOWN.contains(&key) => Value::String(mask(&text)),
        Value::String(_) => json!({MARK: "secret"}),
        Value::Array(items) => items.into_iter().map(|item| shown(item, key, mask)).collect(),
        Value::Object(members) => {
            let member = |(key, value): (String, Value)| {
                let value = shown(value, &key, mask);
                // A key of the document's own that looks like the mark has one sign more.
                let is_mark = key.trim_start_matches('$') == "hidden" && key.starts_with('$');
                (if is_mark { format!("${key}") } else { key }, value)
            };
            Value::Object(members.into_iter().map(member).collect())
        }
        other => other,
    }
}

/// The records of installs in the index of plugins: of the index nothing else is given.
pub(super) fn index(text: &str, mask: &Mask) -> Result<String, RecordsError> {
    let mut index = parse(text, "the index of plugins")?;
    Ok(index_of(index.pointer_mut("/index/installRecords").map(Value::take), mask))
}

/// The same from the records alone, as releases before 2026.8.1 keep them.
pub(super) fn index_of_records(text: &str, mask: &Mask) -> Result<String, RecordsError> {
    Ok(index_of(Some(parse(text, "the index of plugins")?), mask))
}

/// The same from the index as a file: each of its plugins has its record where the records do not stand by themselves.
pub(super) fn index_of_file(text: &str, mask: &Mask) -> Result<String, RecordsError> {
    let mut index = parse(text, "the index of plugins")?;
    let records = index.get_mut("installRecords").map(Value::take);
    let of_plugin = |plugin: &Value| {
        let id = plugin.get("pluginId")?.as_str()?.to_owned();
        Some((id, plugin.get("installRecord").filter(|record| record.is_object())?.clone()))
    };
    let plugins = || index.get("plugins").and_then(Value::as_array).into_iter().flatten();
    let records = records.unwrap_or_else(|| Value::Object(plugins().filter_map(of_plugin).collect()));
    Ok(index_of(Some(records), mask))
}

fn index_of(records: Option<Value>, mask: &Mask) -> String {
    let mut index = Map::new();
    if let Some(records) = records {
        index.insert("installRecords".to_owned(), masked(records, mask));
    }
    json!({"index": index}).to_string()
}

/// The records of installs of hooks.
pub(super) fn installs(text: &str, mask: &Mask) -> Result<String, RecordsError> {
    Ok(masked(parse(text, "the list of installed hooks")?, mask).to_string())
}

/// A value whose texts are fit to be shown: the address of a repository may hold a password.
fn masked(value: Value, mask: &Mask) -> Value {
    match value {
        Value::String(text) => Value::String(mask(&text)),
        Value::Array(items) => items.into_iter().map(|item| masked(item, mask)).collect(),
        Value::Object(members) => {
            Value::Object(members.into_iter().map(|(key, value)| (key, masked(value, mask))).collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mask() -> Mask {
        Box::new(|text| text.replace("hunter2", "[secret]"))
    }

    #[test]
    fn approvals_show_who_may_do_what_and_nothing_else() {
        let text = r#"{"version": 1, "socket": {"path": "/s", "token": "t0p"}, "defaults": {"security": "full", "autoAllowSkills": true},
            "agents": {"main": {"allowlist": [{"pattern": "/bin/sh", "lastUsedCommand": "sh -c t0p", "lastUsedAt": 5}, "/bin/ls"]},
            "$hidden": "t0p", "x": {"newer": ["t0p"], "pattern": "hunter2"}}}"#;
        let shown: Value = serde_json::from_str(&approvals(text, &mask()).unwrap()).unwrap();
        let hidden = json!({"$hidden": "secret"});
        assert_eq!(
            shown,
            json!({
                "version": 1,
                "socket": {"path": "/s", "token": hidden},
                "defaults": {"security": "full", "autoAllowSkills": true},
                "agents": {
                    "main": {"allowlist": [{"pattern": "/bin/sh", "lastUsedCommand": hidden, "lastUsedAt": 5}, "/bin/ls"]},
                    "$$hidden": hidden,
                    "x": {"newer": [hidden], "pattern": "[secret]"},
                },
            })
        );
        assert!(matches!(approvals("{", &mask()), Err(RecordsError::NotUnderstood(_))));
        assert!(approvals(&"[".repeat(10_000), &mask()).is_err());
    }

    #[test]
    fn of_the_index_of_plugins_the_records_are_shown() {
        let text = r#"{"revision": 5, "index": {"installRecords": {"a": {"spec": "git+https://u:hunter2@h/r"}}, "plugins": [{}]}}"#;
        let expected = r#"{"index":{"installRecords":{"a":{"spec":"git+https://u:[secret]@h/r"}}}}"#;
        assert_eq!(index(text, &mask()).unwrap(), expected);
        assert_eq!(
            index_of_records(r#"{"a": {"spec": "git+https://u:hunter2@h/r"}}"#, &mask()).unwrap(),
            expected
        );
        assert_eq!(index("{}", &mask()).unwrap(), r#"{"index":{}}"#);
    }
}
