//! Cuts the config down to the subtrees that a policy may see, with a mark where it declares more than it was granted.

use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use crate::config::{HIDDEN, segments};

/// What stands for a value that is declared and not granted.
const WITHHELD: &str = "withheld";

/// What of a value the granted pointers name, as JSON text, and marks for what the withheld ones name; `*` stands for every
/// key or item. Lists keep their length, so that an item keeps its place: what is not named in them is null. It is written
/// as it is gone through: a config can be large, and each policy gets another part of it.
///
/// A mark stands whether or not there is a value, and no name stands beside it that only a withheld pointer names.
#[must_use]
pub fn cut(value: &Value, granted: &[String], withheld: &[String]) -> String {
    let paths = |pointers: &[String]| -> Vec<Vec<String>> {
        pointers.iter().filter_map(|pointer| segments(pointer)).collect()
    };
    let (granted, withheld) = (paths(granted), paths(withheld));
    if granted.is_empty() && withheld.is_empty() {
        return "{}".to_owned(); // not even its keys: they are names of accounts and files
    }
    let part = Part {
        value,
        granted: granted.iter().map(Vec::as_slice).collect(),
        withheld: withheld.iter().map(Vec::as_slice).collect(),
    };
    // A tree with texts for keys can always be written; what is empty would be no JSON, and no policy would believe it.
    serde_json::to_string(&part).unwrap_or_default()
}

/// A pointer lies in what is declared and not granted: to say anything of it would be to say what nobody looked at.
#[must_use]
pub fn is_withheld(pointer: &str, granted: &[String], withheld: &[String]) -> bool {
    let Some(path) = segments(pointer) else { return false };
    let covers = |pattern: &String| {
        segments(pattern).is_some_and(|pattern| {
            pattern.len() <= path.len()
                && pattern.iter().zip(&path).all(|(one, other)| one == "*" || one == other)
        })
    };
    withheld.iter().any(covers) && !granted.iter().any(covers)
}

/// A value, of which some paths are named.
struct Part<'v, 'p> {
    value: &'v Value,
    granted: Vec<&'p [String]>,
    withheld: Vec<&'p [String]>,
}

/// What is named of a member or an item.
enum Below<'v, 'p> {
    Nothing,
    Mark,
    Part(Part<'v, 'p>),
}

impl<'v, 'p> Part<'v, 'p> {
    fn below(&self, key: &str, value: &'v Value) -> Below<'v, 'p> {
        let rest = |path: &&'p [String]| {
            let (first, rest) = path.split_first()?;
            (first == "*" || first == key).then_some(rest)
        };
        let granted: Vec<&[String]> = self.granted.iter().filter_map(rest).collect();
        let withheld: Vec<&[String]> = self.withheld.iter().filter_map(rest).collect();
        match (granted.is_empty(), withheld.is_empty()) {
            (true, true) => Below::Nothing,
            (true, false) => Below::Mark,
            _ => Below::Part(Part { value, granted, withheld }),
        }
    }

    fn members<S: Serializer>(
        &self,
        map: &'v serde_json::Map<String, Value>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        // Where the granted names are all names, none is missing.
        let is_starred = |path: &&[String]| path.first().is_some_and(|first| first == "*");
        let has_all = self.granted.iter().any(is_starred);
        let ends_here = self.withheld.iter().any(|path| path.is_empty());
        let may_have_more = ends_here || (!has_all && self.withheld.iter().any(is_starred));
        let mut names: BTreeSet<&str> = self
            .withheld
            .iter()
            .filter_map(|path| path.first().map(String::as_str))
            .filter(|name| *name != "*")
            .collect();
        let mut out = serializer.serialize_map(None)?;
        for (key, value) in map {
            match self.below(key, value) {
                Below::Part(part) => {
                    names.remove(key.as_str());
                    out.serialize_entry(key, &part)?;
                }
                Below::Nothing | Below::Mark => {}
            }
        }
        // Whether they are there is not told.
        for name in names {
            out.serialize_entry(name, &Mark)?;
        }
        if may_have_more {
            out.serialize_entry(HIDDEN, WITHHELD)?;
        }
        out.end()
    }
}

