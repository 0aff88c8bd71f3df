//! The config keys of a release, from the table that the runner has built in: which of `keys.txt` it knows, and keys that no
//! check reads, so that what the two programs refuse is compared for every key.

use serde_json::Value;

use crate::release::Release;
use crate::table::{Key, Table};

const KEYS: &str = include_str!("../../../runner/src/config/release/keys.tsv");

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

/// A reference to a secret that is kept in the environment.
const REFERENCE: &str = r#"{"source":"env","provider":"default","id":"PARITY_TOKEN"}"#;

/// The keys of one release as a tree; number 0 is the whole config.
pub struct Keys {
    nodes: Vec<Node>,
}

struct Node {
    name: &'static str,
    /// Its type in this release.
    kind: &'static str,
    parent: usize,
    below: Vec<usize>,
}

impl Keys {
    /// Reads the table for a release.
    ///
    /// # Panics
    /// Where the table has not its form.
    #[must_use]
    pub fn of(release: Release) -> Self {
        let mut nodes = vec![Node { name: "", kind: "object strict", parent: 0, below: Vec::new() }];
        // The line above at each depth, and whether the release knows it.
        let mut above: Vec<Option<usize>> = vec![Some(0)];
        for text in KEYS.lines().skip(1) {
            let depth = text.bytes().take_while(|byte| *byte == b' ').count();
            above.truncate(depth + 1);
            let mut cells = text[depth..].split('\t');
            let name = cells.next().unwrap();
            let kind = kind(cells.collect::<Vec<_>>().as_slice(), release);
            let place = above[depth].zip(kind).map(|(parent, kind)| {
                let number = nodes.len();
                nodes.push(Node { name, kind, parent, below: Vec::new() });
                nodes[parent].below.push(number);
                number
            });
            above.push(place);
        }
        Self { nodes }
    }

    /// The release knows a place, or takes anything there.
    pub(crate) fn know(&self, place: &[Key]) -> bool {
        let mut at = 0;
        for key in place {
            let next = match key {
                Key::Name(name) => self.member(at, name),
                Key::Pool(_) => self.child(at, "*"),
                Key::Element => self.child(at, "[]"),
            };
            match next {
                Some(next) => at = next,
                None => return self.is_open(at),
            }
        }
        true
    }

    /// The words that a place may have, where it has nothing but words.
    pub(crate) fn words(&self, place: &[Key]) -> Option<Vec<String>> {
        let at = place.iter().try_fold(0, |at, key| match key {
            Key::Name(name) => self.member(at, name),
            Key::Pool(_) => self.child(at, "*"),
            Key::Element => self.child(at, "[]"),
        })?;
        let kind = self.nodes[at].kind.split([' ']).next()?;
        alternatives(kind).map(|word| serde_json::from_str(word).ok()).collect()
    }

    fn child(&self, at: usize, name: &str) -> Option<usize> {
        self.nodes[at].below.iter().copied().find(|below| self.nodes[*below].name == name)
    }

    fn member(&self, at: usize, name: &str) -> Option<usize> {
        let own = self.child(at, name).or_else(|| self.child(at, "*"));
        own.or_else(|| {
            // An account has the keys of its channel.
            let accounts = self.nodes[at].parent;
            (self.nodes[at].name == "*" && self.nodes[accounts].name == "accounts")
                .then(|| self.child(self.nodes[accounts].parent, name))
                .flatten()
        })
    }

    /// Its members are not looked at.
    fn is_open(&self, at: usize) -> bool {
        let Node { kind, below, .. } = &self.nodes[at];
        let known = |part: &str| matches!(part, "object" | "any" | "array" | "array<any>" | "array<object>");
        below.is_empty() && kind.trim_start_matches('!').split('|').any(known)
            || kind.starts_with("object otherKeys")
            || kind.starts_with("map")
    }

    /// All keys, as a table of values around their limits.
    #[must_use]
    pub fn table(&self) -> Table {
        let mut lines = vec!["@key = \"k\" | \"k\" | ?\"K.1\"".to_owned()];
        self.lines(0, "", &mut lines);
        Table::parse(&lines.join("\n"))
    }

    fn lines(&self, at: usize, path: &str, lines: &mut Vec<String>) {
        for below in &self.nodes[at].below {
            let Node { name, kind, .. } = &self.nodes[*below];
            let path = match *name {
                "[]" => format!("{path}[]"),
                "*" => format!("{path}.@key"),
                name if name.contains(['.', '{', '}', ',', '!']) => continue,
                name => format!("{path}.{name}"),
            };
            lines.extend(line(path.trim_start_matches('.'), kind));
            self.lines(*below, &path, lines);
        }
    }
}

