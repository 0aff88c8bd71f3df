//! Values with their places: JSON5 text to a tree, the merge of includes on it, and its parts at the end.
//!
//! Two readers see each text. `json5` decides what a value is, `jsonc-parser` where it stands; where they see
//! different things the text is ambiguous.

use std::collections::HashMap;

use jsonc_parser::ast;
use jsonc_parser::common::Ranged;
use serde_json::{Map, Value};

use crate::config::pointer::join;
use crate::config::source::Spot;

/// Keys that reach the prototype of an object in JavaScript; a merge leaves them out.
const PROTOTYPE_KEYS: [&str; 3] = ["__proto__", "prototype", "constructor"];

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(in crate::config) struct Tree {
    pub spot: Option<Spot>,
    pub node: Node,
}

/// `Leaf` is never an array or an object.
#[derive(Debug, Clone)]
pub(in crate::config) enum Node {
    Leaf(Value),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
}

/// Where two readers could differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct Doubt {
    pub pointer: String,
    pub spot: Option<Spot>,
    pub what: DoubtKind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum DoubtKind {
    DuplicateKey,
    ReadersDiffer,
    Prototype,
}

impl Tree {
    pub(in crate::config) fn empty_object() -> Self {
        Self { spot: None, node: Node::Object(Vec::new()) }
    }

    pub(in crate::config) fn is_object(&self) -> bool {
        matches!(self.node, Node::Object(_))
    }

    /// The value of a key; of one that occurs twice the last, as the gateway has it.
    pub(in crate::config) fn get(&self, key: &str) -> Option<&Self> {
        let Node::Object(entries) = &self.node else { return None };
        entries.iter().rev().find(|(name, _)| name == key).map(|(_, value)| value)
    }

    pub(in crate::config) fn into_parts(self) -> (Value, Marks) {
        match self.node {
            Node::Leaf(value) => (value, Marks { spot: self.spot, below: Below::Nothing }),
            Node::Array(items) => {
                let (values, marks) = items.into_iter().map(Tree::into_parts).unzip();
                (Value::Array(values), Marks { spot: self.spot, below: Below::Array(marks) })
            }
            Node::Object(entries) => {
                let mut map = Map::with_capacity(entries.len());
                let mut marks = Vec::with_capacity(entries.len());
                for (key, tree) in entries {
                    let (value, below) = tree.into_parts();
                    marks.push((key.clone().into_boxed_str(), below));
                    map.insert(key, value);
                }
                marks.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
                (Value::Object(map), Marks { spot: self.spot, below: Below::Object(marks.into()) })
            }
        }
    }
}

/// The places of a tree without its values.
#[derive(Debug, Clone, Default)]
pub(in crate::config) struct Marks {
    spot: Option<Spot>,
    below: Below,
}

#[derive(Debug, Clone, Default)]
enum Below {
    #[default]
    Nothing,
    Array(Vec<Marks>),
    /// In order of their keys: there is one for each object of the config, so it has to be small.
    Object(Box<[(Box<str>, Marks)]>),
}

impl Marks {
    /// The place at `path` or of its nearest ancestor that has one; true when it is the very value.
    pub(in crate::config) fn find(&self, path: &[String]) -> Option<(Spot, bool)> {
        let mut here = self;
        let mut best = here.spot.map(|spot| (spot, path.is_empty()));
        for (depth, segment) in path.iter().enumerate() {
            let next = match &here.below {
                Below::Nothing => None,
                Below::Array(items) => segment.parse::<usize>().ok().and_then(|index| items.get(index)),
                Below::Object(entries) => {
                    let at = entries.binary_search_by(|(key, _)| (**key).cmp(segment)).ok();
                    at.and_then(|at| entries.get(at)).map(|(_, marks)| marks)
                }
            };
            let Some(next) = next else { break };
            here = next;
            if let Some(spot) = here.spot {
                best = Some((spot, depth + 1 == path.len()));
            }
        }
        best
    }
}

/// Lays `source` over `target`: lists are joined, objects merged key by key, anything else is replaced.
pub(in crate::config) fn merge(target: Tree, source: Tree) -> Tree {
    // The place is that of the file that includes: people look there first.
    let spot = source.spot.or(target.spot);
    match (target.node, source.node) {
        (Node::Array(mut first), Node::Array(second)) => {
            first.extend(second);
            Tree { spot, node: Node::Array(first) }
        }
        (Node::Object(first), Node::Object(second)) => {
            let mut slots: Vec<(String, Option<Tree>)> =
                first.into_iter().map(|(key, tree)| (key, Some(tree))).collect();
            // Many small includes over a large one must not index the large one each time.
            if second.len() <= 8 {
                for (key, tree) in
                    second.into_iter().filter(|(name, _)| !PROTOTYPE_KEYS.contains(&name.as_str()))
                {
                    match slots.iter_mut().find(|(known, _)| *known == key) {
                        Some((_, taken)) => lay_over(taken, tree),
                        None => slots.push((key, Some(tree))),
                    }
                }
                return Tree { spot, node: Node::Object(filled(slots)) };
            }
            let mut index: HashMap<String, usize> =
                slots.iter().enumerate().map(|(at, (key, _))| (key.clone(), at)).collect();
            for (key, tree) in second {
                if PROTOTYPE_KEYS.contains(&key.as_str()) {
                    continue;
                }
                if let Some((_, slot)) = index.get(&key).and_then(|at| slots.get_mut(*at)) {
                    lay_over(slot, tree);
                } else {
                    index.insert(key.clone(), slots.len());
                    slots.push((key, Some(tree)));
                }
            }
            Tree { spot, node: Node::Object(filled(slots)) }
        }
        (_, node) => Tree { spot, node },
    }
}

