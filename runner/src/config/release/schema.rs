//! The keys of every release, from one table (`keys.tsv`), as a tree for each release; `tests/release-facts` makes the table.
//!
//! Its first line names the releases. Every other line is a key: as many blanks as it lies deep, its name, and its types, each
//! followed by the range of releases in which it holds, where those are not all that have the parent. The order of lines is
//! the order of keys after validation. Lines are found once, in one pass; a key is read when a config has it.

use std::sync::OnceLock;

use serde_json::Value;

use crate::config::release::Release;
use crate::config::schema_type::{Kind, Type, parse};

const TABLE: &str = include_str!("keys.tsv");

/// Number of a node in the tree.
pub(in crate::config) type Id = usize;

/// Releases as bits, by their number in the table.
pub(in crate::config) type Set = u128;

/// The type of a plugin's entry: what the type of any other entry says, but for the members below it.
const LIKE_OTHERS: &str = "=*";

/// The tree of keys of one release.
#[derive(Debug)]
pub(in crate::config) struct Schema {
    /// The number of its release in the table.
    number: usize,
    /// Each is read when it is asked for.
    nodes: Box<[OnceLock<Option<Box<Node>>>]>,
}

/// One key.
#[derive(Debug)]
pub(in crate::config) struct Node {
    /// The type column; most of them are never asked for.
    column: &'static str,
    shape: OnceLock<Type>,
    /// Members with a name, in schema order.
    pub keys: Vec<(&'static str, Id)>,
    /// Members with a name and a type of their own of what is otherwise a map; the order of a map is that of the config.
    named: Vec<(&'static str, Id)>,
    /// Every other member.
    pub any_key: Option<Id>,
    /// Items of a list.
    pub item: Option<Id>,
    /// The value is a secret.
    pub secret: bool,
}

impl Node {
    /// The type of the value.
    pub(in crate::config) fn shape(&self) -> &Type {
        self.shape.get_or_init(|| parse(self.column))
    }

    /// The member called `key`, or what the type says of other members.
    pub(in crate::config) fn member(&self, key: &str) -> Option<Id> {
        self.own_member(key).or(self.any_key)
    }

    /// The member called `key`, where the table names it.
    pub(in crate::config) fn own_member(&self, key: &str) -> Option<Id> {
        self.keys.iter().chain(&self.named).find(|(name, _)| *name == key).map(|(_, id)| *id)
    }

    /// The names of members that the table has.
    pub(in crate::config) fn names(&self) -> impl Iterator<Item = &'static str> {
        self.keys.iter().chain(&self.named).map(|(name, _)| *name)
    }

    /// True when the type can only be one of finitely many values: it can't hold a secret.
    pub(in crate::config) fn is_closed(&self) -> bool {
        let closed = |kind: &Kind| matches!(kind, Kind::Literal(_) | Kind::Bool | Kind::Number { .. });
        !self.shape().kinds.is_empty() && self.shape().kinds.iter().all(closed)
    }
}

/// Where a line lies in the table, and in the tree.
#[derive(Debug, Clone, Copy)]
struct Line {
    start: u32,
    /// Where its text ends.
    end: u32,
    parent: u32,
    /// The first line that is not below it.
    next: u32,
}

/// The table with the places of its lines; number 0 is the whole config.
struct Index {
    releases: Vec<Release>,
    lines: Vec<Line>,
}

impl Index {
    fn get() -> &'static Self {
        static INDEX: OnceLock<Index> = OnceLock::new();
        INDEX.get_or_init(Self::build)
    }

