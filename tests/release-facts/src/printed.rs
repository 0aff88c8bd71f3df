//! The table of a release from the JSON Schema that the program prints (`openclaw config schema`).
//!
//! A printed schema says less than the program checks: nothing of texts that are trimmed, of rules between keys, or of the forms
//! of references to secrets. What it cannot say is taken from the table of the release before, where the rest is the same.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use anyhow::{Context as _, Result};
use serde_json::{Map, Value};

use crate::flat::{Row, Table, bare};

/// Largest whole number that JavaScript tells apart, which the program prints as a limit of every whole number.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;
/// Deeper schemas refer to themselves.
const MAX_DEPTH: usize = 24;

/// All keys of a printed schema.
pub(crate) fn table(schema: &Value) -> Result<Table> {
    let properties =
        schema.get("properties").and_then(Value::as_object).context("no JSON Schema of an object")?;
    let schema = &joined(schema);
    let properties = schema.get("properties").and_then(Value::as_object).unwrap_or(properties);
    let mut reader = Reader { root: schema, base: schema, rows: Vec::new() };
    for (name, schema) in properties {
        reader.key(name, schema, is_required(name, schema_required(reader.root)), 0);
    }
    let mut rows = reader.rows;
    // The entries of plugins say nothing but how their config differs from that of any other.
    let own = |path: &str| path.strip_prefix("plugins.entries.").is_some_and(|rest| !rest.starts_with('*'));
    rows.retain(|row: &Row| !own(&row.path) || row.path.split('.').nth(3) == Some("config"));
    let shared: HashMap<String, String> = rows
        .iter()
        .filter_map(|row| {
            let (channel, key) = row.path.strip_prefix("channels.")?.split_once('.')?;
            Some((format!("channels.{channel}.accounts.*.{key}"), row.column.clone()))
        })
        .collect();
    let mut accounts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in &rows {
        if let Some((channel, key)) = row.path.split_once(".accounts.*.")
            && channel.matches('.').count() == 1
        {
            accounts.entry(channel.to_owned()).or_default().push(key.to_owned());
        }
    }
    let keys = rows.clone();
    // An account has the keys of its channel: only what differs is written.
    rows.retain(|row| shared.get(&row.path) != Some(&row.column));
    for (channel, own) in accounts {
        let prefix = format!("{channel}.");
        let of_channel = keys.iter().filter_map(|row| row.path.strip_prefix(&prefix));
        let is_strict =
            |row: &Row| row.path == format!("{channel}.accounts.*") && row.column.contains("strict");
        if !keys.iter().any(is_strict) {
            continue;
        }
        let direct = of_channel.filter(|key| !key.contains(['.', '[']) && !matches!(*key, "accounts"));
        for key in direct.filter(|key| !own.iter().any(|own| own == key)) {
            let path = format!("{channel}.accounts.*.{key}");
            let inside = |row: &Row| row.path.starts_with(&format!("{channel}.accounts"));
            let after = rows.iter().rposition(inside).unwrap_or(rows.len() - 1);
            rows.insert(after + 1, Row { path, column: "never".to_owned() });
        }
    }
    Ok(with_entries(rows))
}

/// Each plugin's entry has a line of its own.
fn with_entries(rows: Table) -> Table {
    let mut table = Table::new();
    for row in rows {
        let entry = row.path.strip_suffix(".config").filter(|entry| entry.starts_with("plugins.entries."));
        if let Some(entry) = entry.filter(|entry| !entry.ends_with('*')) {
            table.push(Row { path: entry.to_owned(), column: crate::flat::LIKE_OTHERS.to_owned() });
        }
        table.push(row);
    }
    table
}

/// What a printed schema cannot say is taken from the release before. Gives the lines that a person should look at.
pub(crate) fn complete(table: &mut Table, before: &Table) -> Vec<String> {
    let known: HashMap<&str, &str> =
        before.iter().map(|row| (row.path.as_str(), row.column.as_str())).collect();
    let mut open = Vec::new();
    for row in table.iter_mut() {
        let Some(column) = known.get(row.path.as_str()) else {
            open.push(format!("new\t{}\t{}", row.path, row.column));
            continue;
        };
        let plain = column.trim_start_matches('!');
        if coarse(plain) == coarse(&row.column) {
            (*column).clone_into(&mut row.column);
        } else {
            open.push(format!("type\t{}\t{plain}\t{}", row.path, row.column));
        }
    }
    let now: HashSet<&str> = table.iter().map(|row| row.path.as_str()).collect();
    open.extend(
        before.iter().filter(|row| !now.contains(row.path.as_str())).map(|row| format!("gone\t{}", row.path)),
    );
    open
}