fn lay_over(slot: &mut Option<Tree>, tree: Tree) {
    *slot = Some(match slot.take() {
        Some(before) => merge(before, tree),
        None => tree,
    });
}

fn filled(slots: Vec<(String, Option<Tree>)>) -> Vec<(String, Tree)> {
    slots.into_iter().filter_map(|(key, tree)| Some((key, tree?))).collect()
}

/// JSON5 text that is not JSON5: byte offset and what is wrong, without any of the text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) struct SyntaxError {
    /// 1-based line and column in characters, when the reader says so.
    pub position: Option<(u32, u32)>,
    pub reason: String,
}

/// Why a text was not parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in crate::config) enum ParseError {
    Syntax(SyntaxError),
    /// The pointers of its values would be longer than the budget allows.
    Pointers,
}

/// What parsing gave.
pub(in crate::config) struct Parsed {
    pub tree: Tree,
    pub doubts: Vec<Doubt>,
    /// The second reader understood the text, so every value has a place.
    pub placed: bool,
}

/// Parses `text`, which must have passed `scan`, as file number `file`. The pointers of its values, each behind
/// `base` more bytes, are taken from `budget`: later steps build each of them, and with one very long key that
/// would be a lot.
pub(in crate::config) fn parse(
    text: &str,
    file: u32,
    base: usize,
    budget: &mut usize,
) -> Result<Parsed, ParseError> {
    let value: Value =
        json5::from_str(text).map_err(|error| ParseError::Syntax(syntax_error(&error, text)))?;
    spend(&value, base, budget).ok_or(ParseError::Pointers)?;
    let second = second_reader(text);
    let mut doubts = Vec::new();
    let mut builder = Builder { file, doubts: &mut doubts };
    let tree = builder.build(value, second.as_ref(), "");
    Ok(Parsed { tree, doubts, placed: second.is_some() })
}

/// What the second reader, which knows the places, makes of a text.
pub(in crate::config) fn second_reader(text: &str) -> Option<ast::Value<'_>> {
    read_with(text, jsonc_parser::CommentCollectionStrategy::Off)?.value
}

/// The comments of a text.
pub(in crate::config) fn comments(text: &str) -> Option<jsonc_parser::CommentMap<'_>> {
    read_with(text, jsonc_parser::CommentCollectionStrategy::Separate)?.comments
}

fn read_with(
    text: &str,
    comments: jsonc_parser::CommentCollectionStrategy,
) -> Option<jsonc_parser::ParseResult<'_>> {
    let collect = jsonc_parser::CollectOptions { comments, tokens: false };
    let options = jsonc_parser::ParseOptions {
        allow_comments: true,
        allow_loose_object_property_names: true,
        allow_trailing_commas: true,
        allow_missing_commas: false,
        allow_single_quoted_strings: true,
        allow_hexadecimal_numbers: true,
        allow_unary_plus_numbers: true,
        allow_bare_decimal_point_numbers: true,
        allow_non_finite_numbers: true,
        allow_extended_string_escapes: true,
    };
    jsonc_parser::parse_to_ast(text, &collect, &options).ok()
}

fn spend(value: &Value, length: usize, budget: &mut usize) -> Option<()> {
    *budget = budget.checked_sub(length)?;
    match value {
        // An index has six digits at most.
        Value::Array(items) => items.iter().try_for_each(|item| spend(item, length + 7, budget)),
        Value::Object(map) => {
            map.iter().try_for_each(|(key, item)| spend(item, length + key.len() + 1, budget))
        }
        _ => Some(()),
    }
}

fn syntax_error(error: &json5::Error, text: &str) -> SyntaxError {
    let reason = error.code().map_or_else(|| "not a JSON5 value".to_owned(), |code| code.to_string());
    // The reader gives the place where the innermost value began; what helps is where the text broke off.
    if reason.starts_with("EOF") {
        let end =
            (text.lines().count().max(1), text.lines().last().map_or(0, |line| line.chars().count()) + 1);
        let position = u32::try_from(end.0).ok().zip(u32::try_from(end.1).ok());
        return SyntaxError { position, reason: "the text ends too early".to_owned() };
    }
    let position = error.position().and_then(|position| {
        let from_one = |number: usize| u32::try_from(number).ok()?.checked_add(1);
        Some((from_one(position.line)?, from_one(position.column)?))
    });
    SyntaxError { position, reason }
}

