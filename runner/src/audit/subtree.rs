//! Cuts the config down to the subtrees that a policy may see.

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use crate::config::segments;

/// What of a value the pointers name, as JSON text; `*` stands for every key or item. Lists keep their length, so that an
/// item keeps its place: what is not named in them is null. It is written as it is gone through: a config can be large, and
/// each policy gets another part of it.
#[must_use]
pub fn cut(value: &Value, pointers: &[String]) -> String {
    let paths: Vec<Vec<String>> = pointers.iter().filter_map(|pointer| segments(pointer)).collect();
    if paths.is_empty() {
        return "{}".to_owned(); // not even its keys: they are names of accounts and files
    }
    let paths = paths.iter().map(Vec::as_slice).collect();
    // A tree with texts for keys can always be written; what is empty would be no JSON, and no policy would believe it.
    serde_json::to_string(&Part { value, paths }).unwrap_or_default()
}

/// A value, of which some paths are named; there is always one.
struct Part<'v, 'p> {
    value: &'v Value,
    paths: Vec<&'p [String]>,
}

impl<'v, 'p> Part<'v, 'p> {
    /// What is named of a member or an item; none where nothing is.
    fn below(&self, key: &str, value: &'v Value) -> Option<Part<'v, 'p>> {
        let rest = |path: &&'p [String]| {
            let (first, rest) = path.split_first()?;
            (first == "*" || first == key).then_some(rest)
        };
        let paths: Vec<&[String]> = self.paths.iter().filter_map(rest).collect();
        (!paths.is_empty()).then_some(Part { value, paths })
    }
}

impl Serialize for Part<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.paths.iter().any(|path| path.is_empty()) {
            return self.value.serialize(serializer);
        }
        match self.value {
            Value::Object(map) => {
                let mut out = serializer.serialize_map(None)?;
                for (key, value) in map {
                    if let Some(part) = self.below(key, value) {
                        out.serialize_entry(key, &part)?;
                    }
                }
                out.end()
            }
            Value::Array(items) => serializer.collect_seq(
                items.iter().enumerate().map(|(index, item)| self.below(&index.to_string(), item)),
            ),
            // The path leads on, and there is nothing more; what stands here instead is part of the answer.
            scalar => scalar.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cut_to(value: &Value, pointers: &[&str]) -> Value {
        let pointers: Vec<String> = pointers.iter().map(|text| (*text).to_owned()).collect();
        serde_json::from_str(&cut(value, &pointers)).unwrap()
    }

    #[test]
    fn what_is_not_named_leaves_no_keys_behind() {
        let config = json!({"gateway": {"auth": {"mode": "none"}}, "channels": {"accounts": {"alice": {}}}, "list": [1]});
        assert_eq!(cut_to(&config, &[]), json!({}));
        assert_eq!(cut_to(&config, &["/gateway/bind"]), json!({"gateway": {}}));
    }

    #[test]
    fn only_what_is_named_is_left() {
        let config = json!({"gateway": {"bind": "lan", "auth": {"mode": "none"}}, "hooks": {"path": "/"}});
        assert_eq!(cut_to(&config, &["/gateway/auth"]), json!({"gateway": {"auth": {"mode": "none"}}}));
        assert_eq!(
            cut_to(&config, &["/gateway/bind", "/hooks"]),
            json!({"gateway": {"bind": "lan"}, "hooks": {"path": "/"}})
        );
        assert_eq!(cut_to(&config, &[]), json!({}));
        assert_eq!(cut_to(&config, &[""]), config);
    }

    #[test]
    fn a_star_stands_for_every_key_and_item() {
        let config =
            json!({"channels": {"a": {"policy": 1, "token": 2}, "b": 3}, "list": [{"id": 1, "x": 2}, 5]});
        assert_eq!(
            cut_to(&config, &["/channels/*/policy"]),
            json!({"channels": {"a": {"policy": 1}, "b": 3}})
        );
        assert_eq!(cut_to(&config, &["/list/*/id"]), json!({"list": [{"id": 1}, 5]}));
        assert_eq!(cut_to(&config, &["/list/0"]), json!({"list": [{"id": 1, "x": 2}, null]}));
    }

    #[test]
    fn odd_types_show_where_a_section_should_be() {
        assert_eq!(cut_to(&json!({"gateway": 5}), &["/gateway/auth"]), json!({"gateway": 5}));
        assert_eq!(cut_to(&json!([1]), &["/gateway"]), json!([null]));
        assert_eq!(cut_to(&json!({"a~b/c": 1}), &["/a~0b~1c"]), json!({"a~b/c": 1}));
    }
}