/// A type as far as a printed schema says it, in one order.
fn coarse(column: &str) -> String {
    let default = column.split_once(" default=").map_or("", |(_, default)| default);
    let required = bare(column).len() < column.len() && column.contains(" required");
    let mut text = bare(column).replace("(loose)", "").replace("trim,", "").replace("(trim)", "");
    for word in [",startsWith=#", ",format=email", " flags=i", " flags=u"] {
        text = text.replace(word, "");
    }
    if let Some(at) = text.find("map(") {
        text.truncate(at + 3);
    }
    let mut parts: Vec<&str> = text.split('|').collect();
    parts.sort_unstable();
    format!("{} {required} {default}", parts.join("|"))
}

/// The parts of `allOf` as one.
fn joined(schema: &Value) -> Value {
    match schema {
        Value::Object(map) => {
            let mut whole: Map<String, Value> =
                map.iter().map(|(key, value)| (key.clone(), joined(value))).collect();
            if let Some(Value::Array(parts)) = whole.remove("allOf") {
                for (key, value) in parts.iter().filter_map(Value::as_object).flatten() {
                    // Rules between keys are for a person.
                    if !matches!(key.as_str(), "not" | "if" | "then" | "else") {
                        whole.insert(key.clone(), value.clone());
                    }
                }
            }
            Value::Object(whole)
        }
        Value::Array(items) => Value::Array(items.iter().map(joined).collect()),
        leaf => leaf.clone(),
    }
}

struct Reader<'s> {
    root: &'s Value,
    /// The part of it that has definitions of its own.
    base: &'s Value,
    rows: Table,
}

fn schema_required(schema: &Value) -> Option<&Vec<Value>> {
    schema.get("required").and_then(Value::as_array)
}

fn is_required(name: &str, required: Option<&Vec<Value>>) -> bool {
    required.is_some_and(|names| names.iter().any(|required| required == name))
}

impl<'s> Reader<'s> {
    fn resolve(&self, schema: &'s Value) -> &'s Value {
        let target = schema.get("$ref").and_then(Value::as_str).and_then(|target| target.strip_prefix('#'));
        let Some(pointer) = target else { return schema };
        let target = self.base.pointer(pointer).or_else(|| self.root.pointer(pointer));
        target.map_or(schema, |target| self.resolve(target))
    }

    /// A key and all below it.
    fn key(&mut self, path: &str, schema: &'s Value, required: bool, depth: usize) {
        let outer = self.base;
        if schema.get("$defs").is_some() {
            self.base = schema;
        }
        self.key_of(path, schema, required, depth);
        self.base = outer;
    }

    fn key_of(&mut self, path: &str, schema: &'s Value, required: bool, depth: usize) {
        let mut shapes = Vec::new();
        let mut column = self.alternatives(schema, path, &mut shapes, depth);
        let default = self.resolve(schema).get("default");
        if let Some(default) = default {
            let _ = write!(column, " default={default}");
        } else if required {
            column.push_str(" required");
        }
        let at = self.rows.len();
        self.rows.push(Row { path: path.to_owned(), column });
        if depth >= MAX_DEPTH {
            return;
        }
        // A key of one of several shapes is required only where all of them require it.
        let lists = shapes.iter().filter_map(|shape| match shape {
            Shape::Object(object, _) => Some(object.get("required").and_then(Value::as_array)),
            Shape::List(_) => None,
        });
        let lists: Vec<Option<&Vec<Value>>> = lists.collect();
        let required: Vec<Value> = match lists.split_first() {
            Some((Some(first), rest)) => {
                let in_all =
                    |name: &&Value| rest.iter().all(|list| list.is_some_and(|list| list.contains(name)));
                first.iter().filter(in_all).cloned().collect()
            }
            _ => Vec::new(),
        };
        for shape in shapes {
            match shape {
                Shape::List(item) => {
                    if self.has_parts(item) {
                        self.key(&format!("{path}[]"), item, false, depth + 1);
                    }
                }
                Shape::Object(object, others) => self.members(path, object, others, &required, (at, depth)),
            }
        }
    }

    fn members(
        &mut self,
        path: &str,
        object: &'s Map<String, Value>,
        others: bool,
        required: &Vec<Value>,
        (at, depth): (usize, usize),
    ) {
        let required = Some(required);
        for (name, schema) in object.get("properties").and_then(Value::as_object).into_iter().flatten() {
            let below = format!("{path}.{name}");
            match self.rows.iter().skip(at).position(|row| row.path == below) {
                // Another shape has it too: it is required only where all have it so.
                Some(found) => {
                    if let Some(row) = self.rows.get_mut(at + found)
                        && !is_required(name, required)
                        && let Some(plain) = row.column.strip_suffix(" required")
                    {
                        row.column = plain.to_owned();
                    }
                    self.widen(&below, schema, at + found, depth);
                }
                None => self.key(&below, schema, is_required(name, required), depth + 1),
            }
        }
        if let Some(schema) = object.get("additionalProperties").filter(|schema| others && schema.is_object())
        {
            self.key(&format!("{path}.*"), schema, false, depth + 1);
        }
    }

    /// A key of several shapes takes what any of them takes.
    fn widen(&mut self, path: &str, schema: &'s Value, at: usize, depth: usize) {
        let mut shapes = Vec::new();
        let column = self.alternatives(schema, path, &mut shapes, depth);
        let Some(row) = self.rows.get_mut(at) else { return };
        let known: Vec<&str> = bare(&row.column).split('|').collect();
        let new: Vec<&str> = column.split('|').filter(|part| !known.contains(part)).collect();
        if !new.is_empty() {
            let rest = row.column.get(bare(&row.column).len()..).unwrap_or_default();
            row.column = format!("{}|{}{rest}", bare(&row.column), new.join("|"));
        }
    }

    /// Items whose parts are keys.
    fn has_parts(&self, schema: &'s Value) -> bool {
        let mut shapes = Vec::new();
        self.alternatives(schema, "", &mut shapes, 0);
        let has = |shape: &Shape<'_>| match shape {
            Shape::Object(object, others) => {
                object.contains_key("properties")
                    || object.get("additionalProperties") == Some(&Value::Bool(false))
                    || *others && object.get("additionalProperties").is_some_and(Value::is_object)
            }
            Shape::List(item) => self.has_parts(item),
        };
        shapes.iter().any(has)
    }