struct Builder<'d> {
    file: u32,
    doubts: &'d mut Vec<Doubt>,
}

impl Builder<'_> {
    fn build(&mut self, value: Value, seen: Option<&ast::Value<'_>>, pointer: &str) -> Tree {
        let spot = seen.and_then(|seen| self.spot(seen));
        if let Some(seen) = seen
            && !same_kind(&value, seen)
        {
            self.doubt(pointer, spot, DoubtKind::ReadersDiffer);
        }
        let node = match value {
            Value::Array(items) => {
                let elements = seen.and_then(|seen| seen.as_array()).map(|array| array.elements.as_slice());
                if elements.is_some_and(|elements| elements.len() != items.len()) {
                    self.doubt(pointer, spot, DoubtKind::ReadersDiffer);
                }
                let build = |(index, item): (usize, Value)| {
                    let seen = elements.and_then(|elements| elements.get(index));
                    self.build(item, seen, &join(pointer, &index.to_string()))
                };
                Node::Array(items.into_iter().enumerate().map(build).collect())
            }
            Value::Object(map) => self.object(map, seen.and_then(|seen| seen.as_object()), pointer, spot),
            Value::Number(number) => Node::Leaf(Value::Number(whole(number))),
            leaf => Node::Leaf(leaf),
        };
        Tree { spot, node }
    }

    fn object(
        &mut self,
        map: Map<String, Value>,
        seen: Option<&ast::Object<'_>>,
        pointer: &str,
        spot: Option<Spot>,
    ) -> Node {
        let mut properties = HashMap::new();
        for property in seen.iter().flat_map(|object| object.properties.iter()) {
            let name = property.name.as_str();
            if properties.insert(name, &property.value).is_some() {
                let spot = self.spot(&property.value);
                self.doubt(&join(pointer, name), spot, DoubtKind::DuplicateKey);
            }
        }
        if seen.is_some() && properties.len() != map.len() {
            self.doubt(pointer, spot, DoubtKind::ReadersDiffer);
        }
        let mut entries = Vec::with_capacity(map.len());
        for (key, value) in map {
            let seen_value = properties.get(key.as_str()).copied();
            let below = join(pointer, &key);
            if key == "__proto__" {
                // The gateway makes it the prototype of the object, so that its members are read as settings.
                let spot = seen_value.and_then(|value| self.spot(value));
                self.doubt(&below, spot, DoubtKind::Prototype);
                continue;
            }
            if seen.is_some() && seen_value.is_none() {
                self.doubt(&below, spot, DoubtKind::ReadersDiffer);
            }
            let tree = self.build(value, seen_value, &below);
            entries.push((key, tree));
        }
        Node::Object(entries)
    }

    fn spot(&self, seen: &ast::Value<'_>) -> Option<Spot> {
        let start = u32::try_from(seen.start()).ok()?;
        let end = u32::try_from(seen.end()).ok()?;
        Some(Spot { file: self.file, start, end })
    }

    fn doubt(&mut self, pointer: &str, spot: Option<Spot>, what: DoubtKind) {
        // More than the list of problems can hold helps nobody.
        if self.doubts.len() <= crate::config::MAX_PROBLEMS {
            self.doubts.push(Doubt { pointer: pointer.to_owned(), spot, what });
        }
    }
}

/// JavaScript has one kind of number: `5e4` is the integer 50000.
#[expect(clippy::cast_possible_truncation, reason = "whole, and within what an integer holds")]
fn whole(number: serde_json::Number) -> serde_json::Number {
    /// Up to here every whole double is one integer (2^53).
    const EXACT: f64 = 9_007_199_254_740_992.0;
    match number.as_f64() {
        Some(float) if number.is_f64() && float.fract() == 0.0 && float.abs() <= EXACT => {
            (float as i64).into()
        }
        _ => number,
    }
}

fn same_kind(value: &Value, seen: &ast::Value<'_>) -> bool {
    match (value, seen) {
        (Value::Null, ast::Value::NullKeyword(_) | ast::Value::NumberLit(_))
        | (Value::Number(_), ast::Value::NumberLit(_))
        | (Value::Array(_), ast::Value::Array(_))
        | (Value::Object(_), ast::Value::Object(_)) => true,
        (Value::Bool(value), ast::Value::BooleanLit(seen)) => *value == seen.value,
        (Value::String(value), ast::Value::StringLit(seen)) => value.as_str() == seen.value.as_ref(),
        _ => false,
    }
}