    fn build() -> Self {
        let (head, rest) = TABLE.split_once('\n').unwrap_or_default();
        let releases = head.split(' ').filter_map(|text| super::release(text, 0)).collect();
        let mut lines = Vec::with_capacity(8192);
        lines.push(Line { start: 0, end: 0, parent: 0, next: 0 });
        // The lines above the current one, the whole config among them.
        let mut above: Vec<usize> = vec![0];
        let mut start = head.len() + 1;
        for text in rest.split('\n').filter(|text| !text.is_empty()) {
            let depth = text.bytes().take_while(|byte| *byte == b' ').count();
            let number = lines.len();
            for done in above.drain((depth + 1).min(above.len())..) {
                close(&mut lines, done, number);
            }
            let parent = above.last().copied().unwrap_or(0);
            lines.push(Line {
                start: small(start + depth),
                end: small(start + text.len()),
                parent: small(parent),
                next: 0,
            });
            above.push(number);
            start += text.len() + 1;
        }
        let all = lines.len();
        for done in above {
            close(&mut lines, done, all);
        }
        Self { releases, lines }
    }

    fn text(&self, id: Id) -> &'static str {
        let Some(line) = self.lines.get(id) else { return "" };
        TABLE.get(line.start as usize..line.end as usize).unwrap_or_default()
    }

    fn name(&self, id: Id) -> &'static str {
        self.text(id).split('\t').next().unwrap_or_default()
    }

    /// The lines right below one.
    fn below(&self, id: Id) -> impl Iterator<Item = Id> {
        let end = self.lines.get(id).map_or(0, |line| line.next as usize);
        let next = move |id: Id| self.lines.get(id).map_or(end, |line| line.next as usize);
        std::iter::successors(Some(id + 1), move |id| Some(next(*id))).take_while(move |id| *id < end)
    }

    fn parent(&self, id: Id) -> Id {
        self.lines.get(id).map_or(0, |line| line.parent as usize)
    }

    /// The types of a key, and the releases of each.
    fn types(&self, id: Id) -> impl Iterator<Item = (&'static str, Set)> {
        let mut cells = self.text(id).split('\t').skip(1).peekable();
        std::iter::from_fn(move || {
            let column = cells.next()?;
            Some((column, cells.next_if(|cell| is_range(cell)).map_or(Set::MAX, |range| self.set(range))))
        })
    }

    fn set(&self, range: &str) -> Set {
        let (from, to) = range.split_once("..").unwrap_or_default();
        let (from, to) = (super::release(from, 0), super::release(to, 0));
        let is_in = |release: &Release| {
            from.is_none_or(|from| from <= *release) && to.is_none_or(|to| *release <= to)
        };
        let bits = self.releases.iter().enumerate().filter(|(_, release)| is_in(release));
        bits.fold(0, |set, (at, _)| set | 1 << at)
    }

    /// The type of a key in one release.
    fn column(&self, id: Id, number: usize) -> Option<&'static str> {
        let column = self.types(id).find(|(_, set)| set >> number & 1 == 1)?.0;
        (column != "never").then_some(column)
    }
}

fn close(lines: &mut [Line], id: Id, next: usize) {
    if let Some(line) = lines.get_mut(id) {
        line.next = small(next);
    }
}

/// The table has fewer bytes than 2^32.
fn small(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

fn is_range(cell: &str) -> bool {
    cell.contains("..") && cell.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.')
}

/// The releases whose keys the table has, oldest first.
pub(in crate::config) fn releases() -> &'static [Release] {
    &Index::get().releases
}

impl Schema {
    /// The whole config.
    pub(in crate::config) const ROOT: Id = 0;

    /// The release of the table that it is the schema of.
    pub(in crate::config) fn release(&self) -> Option<Release> {
        releases().get(self.number).copied()
    }

    pub(in crate::config) fn node(&self, id: Id) -> Option<&Node> {
        self.nodes.get(id)?.get_or_init(|| self.read(id).map(Box::new)).as_deref()
    }

    /// The node at a path: names, and for items of lists their index.
    pub(in crate::config) fn find(&self, path: &[String]) -> Option<&Node> {
        path.iter().try_fold(self.node(Self::ROOT)?, |node, step| self.step(node, step))
    }

    fn step(&self, node: &Node, step: &str) -> Option<&Node> {
        let member = node.member(step);
        self.node(member.or_else(|| node.item.filter(|_| step.parse::<usize>().is_ok()))?)
    }