    fn alternatives(
        &self,
        schema: &'s Value,
        path: &str,
        shapes: &mut Vec<Shape<'s>>,
        depth: usize,
    ) -> String {
        let schema = self.resolve(schema);
        let choices = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array);
        let Some(choices) = choices else { return self.plain(schema, path, shapes, depth) };
        let mut parts: Vec<String> = Vec::new();
        let mut push = |part: String| {
            if !parts.contains(&part) {
                parts.push(part);
            }
        };
        if self.is_secret_ref(schema) {
            return secret_ref(path);
        }
        for choice in choices {
            if self.is_secret_ref(choice) {
                push(secret_ref(path));
            } else if depth < MAX_DEPTH {
                push(self.alternatives(choice, path, shapes, depth + 1));
            }
        }
        parts.join("|")
    }

    /// The shapes of a reference to a secret.
    fn is_secret_ref(&self, schema: &'s Value) -> bool {
        let schema = self.resolve(schema);
        if let Some(choices) = schema.get("anyOf").or_else(|| schema.get("oneOf")).and_then(Value::as_array) {
            return !choices.is_empty() && choices.iter().all(|choice| self.is_secret_ref(choice));
        }
        let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return false };
        let names: Vec<&str> = properties.keys().map(String::as_str).collect();
        names == ["source", "provider", "id"]
    }

    fn plain(&self, schema: &'s Value, path: &str, shapes: &mut Vec<Shape<'s>>, depth: usize) -> String {
        let _ = depth;
        if let Some(value) = schema.get("const") {
            return value.to_string();
        }
        if let Some(values) = schema.get("enum").and_then(Value::as_array) {
            return values.iter().map(Value::to_string).collect::<Vec<_>>().join("|");
        }
        let text = |key: &str| schema.get(key).and_then(Value::as_str);
        if let Some(types) = schema.get("type").and_then(Value::as_array) {
            return types.iter().filter_map(Value::as_str).collect::<Vec<_>>().join("|");
        }
        match text("type") {
            Some("string") => of_text(schema),
            Some(kind @ ("number" | "integer")) => of_number(kind, schema),
            Some("boolean") => "boolean".to_owned(),
            Some("null") => "null".to_owned(),
            Some("array") => self.of_list(schema, path, shapes),
            Some("object") => of_object(self, schema, path, shapes),
            _ if schema.get("properties").is_some() => of_object(self, schema, path, shapes),
            _ => "any".to_owned(),
        }
    }

    fn of_list(&self, schema: &'s Value, path: &str, shapes: &mut Vec<Shape<'s>>) -> String {
        let mut options = Vec::new();
        for key in ["minItems", "maxItems"] {
            if let Some(count) = schema.get(key) {
                options.push(format!("{key}={count}"));
            }
        }
        if schema.get("uniqueItems") == Some(&Value::Bool(true)) {
            options.push("unique".to_owned());
        }
        let inner = match schema.get("items") {
            // The items of a list of a fixed length, each with its own type.
            Some(Value::Array(items)) => {
                let mut parts: Vec<String> = Vec::new();
                for item in items {
                    let part = self.alternatives(item, path, &mut Vec::new(), 0);
                    if !parts.contains(&part) {
                        parts.push(part);
                    }
                }
                parts.join("|")
            }
            Some(item) => {
                shapes.push(Shape::List(item));
                let mut below = Vec::new();
                let inner = self.alternatives(item, path, &mut below, 0);
                let parts =
                    inner.split('|').map(|part| if part.starts_with("object") { "object" } else { part });
                let mut once: Vec<&str> = Vec::new();
                parts.for_each(|part| {
                    if !once.contains(&part) {
                        once.push(part);
                    }
                });
                once.join("|").replace("map", "object")
            }
            None => "any".to_owned(),
        };
        if inner == "any" && options.is_empty() {
            return "array".to_owned();
        }
        format!("array<{inner}>{}", in_brackets(&options))
    }
}

