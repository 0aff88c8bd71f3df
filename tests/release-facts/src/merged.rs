//! The tables of many releases as one tree, and its text.
//!
//! The first line names the releases. Every other line is a key: as many blanks as it lies deep, its name, and for each
//! of its types a tab and the type; where that does not hold in all releases that have the parent, one more tab and the range
//! of releases. `!` before a type says that the value is secret. A key whose place among its siblings changed has two lines.

use std::collections::HashMap;
use std::fmt::Write as _;

use anyhow::{Context as _, Result, bail};

use crate::flat::{Release, Row, Table, split};

/// Releases as bits, by their number in the list.
type Set = u128;

/// A key with its types in all releases.
struct Key {
    name: String,
    types: Vec<(String, Set)>,
    keys: Vec<Key>,
}

impl Key {
    fn set(&self) -> Set {
        self.types.iter().fold(0, |all, (_, set)| all | set)
    }
}

/// A key of one release.
struct One {
    name: String,
    column: String,
    keys: Vec<One>,
}

fn tree(table: &Table) -> Vec<One> {
    let mut children: HashMap<&str, Vec<&Row>> = HashMap::new();
    for row in table {
        children.entry(split(&row.path).0).or_default().push(row);
    }
    below("", &children)
}

fn below(path: &str, children: &HashMap<&str, Vec<&Row>>) -> Vec<One> {
    let rows = children.get(path).into_iter().flatten();
    rows.map(|row| One {
        name: split(&row.path).1.to_owned(),
        column: row.column.clone(),
        keys: below(&row.path, children),
    })
    .collect()
}

/// Lays the keys of one release into those of the releases before, in the order of both.
fn lay(keys: &mut Vec<Key>, ones: Vec<One>, bit: Set) {
    let pairs = longest_common(keys, &ones);
    let mut old = std::mem::take(keys).into_iter().enumerate().peekable();
    for (at, one) in ones.into_iter().enumerate() {
        let partner = pairs.iter().find(|(_, right)| *right == at).map(|(left, _)| *left);
        if let Some(partner) = partner {
            while let Some((_, key)) = old.next_if(|(index, _)| *index < partner) {
                keys.push(key);
            }
        }
        let mut key = match partner.and_then(|_| old.next()) {
            Some((_, key)) => key,
            None => Key { name: one.name, types: Vec::new(), keys: Vec::new() },
        };
        match key.types.iter_mut().find(|(column, _)| *column == one.column) {
            Some((_, set)) => *set |= bit,
            None => key.types.push((one.column, bit)),
        }
        lay(&mut key.keys, one.keys, bit);
        keys.push(key);
    }
    keys.extend(old.map(|(_, key)| key));
}

/// The positions of a longest common subsequence of names.
fn longest_common(keys: &[Key], ones: &[One]) -> Vec<(usize, usize)> {
    let same = |left: usize, right: usize| matches!((keys.get(left), ones.get(right)), (Some(key), Some(one)) if key.name == one.name);
    let width = ones.len() + 1;
    let mut length = vec![0usize; (keys.len() + 1) * width];
    let get =
        |length: &[usize], left: usize, right: usize| length.get(left * width + right).copied().unwrap_or(0);
    for left in (0..keys.len()).rev() {
        for right in (0..ones.len()).rev() {
            let best = if same(left, right) {
                get(&length, left + 1, right + 1) + 1
            } else {
                get(&length, left + 1, right).max(get(&length, left, right + 1))
            };
            if let Some(cell) = length.get_mut(left * width + right) {
                *cell = best;
            }
        }
    }
    let (mut left, mut right, mut pairs) = (0, 0, Vec::new());
    while left < keys.len() && right < ones.len() {
        if same(left, right) {
            pairs.push((left, right));
            (left, right) = (left + 1, right + 1);
        } else if get(&length, left + 1, right) >= get(&length, left, right + 1) {
            left += 1;
        } else {
            right += 1;
        }
    }
    pairs
}

