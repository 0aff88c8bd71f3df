//! Cuts the config down to the subtrees that a policy may see, with a mark where it declares more than it was granted.

use std::borrow::Cow;
use std::collections::BTreeSet;

use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::Value;

use crate::config::{HIDDEN, segments, unescape};

/// What stands for a value that is declared and not granted.
const WITHHELD: &str = "withheld";

/// What of a value the granted pointers name, as JSON text, and marks for what the withheld ones name; `*` stands for every
/// key or item. Lists keep their length, so that an item keeps its place: what is not named in them is null. It is written
/// as it is gone through: a config can be large, and each policy gets another part of it.
///
/// A mark stands whether or not there is a value, and no name stands beside it that only a withheld pointer names.
#[must_use]
pub fn cut(value: &Value, granted: &[String], withheld: &[String]) -> String {
    let [granted, withheld] = [granted, withheld].map(well_formed);
    if granted.is_empty() && withheld.is_empty() {
        return "{}".to_owned(); // not even its keys: they are names of accounts and files
    }
    let part = Part { value, granted, withheld };
    // A tree with texts for keys can always be written; what is empty would be no JSON, and no policy would believe it.
    serde_json::to_string(&part).unwrap_or_default()
}

fn well_formed(pointers: &[String]) -> Vec<&str> {
    let is_one = |pointer: &&str| pointer.is_empty() || pointer.starts_with('/');
    pointers.iter().map(String::as_str).filter(is_one).collect()
}

/// The first segment of a pointer, and the pointer behind it; none at its end.
fn first(pointer: &str) -> Option<(Cow<'_, str>, &str)> {
    let rest = pointer.strip_prefix('/')?;
    let (first, behind) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    Some((unescape(first), behind))
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

/// A value, and the pointers from it that name parts of it.
struct Part<'v, 'p> {
    value: &'v Value,
    granted: Vec<&'p str>,
    withheld: Vec<&'p str>,
}

/// What is named of a member or an item.
enum Below<'v, 'p> {
    Nothing,
    Mark,
    Part(Part<'v, 'p>),
}

impl<'v, 'p> Part<'v, 'p> {
    fn below(&self, key: &str, value: &'v Value) -> Below<'v, 'p> {
        let is_plain = !key.contains('/');
        let rest = |path: &&'p str| {
            let is_end = |rest: &&str| rest.is_empty() || rest.starts_with('/');
            let all = || path.strip_prefix("/*").filter(is_end);
            if path.contains('~') {
                return all().or_else(|| first(path).filter(|(first, _)| first == key).map(|(_, rest)| rest));
            }
            let named = || path.strip_prefix('/').filter(|_| is_plain)?.strip_prefix(key).filter(is_end);
            all().or_else(named)
        };
        let granted: Vec<&str> = self.granted.iter().filter_map(rest).collect();
        let withheld: Vec<&str> = self.withheld.iter().filter_map(rest).collect();
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
        let is_starred = |path: &&str| first(path).is_some_and(|(first, _)| first == "*");
        let has_all = self.granted.iter().any(is_starred);
        let ends_here = self.withheld.iter().any(|path| path.is_empty());
        let may_have_more = ends_here || (!has_all && self.withheld.iter().any(is_starred));
        let mut names: BTreeSet<Cow<'_, str>> =
            self.withheld.iter().filter_map(|path| Some(first(path)?.0)).filter(|name| name != "*").collect();
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
            out.serialize_entry(&name, &Mark)?;
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
        let config = json!({"a/b": 1, "a": {"b": 2, "*": 3}, "ab": 4, "*": 5});
        assert_eq!(cut_to(&config, &["/a/b"]), json!({"a": {"b": 2}}));
        assert_eq!(cut_to(&config, &["/a~1b"]), json!({"a/b": 1}));
        assert_eq!(cut_to(&config, &["/a/*"]), json!({"a": {"b": 2, "*": 3}}));
    }
}