enum Shape<'s> {
    List(&'s Value),
    /// An object, and whether its other keys are described.
    Object(&'s Map<String, Value>, bool),
}

fn secret_ref(path: &str) -> String {
    let loose = path.starts_with("channels.") || path.starts_with("plugins.entries.");
    if loose { "secretRef(loose)" } else { "secretRef" }.to_owned()
}

fn of_text(schema: &Value) -> String {
    let mut options = Vec::new();
    for key in ["minLength", "maxLength"] {
        if let Some(count) = schema.get(key) {
            options.push(format!("{key}={count}"));
        }
    }
    if let Some(pattern) = schema.get("pattern").and_then(Value::as_str) {
        let quoted = pattern.contains([',', '|', '(', ')', '<', '>', '"']);
        let pattern = if quoted { Value::from(pattern).to_string() } else { pattern.to_owned() };
        options.push(format!("pattern={pattern}"));
    }
    if let Some(format) = schema.get("format").and_then(Value::as_str) {
        options.push(format!("format={format}"));
    }
    format!("string{}", in_brackets(&options))
}

fn of_number(kind: &str, schema: &Value) -> String {
    let mut options = Vec::new();
    for key in ["minimum", "exclusiveMinimum", "maximum", "exclusiveMaximum"] {
        if let Some(limit) =
            schema.get(key).filter(|limit| limit.as_f64().is_some_and(|limit| limit.abs() < MAX_SAFE))
        {
            options.push(format!("{key}={limit}"));
        }
    }
    format!("{kind}{}", in_brackets(&options))
}

fn of_object<'s>(reader: &Reader<'s>, schema: &'s Value, path: &str, shapes: &mut Vec<Shape<'s>>) -> String {
    let Some(object) = schema.as_object() else { return "object".to_owned() };
    let has_keys = object.get("properties").and_then(Value::as_object).is_some_and(|keys| !keys.is_empty());
    let others = object.get("additionalProperties");
    let described = others.is_some_and(|others| others.as_object().is_some_and(|schema| !schema.is_empty()));
    shapes.push(Shape::Object(object, described));
    if path == "plugins.entries" {
        return "map".to_owned();
    }
    match others {
        Some(Value::Bool(false)) => "object strict".to_owned(),
        Some(Value::Object(schema)) if schema.is_empty() => {
            if has_keys { "object openKeys" } else { "object" }.to_owned()
        }
        Some(schema @ Value::Object(_)) if has_keys => {
            let others = reader.alternatives(schema, path, &mut Vec::new(), 0);
            format!("object otherKeys={others}")
        }
        Some(Value::Object(_)) => "map".to_owned(),
        _ if has_keys => "object openKeys".to_owned(),
        _ => "object".to_owned(),
    }
}

fn in_brackets(options: &[String]) -> String {
    if options.is_empty() { String::new() } else { format!("({})", options.join(",")) }
}
