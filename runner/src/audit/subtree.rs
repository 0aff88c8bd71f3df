//! Cuts the config down to the subtrees that a policy may see.

use serde_json::{Map, Value};

use crate::config::segments;

/// What of a value the pointers name; `*` stands for every key or item. Lists keep their length, so that an item
/// keeps its place: what is not named in them is null.
#[must_use]
pub fn cut(value: &Value, pointers: &[String]) -> Value {
    let paths: Vec<Vec<String>> = pointers.iter().filter_map(|pointer| segments(pointer)).collect();
    let paths: Vec<&[String]> = paths.iter().map(Vec::as_slice).collect();
    part(value, &paths).unwrap_or_else(|| Value::Object(Map::new()))
}

fn part<'p>(value: &Value, paths: &[&'p [String]]) -> Option<Value> {
    if paths.is_empty() {
        return None; // not even its keys: they are names of accounts and files
    }
    if paths.iter().any(|path| path.is_empty()) {
        return Some(value.clone());
    }
    let below = |key: &str| -> Vec<&'p [String]> {
        let rest = |path: &&'p [String]| {
            let (first, rest) = path.split_first()?;
            (first == "*" || first == key).then_some(rest)
        };
        paths.iter().filter_map(rest).collect()
    };
    match value {
        Value::Object(map) => {
            let kept = map.iter().filter_map(|(key, value)| Some((key.clone(), part(value, &below(key))?)));
            let kept: Map<String, Value> = kept.collect();
            Some(Value::Object(kept))
        }
        Value::Array(items) => {
            let item = |(index, item): (usize, &Value)| {
                part(item, &below(&index.to_string())).unwrap_or(Value::Null)
            };
            Some(Value::Array(items.iter().enumerate().map(item).collect()))
        }
        // The path leads on, and there is nothing more; what stands here instead is part of the answer.
        scalar => Some(scalar.clone()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn cut_to(value: &Value, pointers: &[&str]) -> Value {
        cut(value, &pointers.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>())
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