/// The type that a row of cells, types and ranges, gives for a release.
fn kind(cells: &[&'static str], release: Release) -> Option<&'static str> {
    let range = |cell: &str| -> Option<(Option<Release>, Option<Release>)> {
        let (from, to) = cell.split_once("..")?;
        let end = |text: &str| if text.is_empty() { Some(None) } else { text.parse().ok().map(Some) };
        Some((end(from)?, end(to)?))
    };
    let mut cells = cells.iter().peekable();
    while let Some(kind) = cells.next() {
        let (from, to) =
            cells.next_if(|cell| range(cell).is_some()).and_then(|cell| range(cell)).unwrap_or_default();
        if from.is_none_or(|from| from <= release) && to.is_none_or(|to| release <= to) {
            return (*kind != "never").then_some(*kind);
        }
    }
    None
}

/// A line of the table for a key; none for an object that need not be there: its members have lines of their own.
fn line(path: &str, kind: &str) -> Option<String> {
    let (kind, _) =
        kind.trim_start_matches('!').split_once(" default=").unwrap_or((kind.trim_start_matches('!'), ""));
    let always = if kind.contains(" required") { "!" } else { "" };
    let kind = kind.replace(" required", "");
    if kind == "=*" || kind.starts_with("object ") || kind.starts_with("map") || kind == "array<object>" {
        return (!always.is_empty()).then(|| format!("{path}!"));
    }
    let choices: Vec<String> = alternatives(&kind).flat_map(choices).collect();
    Some(format!("{path}{always} = {} | ?5.5 | ?\"odd\" | ?null", choices.join(" | ")))
}

/// The types that a `|` separates, outside of brackets and quotes.
fn alternatives(kind: &str) -> impl Iterator<Item = &str> {
    let (mut depth, mut quoted) = (0, false);
    let separates = move |c: char| {
        quoted ^= c == '"';
        if !quoted {
            depth += i32::from(matches!(c, '<' | '(')) - i32::from(matches!(c, '>' | ')'));
        }
        c == '|' && depth == 0 && !quoted
    };
    kind.split(separates).map(str::trim)
}

/// Values of a type, and rare ones that just miss it.
fn choices(kind: &str) -> Vec<String> {
    if let Some(element) =
        kind.strip_prefix("array<").and_then(|rest| rest.split_once('>')).map(|(inner, _)| inner)
    {
        let elements = alternatives(element).flat_map(choices);
        let ordinary =
            elements.filter(|element| !element.starts_with('?')).map(|element| format!("[{element}]"));
        return ordinary.chain(["[]".to_owned(), "?[{}]".to_owned()]).collect();
    }
    let (name, limits) =
        if kind.starts_with('"') { (kind, "") } else { kind.split_once('(').unwrap_or((kind, "")) };
    let limit = |name: &str| -> Option<f64> {
        let mut limits = limits.trim_end_matches(')').split(',').filter_map(|limit| limit.split_once('='));
        limits.find(|(known, _)| *known == name)?.1.parse().ok()
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
    match name {
        "string" if limits.contains("[0-9a-fA-F]{6}") => {
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
        "object" | "object strict" | "map" => texts(&["{}"]),
        "array" => texts(&["[]"]),
        "any" => texts(&["1"]),
        "secretRef" => texts(&[REFERENCE, "?{\"source\":\"env\"}"]),
        literal if serde_json::from_str::<Value>(literal).is_ok() => texts(&[literal]),
        _ => Vec::new(),
    }
}

/// Puts what the config does not have yet into it.
pub(crate) fn merge(config: &mut Value, more: Value) {
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
    use crate::release::RELEASES;
    use crate::rng::Rng;

    #[test]
    fn every_key_of_every_release_becomes_a_line() {
        for release in RELEASES {
            let table = Keys::of(release).table();
            let mut config = Value::Object(serde_json::Map::new());
            for number in 0..200 {
                merge(&mut config, table.few(3, &mut Rng::new(1, number)));
            }
            assert!(config.as_object().unwrap().len() > 10, "{config}");
        }
    }

    #[test]
    fn numbers_stand_around_their_limits() {
        assert_eq!(choices("integer(minimum=0,maximum=23)"), ["11", "11", "?0", "?23", "?-1", "?24"]);
        assert_eq!(choices("array<\"a\"|\"b\">"), ["[\"a\"]", "[\"b\"]", "[]", "?[{}]"]);
        assert_eq!(
            line("a.@key", "boolean required").unwrap(),
            "a.@key! = true | false | ?\"true\" | ?0 | ?5.5 | ?\"odd\" | ?null"
        );
    }

    #[test]
    fn a_place_is_known_in_its_releases() {
        let place =
            |names: &[&str]| names.iter().map(|name| Key::Name((*name).to_owned())).collect::<Vec<_>>();
        let [old, new] = [RELEASES[0], RELEASES[8]].map(Keys::of);
        let commands = place(&["gateway", "nodes", "allowCommands"]);
        assert!(old.know(&commands) && !new.know(&commands));
        let account = place(&["channels", "telegram", "accounts", "a", "dmPolicy"]);
        assert!(old.know(&account) && new.know(&account));
        assert!(!new.know(&place(&["gateway", "nope"])));
    }
}
