//! Compares a config with the key table: unknown keys, wrong types, missing members. Nothing is changed.
//! Messages name keys and expectations, never the value that was found.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::config::pointer::{join, readable};
use crate::config::schema::{Id, Schema};
use crate::config::schema_type::{Kind, Rest, accepted, describe};
use crate::config::{Problem, ProblemKind, Problems};

/// Reports what the gateway's schema would refuse. Strings at the pointers `skip` are not judged: they hold a
/// reference that could not be resolved.
pub(in crate::config) fn validate(
    schema: &Schema,
    config: &Value,
    skip: &HashSet<String>,
    problems: &mut Problems,
) {
    Walk { schema, skip, problems }.value(config, Schema::ROOT, "");
}

struct Walk<'a> {
    schema: &'a Schema,
    skip: &'a HashSet<String>,
    problems: &'a mut Problems,
}

impl Walk<'_> {
    fn value(&mut self, value: &Value, id: Id, pointer: &str) {
        let Some(node) = self.schema.node(id) else { return };
        let kinds = &node.shape().kinds;
        match value {
            Value::Object(map) if kinds.is_empty() || kinds.contains(&Kind::Object) => {
                self.object(map, id, pointer);
            }
            Value::Array(items) => {
                let expected = kinds.iter().find_map(|kind| match kind {
                    Kind::Array(expected) => Some(expected),
                    _ => None,
                });
                match expected {
                    Some(expected) => self.items(items, expected, node.item, pointer),
                    None if kinds.is_empty() => {}
                    None => self.wrong(kinds, value, pointer),
                }
            }
            _ if self.skip.contains(pointer) => {}
            _ if accepted(kinds, value) => {}
            _ => self.wrong(kinds, value, pointer),
        }
    }

    fn items(&mut self, items: &[Value], expected: &[Kind], item: Option<Id>, pointer: &str) {
        for (index, value) in items.iter().enumerate() {
            let below = join(pointer, &index.to_string());
            match item {
                Some(item) => self.value(value, item, &below),
                None if self.skip.contains(&below) || accepted(expected, value) => {}
                None => self.wrong(expected, value, &below),
            }
        }
    }

    fn object(&mut self, map: &Map<String, Value>, id: Id, pointer: &str) {
        let Some(node) = self.schema.node(id) else { return };
        for (key, value) in map {
            let below = join(pointer, key);
            match (node.member(key), &node.shape().rest) {
                (Some(member), _) => self.value(value, member, &below),
                (None, Rest::Kept) => {}
                (None, Rest::Of(kinds)) => {
                    if !self.skip.contains(&below) && !accepted(kinds, value) {
                        self.wrong(kinds, value, &below);
                    }
                }
                (None, Rest::Refused) => {
                    let message =
                        format!("The gateway of this release does not know the key {}.", readable(&below));
                    self.problems.push(Problem::new(ProblemKind::UnknownKey, message).at(below));
                }
            }
        }
        for (key, member) in &node.keys {
            let required = self.schema.node(*member).is_some_and(|node| node.shape().required);
            if required && !map.contains_key(*key) {
                let message = format!("{} lacks the key {key}.", readable(pointer));
                self.problems.push(Problem::new(ProblemKind::InvalidValue, message).at(join(pointer, key)));
            }
        }
    }

    fn wrong(&mut self, kinds: &[Kind], value: &Value, pointer: &str) {
        let message =
            format!("{} should be {}, but is {}.", readable(pointer), describe(kinds), kind_of(kinds, value));
        self.problems.push(Problem::new(ProblemKind::InvalidValue, message).at(pointer));
    }
}

/// The kind of a value for people.
fn kind_of(kinds: &[Kind], value: &Value) -> &'static str {
    let numbers = kinds.iter().any(|kind| matches!(kind, Kind::Number { .. }));
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) if numbers => "another number",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) if numbers => "a string",
        Value::String(_) => "another string",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
