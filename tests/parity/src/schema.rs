//! Keys that no check reads, from the schema: so that what the two programs refuse is compared for every key.

use std::sync::LazyLock;

use serde_json::Value;

use crate::rng::Rng;
use crate::table::Table;

/// The schema's keys as a table of values around their limits.
static SCHEMA: LazyLock<Table> = LazyLock::new(|| {
    let lines = include_str!("../../../runner/src/config/release/schema-2026.2.tsv").lines();
    let lines = lines.filter_map(|line| line.split_once('\t')).filter(|(path, _)| !path.starts_with('$'));
    let lines: Vec<String> = lines.filter_map(|(path, kind)| line(path, kind)).collect();
    Table::parse(&format!("@key = \"k\" | \"k\" | ?\"K.1\"\n{}", lines.join("\n")))
});

/// Texts that some rule beside the schema may look at.
const TEXTS: [&str; 16] = [
    "x",
    "~/x",
    "/x",
    "x/../y",
    " ",
    "10",
    "10m",
    "1.5h",
    "2d",
    "10mb",
    "24:00",
    "8:00",
    "https://x.example",
    "last",
    "discord",
    "a b;c",
];

/// Puts a few keys of the schema into a config.
pub fn add(config: &mut Value, rng: &mut Rng) {
    let wanted = 1 + rng.below(3);
    merge(config, SCHEMA.few(wanted, rng));
}

/// A line of the table for one of the schema; none for an object that need not be there: its members have lines of their own.
fn line(path: &str, kind: &str) -> Option<String> {
    let (kind, _) = kind.split_once(" default=").unwrap_or((kind, ""));
    let always = if kind.contains(" required") { "!" } else { "" };
    let kind = kind.replace(" required", "");
    if kind.starts_with("object ") || kind == "map" || kind == "array<object>" {
        return (!always.is_empty()).then(|| format!("{}!", path.replace('*', "@key")));
    }
    let choices: Vec<String> = alternatives(&kind).flat_map(choices).collect();
    Some(format!("{}{always} = {} | ?5.5 | ?\"odd\" | ?null", path.replace('*', "@key"), choices.join(" | ")))
}

/// The types that a `|` separates, outside of an array's angle brackets.
fn alternatives(kind: &str) -> impl Iterator<Item = &str> {
    let mut depth = 0;
    let separates = move |c: char| {
        depth += i32::from(c == '<') - i32::from(c == '>');
        c == '|' && depth == 0
    };
    kind.split(separates).map(str::trim)
}

/// Values of a type, and rare ones that just miss it.
fn choices(kind: &str) -> Vec<String> {
    if let Some(element) = kind.strip_prefix("array<").and_then(|rest| rest.strip_suffix('>')) {
        let elements = alternatives(element).flat_map(choices);
        let ordinary =
            elements.filter(|element| !element.starts_with('?')).map(|element| format!("[{element}]"));
        return ordinary.chain(["[]".to_owned(), "?[{}]".to_owned()]).collect();
    }
    let (name, limits) = kind.split_once('(').unwrap_or((kind, ""));
    let limit = |name: &str| -> Option<f64> {
        let mut limits = limits.trim_end_matches(')').split(',').filter_map(|limit| limit.split_once('='));
        limits.find(|(known, _)| *known == name)?.1.parse().ok()
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    match name {
        "string" if limits.starts_with("pattern") => {
            texts(&["\"#00AA11\"", "\"00aa11\"", "?\"00aa1\"", "?\"\""])
        }
        "string" if limits.starts_with("format=uri") => {
            texts(&["\"https://x.example/y\"", "?\"x\"", "?\"x:y\""])
        }
        "string" => {
            let long = |length| format!("?\"{}\"", "x".repeat(length));
            let rare = [long(50), long(51), long(201)].into_iter();
            TEXTS.iter().map(|text| format!("\"{text}\"")).chain(["?\"\"".to_owned()]).chain(rare).collect()
        }
        "boolean" => texts(&["true", "false", "?\"true\"", "?0"]),
        "integer" | "number" => {
            let least = limit("minimum").or(limit("exclusiveMinimum")).unwrap_or(1.0);
            let most = limit("maximum").unwrap_or(least + 1000.0);
            let near = [least + (most - least) / 2.0, least, most, least - 1.0, most + 1.0];
            let [middle, near @ ..] = near.map(|number| number.to_string());
            let middle =
                if name == "integer" { middle.split('.').next().unwrap_or("1").to_owned() } else { middle };
            [vec![middle.clone(), middle], near.iter().map(|number| format!("?{number}")).collect()].concat()
        }
        "object" => texts(&["{}"]),
        literal => vec![literal.to_owned()],
    }
}

/// What the config has already stays.
fn merge(config: &mut Value, more: Value) {
    match (config, more) {
        (Value::Object(config), Value::Object(more)) => {
            for (key, value) in more {
                match config.get_mut(&key) {
                    Some(known) => merge(known, value),
                    None => drop(config.insert(key, value)),
                }
            }
        }
        (Value::Array(config), Value::Array(mut more)) => {
            if let (Some(first), false) = (config.first_mut(), more.is_empty()) {
                merge(first, more.remove(0));
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_of_the_schema_becomes_one_of_the_table() {
        let mut config = Value::Object(serde_json::Map::new());
        for number in 0..200 {
            add(&mut config, &mut Rng::new(1, number));
        }
        assert!(config.as_object().unwrap().len() > 10, "{config}");
    }

    #[test]
    fn numbers_stand_around_their_limits() {
        assert_eq!(choices("integer(minimum=0,maximum=23)"), ["11", "11", "?0", "?23", "?-1", "?24"]);
        assert_eq!(choices("array<\"a\"|\"b\">"), ["[\"a\"]", "[\"b\"]", "[]", "?[{}]"]);
        assert_eq!(
            line("a.*", "boolean required").unwrap(),
            "a.@key! = true | false | ?\"true\" | ?0 | ?5.5 | ?\"odd\" | ?null"
        );
    }
}