    fn read(&self, id: Id) -> Option<Node> {
        let index = Index::get();
        let column = if id == Self::ROOT { "object strict" } else { index.column(id, self.number)? };
        let (column, secret) = column.strip_prefix('!').map_or((column, false), |column| (column, true));
        let is_map = column.starts_with("map");
        let mut node = Node {
            column,
            shape: OnceLock::new(),
            keys: Vec::new(),
            named: Vec::new(),
            any_key: None,
            item: None,
            secret,
        };
        for child in index.below(id).filter(|child| index.column(*child, self.number).is_some()) {
            match index.name(child) {
                "[]" => node.item = Some(child),
                "*" => node.any_key = Some(child),
                name if is_map => node.named.push((name, child)),
                name => node.keys.push((name, child)),
            }
        }
        if column == LIKE_OTHERS {
            self.complete_entry(index.parent(id), &mut node);
        }
        if index.name(id) == "*" {
            self.complete_account(id, &mut node);
        }
        Some(node)
    }

    /// The entry of a plugin has the members of any other entry, save those that are its own.
    fn complete_entry(&self, entries: Id, node: &mut Node) {
        let Some(other) = self.node(entries).and_then(|entries| self.node(entries.any_key?)) else { return };
        node.column = other.column;
        node.any_key = node.any_key.or(other.any_key);
        let own = std::mem::take(&mut node.keys);
        node.keys = lay_over(&other.keys, own);
    }

    /// The table leaves out the members of `channels.<id>.accounts.*` that are those of `channels.<id>`.
    fn complete_account(&self, id: Id, node: &mut Node) {
        let index = Index::get();
        let accounts = index.parent(id);
        let channel = index.parent(accounts);
        let of_channel = index.name(accounts) == "accounts"
            && channel != Self::ROOT
            && index.name(index.parent(channel)) == "channels"
            && index.parent(index.parent(channel)) == Self::ROOT;
        let Some(base) = self.node(channel).filter(|_| of_channel) else { return };
        let never: Vec<&str> = index
            .below(id)
            .filter(|child| {
                index.types(*child).any(|(column, set)| column == "never" && set >> self.number & 1 == 1)
            })
            .map(|child| index.name(child))
            .collect();
        let is_shared = |name: &str| !matches!(name, "accounts" | "defaultAccount") && !never.contains(&name);
        let shared: Vec<_> = base.keys.iter().filter(|(name, _)| is_shared(name)).copied().collect();
        let own = std::mem::take(&mut node.keys);
        node.keys = lay_over(&shared, own);
    }
}

/// The keys of `base` in their order, those of `own` in the places of their namesakes or at the end.
fn lay_over(base: &[(&'static str, Id)], own: Vec<(&'static str, Id)>) -> Vec<(&'static str, Id)> {
    let mut keys: Vec<(&'static str, Id)> = base.to_vec();
    for (name, id) in own {
        match keys.iter_mut().find(|(known, _)| *known == name) {
            Some(key) => key.1 = id,
            None => keys.push((name, id)),
        }
    }
    keys
}

/// The schema of a release, built once: of the newest release of the table that is not newer, or of its oldest.
pub(in crate::config) fn get(release: Release) -> &'static Schema {
    static SCHEMAS: OnceLock<Box<[OnceLock<Schema>]>> = OnceLock::new();
    let index = Index::get();
    let schemas = SCHEMAS.get_or_init(|| index.releases.iter().map(|_| OnceLock::new()).collect());
    let number = index.releases.iter().rposition(|known| *known <= release).unwrap_or(0);
    let build = || Schema { number, nodes: index.lines.iter().map(|_| OnceLock::new()).collect() };
    match schemas.get(number) {
        Some(schema) => schema.get_or_init(build),
        None => schemas_of_nothing(),
    }
}

/// Of a table without a release, which a test excludes: anything is accepted.
fn schemas_of_nothing() -> &'static Schema {
    static NOTHING: OnceLock<Schema> = OnceLock::new();
    NOTHING.get_or_init(|| Schema { number: 0, nodes: Box::default() })
}

