//! `keys.txt`, read: which keys a config may have, and which values are worth trying. Its heading explains the form.

use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::release::Release;
use crate::rng::Rng;
use crate::schema::Keys;

/// The table that is built in.
const TABLE: &str = include_str!("keys.txt");

/// How much more often an ordinary choice is taken than a rare one.
const ORDINARY: usize = 12;

/// Of a hundred members of an object, so many are there; each object draws one of these.
const DENSITIES: [usize; 4] = [3, 10, 25, 60];

/// The same for an object in which something is wanted.
const BESIDE: [usize; 4] = [5, 30, 60, 80];

/// Lengths of a list from a pool; 26 is one more than the reference calls few.
const LENGTHS: [usize; 9] = [0, 1, 1, 1, 2, 2, 3, 5, 26];

/// Of a hundred environments, so many have a given variable.
const VARIABLE: usize = 6;

/// Keys and values.
#[derive(Debug, Default)]
pub struct Table {
    pools: BTreeMap<String, Vec<Choice>>,
    variables: BTreeMap<String, Node>,
    config: Node,
    /// Every place that has values.
    places: Vec<Vec<Key>>,
}

#[derive(Clone, Debug)]
enum Choice {
    Value(Value),
    Pool(String),
    List(String),
}

/// What may stand at a place of the config.
#[derive(Debug, Default)]
struct Node {
    always: bool,
    values: Vec<Choice>,
    members: Vec<(Key, Node)>,
}

/// A step of a place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Key {
    Name(String),
    /// Names from a pool.
    Pool(String),
    /// Elements of a list.
    Element,
}

impl Table {
    /// The table that is built in, without what a release does not know. From 2026.8.1 on agents are members of an object.
    #[must_use]
    pub fn of(release: Release, keys: &Keys) -> Self {
        let text =
            if release.since(8, 1) { TABLE.replace("list[]", "entries.@agent") } else { TABLE.to_owned() };
        let mut table = Self::parse(&text);
        table.config.keep(keys, &mut Vec::new());
        table.places.clear();
        table.config.places(&mut Vec::new(), &mut table.places);
        table
    }

    /// Reads a table.
    ///
    /// # Panics
    /// Where it has not the form.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let mut table = Self::default();
        for line in text.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
            let Some((path, choices)) = line.split_once(" = ") else {
                assert!(line.ends_with('!'), "neither a value nor always there: {line}");
                table.config.at(line);
                continue;
            };
            let choices: Vec<Choice> = choices.split(" | ").flat_map(choice).collect();
            for path in expand(path) {
                if let Some(pool) = path.strip_prefix('@') {
                    table.pools.insert(pool.to_owned(), choices.clone());
                } else if let Some(name) = path.strip_prefix('$') {
                    let node = Node { values: choices.clone(), ..Node::default() };
                    table.variables.insert(name.to_owned(), node);
                } else {
                    table.config.at(&path).values.extend(choices.clone());
                }
            }
        }
        table.config.places(&mut Vec::new(), &mut table.places);
        table
    }

    /// A config: some places that are drawn are there for sure, and much of what stands beside them.
    pub fn config(&self, rng: &mut Rng) -> Value {
        let wanted = self.wanted(rng.below(9), rng);
        self.make(&self.config, &wanted, false, rng)
    }

    /// So many places of a config, and nothing that need not be there for them.
    pub fn few(&self, count: usize, rng: &mut Rng) -> Value {
        let wanted = self.wanted(count, rng);
        self.make(&self.config, &wanted, true, rng)
    }

    fn wanted(&self, count: usize, rng: &mut Rng) -> Vec<&[Key]> {
        (0..count).map(|_| rng.pick(&self.places).as_slice()).collect()
    }

    /// An environment.
    pub fn environment(&self, rng: &mut Rng) -> BTreeMap<String, String> {
        let mut variables = BTreeMap::new();
        for (name, node) in &self.variables {
            if rng.chance(VARIABLE)
                && let Value::String(value) = self.make(node, &[], false, rng)
            {
                variables.insert(name.clone(), value);
            }
        }
        variables
    }

    /// A value for a node; of the places below it that are wanted, each is given from here.
    fn make(&self, node: &Node, wanted: &[&[Key]], sparse: bool, rng: &mut Rng) -> Value {
        if !node.values.is_empty() && (node.members.is_empty() || rng.chance(30)) {
            return self.choose(&node.values, rng);
        }
        let below = |key: &Key| -> Vec<&[Key]> {
            let below = wanted.iter().filter_map(|place| place.split_first());
            below.filter(|(first, _)| *first == key).map(|(_, rest)| rest).collect()
        };
        if let [(Key::Element, element)] = node.members.as_slice() {
            let wanted = below(&Key::Element);
            return (0..=rng.below(3)).map(|_| self.make(element, &wanted, sparse, rng)).collect();
        }
        let densities = if wanted.is_empty() { &DENSITIES } else { &BESIDE };
        let density = if sparse { 0 } else { *rng.pick(densities) };
        let mut object = Map::new();
        for (key, member) in &node.members {
            let wanted = below(key);
            match key {
                Key::Name(name) if member.always || !wanted.is_empty() || rng.chance(density) => {
                    object.insert(name.clone(), self.make(member, &wanted, sparse, rng));
                }
                Key::Pool(pool) if !sparse || member.always || !wanted.is_empty() => {
                    for _ in 0..=rng.below(3) {
                        if let Value::String(name) = self.one_of(pool, rng) {
                            object.insert(name, self.make(member, &wanted, sparse, rng));
                        }
                    }
                }
                _ => {}
            }
        }
        Value::Object(object)
    }

    fn choose(&self, choices: &[Choice], rng: &mut Rng) -> Value {
        match rng.pick(choices) {
            Choice::Value(value) => value.clone(),
            Choice::Pool(pool) => self.one_of(pool, rng),
            Choice::List(pool) => {
                let length = *rng.pick(&LENGTHS);
                (0..length).map(|_| self.one_of(pool, rng)).collect()
            }
        }
    }

    fn one_of(&self, pool: &str, rng: &mut Rng) -> Value {
        let choices = self.pools.get(pool).unwrap_or_else(|| panic!("no pool @{pool}"));
        self.choose(choices, rng)
    }
}

