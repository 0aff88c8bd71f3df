//! Compares a config with the key table of its release: unknown keys, wrong types, missing members. Nothing is changed.
//! Messages name keys and expectations, never the value that was found.

use std::collections::HashSet;

use serde_json::{Map, Value};

use crate::config::pointer::{join, readable, segments};
use crate::config::release::{NEWER_STRUCTURE, Release};
use crate::config::schema::{self, History, Id, Schema};
use crate::config::schema_type::{Kind, Rest, Type, accepted, describe};
use crate::config::{MAX_PROBLEMS, Problem, ProblemKind, Problems, plugins};
use crate::wording::nearest;

/// Reports what the gateway's schema would refuse. Strings at the pointers `skip` are not judged: they hold a
/// reference that could not be resolved.
pub(in crate::config) fn validate(
    release: Release,
    config: &Value,
    skip: &HashSet<String>,
    layer: plugins::Layer,
    problems: &mut Problems,
) {
    let schema = schema::get(release);
    Walk { release, schema, skip, layer, problems, histories: MAX_PROBLEMS }.value(config, Schema::ROOT, "");
}

struct Walk<'a> {
    release: Release,
    schema: &'a Schema,
    skip: &'a HashSet<String>,
    layer: plugins::Layer,
    problems: &'a mut Problems,
    /// So often other releases are still looked at.
    histories: usize,
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
                let lists: Vec<&Kind> =
                    kinds.iter().filter(|kind| matches!(kind, Kind::Array { .. })).collect();
                match lists.iter().find(|kind| kind.takes_length(items)) {
                    Some(Kind::Array { kinds: expected, .. }) => {
                        self.items(items, expected, node.item, pointer);
                    }
                    _ if kinds.is_empty() => {}
                    _ => self.wrong(kinds, value, pointer),
                }
            }
            _ if self.skip.contains(pointer) => {}
            _ if accepted(kinds, value) && !self.is_too_early(kinds, value) => {}
            _ => self.wrong(kinds, value, pointer),
        }
    }

    /// A reference to a store that this release does not have.
    fn is_too_early(&self, kinds: &[Kind], value: &Value) -> bool {
        self.release < NEWER_STRUCTURE
            && value.get("source").and_then(Value::as_str) == Some("store")
            && kinds.iter().any(|kind| matches!(kind, Kind::SecretRef { .. }))
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
        let shape = node.shape();
        self.keys_of_map(map, shape, pointer);
        for (key, value) in map {
            let below = join(pointer, key);
            let member = match pointer {
                "/channels" if !self.layer.judges_channel(key) => continue,
                "/plugins/entries" if !self.layer.judges_entries() => node.any_key,
                _ => node.member(key),
            };
            match (member, &shape.rest) {
                (Some(member), _) => self.value(value, member, &below),
                (None, Rest::Kept) => {}
                (None, Rest::Of(kinds)) => {
                    if !self.skip.contains(&below) && !accepted(kinds, value) {
                        self.wrong(kinds, value, &below);
                    }
                }
                (None, Rest::Refused) => {
                    let told = self.history(&below).map(|history| history.told(self.release));
                    let told = match told {
                        Some(Some(told)) => format!(" ({told})"),
                        Some(None) => meant(key, node),
                        None => String::new(),
                    };
                    let message = format!(
                        "The gateway of this release does not know the key {}{told}.",
                        readable(&below)
                    );
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

    fn keys_of_map(&mut self, map: &Map<String, Value>, shape: &Type, pointer: &str) {
        let Some(keys) = &shape.keys else { return };
        if map.len() < keys.least || map.len() > keys.most {
            let message = if keys.most == usize::MAX {
                format!("{} needs at least {} keys, and has {}.", readable(pointer), keys.least, map.len())
            } else {
                format!(
                    "{} takes {} to {} keys, and has {}.",
                    readable(pointer),
                    keys.least,
                    keys.most,
                    map.len()
                )
            };
            self.problems.push(Problem::new(ProblemKind::InvalidValue, message).at(pointer));
        }
        for key in map.keys().filter(|key| !keys.accept(key)) {
            let message =
                format!("A key of {} does not have the form that is expected there.", readable(pointer));
            self.problems.push(Problem::new(ProblemKind::InvalidValue, message).at(join(pointer, key)));
        }
    }

    fn wrong(&mut self, kinds: &[Kind], value: &Value, pointer: &str) {
        let told = self.history(pointer).and_then(|history| history.told_of_value(value, self.release));
        let told = told.map(|told| format!(" ({told})")).unwrap_or_default();
        let message = format!(
            "{} should be {}, but is {}{told}.",
            readable(pointer),
            describe(kinds),
            kind_of(kinds, value)
        );
        self.problems.push(Problem::new(ProblemKind::InvalidValue, message).at(pointer));
    }

    /// What other releases say of a key. Nobody reads hundreds of problems.
    fn history(&mut self, pointer: &str) -> Option<History> {
        self.histories = self.histories.checked_sub(1)?;
        Some(schema::history(&segments(pointer)?))
    }
}

/// What to say of a key that no release knows: one that is spelt like it.
fn meant(key: &str, node: &schema::Node) -> String {
    nearest(key, node.names()).map(|known| format!("; it knows {known}")).unwrap_or_default()
}

/// The kind of a value for people.
fn kind_of(kinds: &[Kind], value: &Value) -> &'static str {
    let numbers = kinds.iter().any(|kind| matches!(kind, Kind::Number { .. }));
    let lists = kinds.iter().any(|kind| matches!(kind, Kind::Array { .. }));
    match value {
        Value::Null => "null",
        Value::Bool(_) => "a boolean",
        Value::Number(_) if numbers => "another number",
        Value::Number(_) => "a number",
        Value::String(text) if text.is_empty() => "an empty string",
        Value::String(_) if numbers => "a string",
        Value::String(_) => "another string",
        Value::Array(_) if lists => "another list",
        Value::Array(_) => "a list",
        Value::Object(_) => "an object",
    }
}