/// The words that values may be in any release: what stands in quotes as an alternative, and not in a default or a pattern.
pub(in crate::config) fn words() -> impl Iterator<Item = &'static str> {
    let mut rest = TABLE;
    std::iter::from_fn(move || {
        loop {
            let (before, behind) = rest.split_once('"')?;
            let (word, after) = behind.split_once('"')?;
            if before.ends_with(['\t', '|', '<', '!']) {
                rest = after;
                return Some(word);
            }
            // What is quoted elsewhere may hold quotes: it ends with the cell.
            rest = behind.find(['\t', '\n']).and_then(|end| behind.get(end..)).unwrap_or_default();
        }
    })
}

/// In which releases a key is known, and its types there; for texts to people.
pub(in crate::config) struct History {
    /// Type and releases.
    types: Vec<(&'static str, Set)>,
}

/// Walks all releases at once.
pub(in crate::config) fn history(path: &[String]) -> History {
    let index = Index::get();
    let Trail { at } = path.iter().fold(Trail::root(), |trail, step| trail.step(step));
    let types =
        at.iter().flat_map(|(id, set)| index.types(*id).map(move |(column, own)| (column, own & set)));
    History { types: types.filter(|(column, set)| *set != 0 && *column != "never").collect() }
}

/// A place in the keys of all releases.
pub(in crate::config) struct Trail {
    at: Vec<(Id, Set)>,
}

impl Trail {
    /// The whole config.
    pub(in crate::config) fn root() -> Self {
        let all = (0..releases().len()).fold(0, |set, at| set | 1 << at);
        Self { at: vec![(Schema::ROOT, all)] }
    }

    /// The releases that know the place.
    pub(in crate::config) fn releases(&self) -> Set {
        self.at.iter().fold(0, |all, (_, set)| all | set)
    }

    /// A member or an item of it.
    pub(in crate::config) fn step(&self, step: &str) -> Self {
        let index = Index::get();
        let mut next: Vec<(Id, Set)> = Vec::new();
        for &(id, set) in &self.at {
            let lines = |wanted: &str| -> Vec<(Id, Set)> {
                let lines = index.below(id).filter(|child| index.name(*child) == wanted);
                lines.map(|child| (child, set & known(index, child))).filter(|(_, set)| *set != 0).collect()
            };
            let mut found = lines(step);
            let named = found.iter().fold(0, |all, (_, set)| all | set);
            let others = if step.parse::<usize>().is_ok() { "[]" } else { "*" };
            found.extend(lines(others).into_iter().map(|(id, set)| (id, set & !named)));
            if others == "[]" {
                found.extend(lines("*").into_iter().map(|(id, set)| (id, set & !named)));
            }
            next.extend(found.into_iter().filter(|(_, set)| *set != 0));
            // The entry of a plugin has the keys of any other entry.
            if index.types(id).any(|(column, _)| column == LIKE_OTHERS) {
                let any = index.below(index.parent(id)).filter(|child| index.name(*child) == "*");
                let lines = any.flat_map(|any| index.below(any)).filter(|child| index.name(*child) == step);
                let shared = lines.map(|child| (child, set & known(index, child) & !named));
                next.extend(shared.filter(|(_, set)| *set != 0));
            }
            // An account has the keys of its channel.
            if index.name(id) == "*" && index.name(index.parent(id)) == "accounts" {
                let channel = index.parent(index.parent(id));
                let lines = index.below(channel).filter(|child| index.name(*child) == step);
                let shared = lines.map(|child| (child, set & known(index, child) & !named));
                next.extend(shared.filter(|(_, set)| *set != 0));
            }
        }
        Self { at: next }
    }
}

/// The first and the last release of a set; none where it begins with the oldest, or ends with the newest.
pub(in crate::config) fn ends(set: Set) -> (Option<Release>, Option<Release>) {
    let all = releases();
    let has = |at: &usize| set >> at & 1 == 1;
    let first = (0..all.len()).find(has).filter(|at| *at > 0);
    let last = (0..all.len()).rev().find(has).filter(|at| at + 1 < all.len());
    let release = |at: usize| all.get(at).copied();
    (first.and_then(release), last.and_then(release))
}

fn known(index: &Index, id: Id) -> Set {
    index.types(id).fold(0, |all, (_, set)| all | set)
}

impl History {
    /// Some release knows the key.
    pub(in crate::config) fn is_known(&self) -> bool {
        !self.types.is_empty()
    }