impl Node {
    fn at(&mut self, path: &str) -> &mut Self {
        let mut node = self;
        for segment in path.split('.') {
            let (segment, always) = segment.strip_suffix('!').map_or((segment, false), |name| (name, true));
            let (name, is_list) = segment.strip_suffix("[]").map_or((segment, false), |name| (name, true));
            let key = match name.strip_prefix('@') {
                Some(pool) => Key::Pool(pool.to_owned()),
                None => Key::Name(name.to_owned()),
            };
            node = node.member(key);
            node.always |= always;
            if is_list {
                node = node.member(Key::Element);
            }
        }
        node
    }

    /// Drops the members that a release does not know.
    fn keep(&mut self, keys: &Keys, path: &mut Vec<Key>) {
        self.members.retain_mut(|(key, member)| {
            path.push(key.clone());
            let is_known = keys.know(path);
            if let Some(words) = keys.words(path) {
                member.make_others_rare(&words);
            }
            member.keep(keys, path);
            path.pop();
            is_known
        });
    }

    /// Texts that a release does not take are there to be refused: one in some hundred.
    fn make_others_rare(&mut self, words: &[String]) {
        let mut seen = Vec::new();
        self.values.retain(|choice| match choice {
            Choice::Value(Value::String(text)) if !words.contains(text) => {
                let is_new = !seen.contains(text);
                seen.push(text.clone());
                is_new
            }
            _ => true,
        });
    }

    /// The places below it that have values.
    fn places(&self, path: &mut Vec<Key>, places: &mut Vec<Vec<Key>>) {
        if !self.values.is_empty() {
            places.push(path.clone());
        }
        for (key, member) in &self.members {
            path.push(key.clone());
            member.places(path, places);
            path.pop();
        }
    }

    fn member(&mut self, key: Key) -> &mut Self {
        let place = self.members.iter().position(|(known, _)| *known == key);
        let place = place.unwrap_or_else(|| {
            self.members.push((key, Self::default()));
            self.members.len() - 1
        });
        &mut self.members[place].1
    }
}

/// A choice, as often as it counts.
fn choice(text: &str) -> Vec<Choice> {
    let (text, times) = text.strip_prefix('?').map_or((text, ORDINARY), |rare| (rare, 1));
    let list = text.strip_prefix("[@").and_then(|rest| rest.strip_suffix(']'));
    let choice = match (list, text.strip_prefix('@')) {
        (Some(pool), _) => Choice::List(pool.to_owned()),
        (None, Some(pool)) => Choice::Pool(pool.to_owned()),
        (None, None) => {
            Choice::Value(serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}")))
        }
    };
    vec![choice; times]
}

/// `a.{b,c}.d` stands for `a.b.d` and `a.c.d`.
fn expand(path: &str) -> Vec<String> {
    let Some((head, (inner, tail))) =
        path.split_once('{').and_then(|(head, rest)| Some((head, rest.split_once('}')?)))
    else {
        return vec![path.to_owned()];
    };
    let tails = expand(tail);
    inner.split(',').flat_map(|part| tails.iter().map(move |tail| format!("{head}{part}{tail}"))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn braces_expand() {
        assert_eq!(expand("a.{b,c}.{,x.}d"), ["a.b.d", "a.b.x.d", "a.c.d", "a.c.x.d"]);
    }

    #[test]
    fn what_is_always_there_is_there() {
        let table = Table::parse("@k = \"x\" | \"y\"\na!.b[]!.@k!.c! = @k");
        for number in 0..20 {
            let config = table.config(&mut Rng::new(1, number));
            let element = config.pointer("/a/b/0").and_then(Value::as_object).unwrap();
            assert!(element.values().all(|value| value["c"].is_string()), "{config}");
        }
    }

    #[test]
    fn every_place_of_the_table_is_made() {
        for release in crate::release::RELEASES {
            let table = Table::of(release, &Keys::of(release));
            for place in &table.places {
                let made = table.make(&table.config, &[place], false, &mut Rng::new(3, 0));
                assert!(has(&made, place), "{place:?} is not in {made}");
            }
        }
    }

    fn has(value: &Value, place: &[Key]) -> bool {
        match (place.split_first(), value) {
            (None, _) => true,
            (Some((Key::Name(name), rest)), _) => value.get(name).is_some_and(|member| has(member, rest)),
            (Some((_, rest)), Value::Object(object)) => object.values().any(|member| has(member, rest)),
            (Some((_, rest)), Value::Array(list)) => list.iter().any(|member| has(member, rest)),
            _ => false,
        }
    }
}