impl Serialize for Part<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if self.granted.iter().any(|path| path.is_empty()) {
            return self.value.serialize(serializer);
        }
        match self.value {
            // A mark of the runner's own.
            Value::Object(map) if map.contains_key(HIDDEN) => self.value.serialize(serializer),
            Value::Object(map) => self.members(map, serializer),
            Value::Array(items) => {
                let items = items.iter().enumerate();
                serializer.collect_seq(items.map(|(index, item)| self.below(&index.to_string(), item)))
            }
            _ if self.withheld.iter().any(|path| path.is_empty()) => Mark.serialize(serializer),
            // The path leads on, and there is nothing more; what stands here instead is part of the answer.
            scalar => scalar.serialize(serializer),
        }
    }
}

/// Stands for what is not granted.
struct Mark;

impl Serialize for Mark {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut out = serializer.serialize_map(Some(1))?;
        out.serialize_entry(HIDDEN, WITHHELD)?;
        out.end()
    }
}

impl Serialize for Below<'_, '_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Nothing => serializer.serialize_unit(),
            Self::Mark => Mark.serialize(serializer),
            Self::Part(part) => part.serialize(serializer),
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn owned(pointers: &[&str]) -> Vec<String> {
        pointers.iter().map(|text| (*text).to_owned()).collect()
    }

    fn cut_to(value: &Value, pointers: &[&str]) -> Value {
        cut_with(value, pointers, &[])
    }

    fn cut_with(value: &Value, granted: &[&str], withheld: &[&str]) -> Value {
        serde_json::from_str(&cut(value, &owned(granted), &owned(withheld))).unwrap()
    }

    #[test]
    fn what_is_withheld_is_marked_whether_or_not_it_is_there() {
        let config = json!({"gateway": {"bind": "lan", "auth": {"mode": "none"}}, "channels": {"a": {"x": 1, "on": true}, "b": {"x": 2}}});
        let mark = json!({"$hidden": "withheld"});
        assert_eq!(cut_with(&config, &[], &["/gateway/auth"]), json!({"gateway": mark}));
        assert_eq!(cut_with(&config, &[], &["/hooks"]), json!({"hooks": mark}));
        assert_eq!(
            cut_with(&config, &["/gateway/bind"], &["/gateway/auth", "/gateway/port"]),
            json!({"gateway": {"bind": "lan", "auth": mark, "port": mark}})
        );
        // A granted part holds also what is withheld within it.
        assert_eq!(cut_with(&config, &["/gateway"], &["/gateway/auth"])["gateway"], config["gateway"]);
        assert_eq!(
            cut_with(&config, &["/gateway/bind"], &["/gateway"]),
            json!({"gateway": {"bind": "lan", "$hidden": "withheld"}})
        );
        assert_eq!(
            cut_with(&config, &["/channels/*/on"], &["/channels/*/x"]),
            json!({"channels": {"a": {"on": true, "x": mark}, "b": {"x": mark}}})
        );
        assert_eq!(
            cut_with(&config, &["/channels/a/on"], &["/channels/*/x"]),
            json!({"channels": {"a": {"on": true, "x": mark}, "$hidden": "withheld"}})
        );
        assert_eq!(
            cut_with(&json!({"a": [1, {"b": 2}]}), &["/a/1/b"], &["/a/0"]),
            json!({"a": [mark, {"b": 2}]})
        );
    }

    #[test]
    fn no_finding_may_stand_at_what_is_withheld() {
        let is = |pointer, granted: &[&str], withheld: &[&str]| {
            is_withheld(pointer, &owned(granted), &owned(withheld))
        };
        assert!(is("/gateway/auth/mode", &["/gateway/bind"], &["/gateway/auth"]));
        assert!(is("/channels/a/x", &[], &["/channels/*/x"]));
        assert!(!is("/gateway/bind", &["/gateway/bind"], &["/gateway/auth", "/gateway"]));
        assert!(!is("/gateway", &[], &["/gateway/auth"]) && !is("", &[], &["/x"]));
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