/// The text of all tables.
pub(crate) fn write(tables: &[(Release, Table)]) -> Result<String> {
    if tables.len() > 128 {
        bail!("more than 128 releases: the sets of releases need more bits, here and in the runner");
    }
    let mut keys = Vec::new();
    for (at, (_, table)) in tables.iter().enumerate() {
        lay(&mut keys, tree(table), 1 << at);
    }
    let releases: Vec<Release> = tables.iter().map(|(release, _)| *release).collect();
    let names: Vec<String> = releases.iter().map(Release::to_string).collect();
    let mut text = names.join(" ");
    text.push('\n');
    let all = if releases.len() == 128 { Set::MAX } else { (1 << releases.len()) - 1 };
    write_keys(&mut text, &keys, 0, all, &releases)?;
    Ok(text)
}

fn write_keys(
    text: &mut String,
    keys: &[Key],
    depth: usize,
    parent: Set,
    releases: &[Release],
) -> Result<()> {
    for key in keys {
        write!(text, "{}{}", " ".repeat(depth), key.name)?;
        for (range, column) in runs(key, parent, releases) {
            write!(text, "\t{column}")?;
            if !range.is_empty() {
                write!(text, "\t{range}")?;
            }
        }
        text.push('\n');
        write_keys(text, &key.keys, depth + 1, key.set(), releases)?;
    }
    Ok(())
}

/// The types of a key, each with the run of releases in which it holds; the run of the parent is not written.
fn runs<'k>(key: &'k Key, parent: Set, releases: &[Release]) -> Vec<(String, &'k str)> {
    if let [(column, set)] = &key.types[..]
        && *set == parent
    {
        return vec![(String::new(), column)];
    }
    let type_in =
        |at: usize| key.types.iter().find(|(_, set)| set >> at & 1 == 1).map(|(column, _)| column.as_str());
    let mut runs: Vec<(usize, usize, &str)> = Vec::new();
    let mut current: Option<&str> = None;
    for at in (0..releases.len()).filter(|at| parent >> at & 1 == 1) {
        let column = type_in(at);
        match (column, runs.last_mut()) {
            (Some(column), Some((_, last, known))) if current == Some(column) && *known == column => {
                *last = at;
            }
            (Some(column), _) => runs.push((at, at, column)),
            (None, _) => {}
        }
        current = column;
    }
    let name = |at: usize| releases.get(at).map(Release::to_string).unwrap_or_default();
    let newest = releases.len() - 1;
    let range = |(first, last, column)| {
        let first_name = if first == 0 { String::new() } else { name(first) };
        let last_name = if last == newest { String::new() } else { name(last) };
        (format!("{first_name}..{last_name}"), column)
    };
    runs.into_iter().map(range).collect()
}

/// The table of each release that the text holds.
pub(crate) fn read(text: &str) -> Result<Vec<(Release, Table)>> {
    let mut lines = text.lines();
    let releases =
        lines.next().unwrap_or_default().split(' ').map(Release::parse).collect::<Result<Vec<_>>>()?;
    let mut tables: Vec<(Release, Table)> = releases.iter().map(|release| (*release, Vec::new())).collect();
    let mut above: Vec<(String, Set)> = Vec::new();
    let all: Set = (0..releases.len()).fold(0, |all, at| all | 1 << at);
    for line in lines {
        let name = line.trim_start_matches(' ');
        let depth = line.len() - name.len();
        above.truncate(depth);
        let (parent, within) = above.last().map_or(("", all), |(path, set)| (path.as_str(), *set));
        let mut cells = name.split('\t').peekable();
        let name = cells.next().unwrap_or_default();
        let path = match (parent, name) {
            ("", name) => name.to_owned(),
            (parent, "[]") => format!("{parent}[]"),
            (parent, name) => format!("{parent}.{name}"),
        };
        let mut set: Set = 0;
        while let Some(column) = cells.next() {
            let range = cells.next_if(|cell| is_range(cell)).unwrap_or("..");
            for (at, release) in releases.iter().enumerate() {
                if within >> at & 1 == 1 && contains(range, *release)? {
                    set |= 1 << at;
                    let (_, table) = tables.get_mut(at).context("no such release")?;
                    table.push(Row { path: path.clone(), column: column.to_owned() });
                }
            }
        }
        above.push((path, set));
    }
    Ok(tables)
}

fn is_range(cell: &str) -> bool {
    let numbers = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
    cell.contains("..") && numbers(cell)
}

pub(crate) fn contains(range: &str, release: Release) -> Result<bool> {
    let (from, to) = range.split_once("..").context("no range")?;
    let from = from.is_empty() || Release::parse(from)? <= release;
    Ok(from && (to.is_empty() || release <= Release::parse(to)?))
}
