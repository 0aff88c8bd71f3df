//! The key table of generation 2026.2 as a tree. The table is data; a new generation is a new table.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde_json::Value;

use crate::config::schema_type::{Kind, Type, parse};

/// One line per key: path, tab, type. The order of lines is the order of keys after validation.
const TABLE: &str = include_str!("schema-2026.2.tsv");

/// Number of a node in the tree.
pub(in crate::config) type Id = usize;

/// The tree of keys.
#[derive(Debug)]
pub(in crate::config) struct Schema {
    nodes: Vec<Node>,
}

/// One key.
#[derive(Debug)]
pub(in crate::config) struct Node {
    /// The type column; most of them are never asked for.
    column: &'static str,
    shape: OnceLock<Type>,
    /// Members with a name, in schema order.
    pub keys: Vec<(&'static str, Id)>,
    /// Every other member.
    pub any_key: Option<Id>,
    /// Items of a list.
    pub item: Option<Id>,
}

impl Node {
    fn new(column: &'static str) -> Self {
        Self { column, shape: OnceLock::new(), keys: Vec::new(), any_key: None, item: None }
    }

    /// The type of the value.
    pub(in crate::config) fn shape(&self) -> &Type {
        self.shape.get_or_init(|| parse(self.column))
    }

    /// The member called `key`, or what the type says of other members.
    pub(in crate::config) fn member(&self, key: &str) -> Option<Id> {
        self.keys.iter().find(|(name, _)| *name == key).map(|(_, id)| *id).or(self.any_key)
    }

    /// True when the type can only be one of finitely many values: it can't hold a secret.
    pub(in crate::config) fn is_closed(&self) -> bool {
        let closed = |kind: &Kind| matches!(kind, Kind::Literal(_) | Kind::Bool | Kind::Number { .. });
        !self.shape().kinds.is_empty() && self.shape().kinds.iter().all(closed)
    }
}

impl Schema {
    /// The whole config.
    pub(in crate::config) const ROOT: Id = 0;

    pub(in crate::config) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id)
    }

    /// The words that values may be.
    pub(in crate::config) fn words(&self) -> impl Iterator<Item = String> {
        let kinds = self.nodes.iter().flat_map(|node| node.shape().kinds.iter());
        let inner = kinds.flat_map(|kind| match kind {
            Kind::Array(kinds) => kinds.as_slice(),
            kind => std::slice::from_ref(kind),
        });
        inner.filter_map(|kind| match kind {
            Kind::Literal(Value::String(word)) => Some(word.clone()),
            _ => None,
        })
    }

    fn build(table: &'static str) -> Self {
        let mut schema = Self { nodes: vec![Node::new("object strict")] };
        let mut known: HashMap<&'static str, Id> = HashMap::from([("", Self::ROOT)]);
        for line in table.lines() {
            let Some((path, column)) = line.split_once('\t') else { continue };
            let id = schema.nodes.len();
            let (parent, step) = match path.strip_suffix("[]") {
                Some(parent) => (parent, "[]"),
                None => path.rsplit_once('.').unwrap_or(("", path)),
            };
            let Some(parent) = known.get(parent).and_then(|id| schema.nodes.get_mut(*id)) else { continue };
            match step {
                "[]" => parent.item = Some(id),
                "*" => parent.any_key = Some(id),
                name => parent.keys.push((name, id)),
            }
            schema.nodes.push(Node::new(column));
            known.insert(path, id);
        }
        schema.complete_accounts();
        schema
    }

    /// The table leaves out the members of `channels.<id>.accounts.*` that are those of `channels.<id>`.
    fn complete_accounts(&mut self) {
        let below = |schema: &Self, id: Id, key: &str| schema.node(id).and_then(|node| node.member(key));
        let Some(channels) = below(self, Self::ROOT, "channels") else { return };
        let ids: Vec<Id> =
            self.node(channels).map(|node| node.keys.iter().map(|(_, id)| *id).collect()).unwrap_or_default();
        for channel in ids {
            let accounts =
                self.node(channel).and_then(|node| Some(node.keys.iter().find(|key| key.0 == "accounts")?.1));
            let account = accounts.and_then(|id| self.node(id)?.any_key);
            let (Some(account), Some(base)) = (account, self.node(channel).map(|node| node.keys.clone()))
            else {
                continue;
            };
            let Some(node) = self.nodes.get_mut(account) else { continue };
            let own = std::mem::take(&mut node.keys);
            let shared = base.into_iter().filter(|(name, _)| !matches!(*name, "accounts" | "defaultAccount"));
            let mut keys: Vec<(&'static str, Id)> = Vec::new();
            for (name, id) in shared {
                let id = own.iter().find(|(other, _)| *other == name).map_or(id, |(_, id)| *id);
                keys.push((name, id));
            }
            let extra = own
                .into_iter()
                .filter(|(name, _)| !keys.iter().any(|(other, _)| other == name))
                .collect::<Vec<_>>();
            keys.extend(extra);
            node.keys = keys;
        }
    }
}

/// The table of generation 2026.2, built once.
pub(in crate::config) fn get() -> &'static Schema {
    static SCHEMA: OnceLock<Schema> = OnceLock::new();
    SCHEMA.get_or_init(|| Schema::build(TABLE))
}