    /// What to say of a key that `release` does not know: since when it is known, or since when no longer.
    pub(in crate::config) fn told(&self, release: Release) -> Option<String> {
        told(self.types.iter().fold(0, |all, (_, set)| all | set), "known", release)
    }

    /// The same of a value that `release` does not take.
    pub(in crate::config) fn told_of_value(&self, value: &Value, release: Release) -> Option<String> {
        let takes = |column: &str| {
            let kinds = parse(column.trim_start_matches('!')).kinds;
            crate::config::schema_type::accepted(&kinds, value)
        };
        let types = self.types.iter().filter(|(column, _)| *column != LIKE_OTHERS && takes(column));
        told(types.fold(0, |all, (_, set)| all | set), "accepted", release)
    }
}

fn told(set: Set, word: &str, release: Release) -> Option<String> {
    let releases = releases();
    let has = |at: &usize| set >> at & 1 == 1;
    let now = releases.iter().rposition(|known| *known <= release).unwrap_or(0);
    let name = |at: usize| releases.get(at).map(Release::to_string);
    if let Some(last) = (0..now).rev().find(has) {
        let gone = name(last + 1)?;
        return Some(match (now + 1..releases.len()).find(has).and_then(name) {
            Some(again) => {
                format!("{word} until {}, and from {again} on: this installation is {release}", name(last)?)
            }
            None => format!("gone since {gone}: this installation is {release}"),
        });
    }
    let first = name((now + 1..releases.len()).find(has)?)?;
    Some(format!("{word} from {first} on: this installation is {release}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn is_known(release: &str, path: &str) -> bool {
        let path: Vec<String> = path.split('/').map(str::to_owned).collect();
        get(release.parse().unwrap()).find(&path).is_some()
    }

    #[test]
    fn a_release_has_its_own_keys() {
        for (path, since, last_without, until, first_without) in [
            ("gateway/nodes/allowCommands", "2026.1.30", "", "2026.7.35", "2026.8.1"),
            ("gateway/nodes/commands/allow", "2026.8.1", "2026.7.35", "2026.9.6", ""),
            ("tools/exec/mode", "2026.5.28", "2026.5.26", "2026.9.6", ""),
            ("security/audit/suppressions", "2026.5.18", "2026.5.12", "2026.9.6", ""),
            ("agents/list/0/id", "2026.1.30", "", "2026.7.35", "2026.8.1"),
            ("agents/entries/x/tools/exec/mode", "2026.8.1", "2026.7.35", "2027.1.1", ""),
            ("plugins/installs/x/source", "2026.1.30", "", "2026.4.22", "2026.4.29"),
            ("channels/telegram/accounts/a/groups/g/requireMention", "2026.1.30", "", "2026.9.6", ""),
        ] {
            assert!(is_known(since, path) && is_known(until, path), "{path}");
            assert!(last_without.is_empty() || !is_known(last_without, path), "{path}");
            assert!(first_without.is_empty() || !is_known(first_without, path), "{path}");
        }
        // Between two releases of the table the older one counts.
        assert!(is_known("2026.7.36", "gateway/nodes/allowCommands"));
        assert!(!is_known("2026.5.27", "tools/exec/mode"));
    }

    #[test]
    fn what_other_releases_know_is_told() {
        let told = |path: &str, release: &str| {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            history(&path).told(release.parse().unwrap())
        };
        for (path, release, expected) in [
            ("tools/exec/mode", "2026.4.9", Some("known from 2026.5.28 on: this installation is 2026.4.9")),
            ("agents/list/0/id", "2026.9.6", Some("gone since 2026.8.1: this installation is 2026.9.6")),
            ("agents/lists", "2026.9.6", None),
            (
                "channels/telegram/accounts/a/webhookPort",
                "2026.1.30",
                Some("known from 2026.2.22 on: this installation is 2026.1.30"),
            ),
        ] {
            assert_eq!(told(path, release).as_deref(), expected, "{path}");
        }
        let path = ["gateway", "auth", "token"].map(str::to_owned);
        let reference = serde_json::json!({"source": "env", "provider": "default", "id": "X"});
        assert_eq!(
            history(&path).told_of_value(&reference, "2026.3.2".parse().unwrap()).as_deref(),
            Some("accepted from 2026.3.7 on: this installation is 2026.3.2")
        );
    }

    #[test]
    fn words_are_those_of_the_types() {
        let index = Index::get();
        let mut of_types = std::collections::HashSet::new();
        for (column, _) in (1..index.lines.len()).flat_map(|id| index.types(id)) {
            for kind in parse(column.trim_start_matches('!')).kinds {
                let kinds = if let Kind::Array { kinds, .. } = kind { kinds } else { vec![kind] };
                let words = kinds.into_iter().filter_map(|kind| match kind {
                    Kind::Literal(Value::String(word)) => Some(word),
                    _ => None,
                });
                of_types.extend(words);
            }
        }
        let found: std::collections::HashSet<String> = words().map(str::to_owned).collect();
        let missing: Vec<_> = of_types.difference(&found).collect();
        let other: Vec<_> = found.difference(&of_types).collect();
        assert!(missing.is_empty() && other.is_empty(), "{missing:?} {other:?}");
    }

    #[test]
    fn an_account_has_the_keys_of_its_channel_but_for_its_own() {
        let at = |path: &str| {
            let path: Vec<String> = path.split('/').map(str::to_owned).collect();
            get(Release::new(2026, 9, 6)).find(&path).map(|node| node.shape().clone())
        };
        assert!(at("channels/telegram/dmPolicy").unwrap().default.is_some());
        assert!(at("channels/telegram/accounts/a/dmPolicy").unwrap().default.is_none());
        assert!(
            at("channels/zalo/historyLimit").is_some()
                && at("channels/zalo/accounts/a/historyLimit").is_none()
        );
        assert!(at("channels/telegram/accounts/a/accounts").is_none());
        assert!(at("plugins/entries/telegram/hooks/timeoutMs").is_some());
        assert!(at("plugins/entries/any/config").is_some());
    }

    #[test]
    fn the_table_is_well_formed() {
        let index = Index::get();
        assert!(TABLE.len() <= 400 * 1024, "{} bytes", TABLE.len());
        assert!(index.releases.len() >= 48 && index.releases.len() <= 128);
        assert!(index.releases.is_sorted());
        assert_eq!(index.releases.len(), TABLE.lines().next().unwrap().split(' ').count());
        for id in 1..index.lines.len() {
            let text = index.text(id);
            assert!(!index.name(id).is_empty() && index.parent(id) < id, "{text}");
            let mut seen: Set = 0;
            let mut types = 0;
            for (column, set) in index.types(id) {
                assert!(set != 0 && seen & set == 0, "two types in one release: {text}");
                seen |= set;
                types += 1;
                let is_open = column.split(['|', ' ', '!']).any(|part| part == "any");
                if !is_open && !matches!(column, LIKE_OTHERS | "never") {
                    assert!(!parse(column.trim_start_matches('!')).kinds.is_empty(), "unknown type: {text}");
                }
            }
            assert!(types > 0, "{text}");
        }
    }
}
