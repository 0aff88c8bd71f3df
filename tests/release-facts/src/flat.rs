//! The table of one release: one line per key, path, tab, type; in the order of the program's own schema.

use std::collections::{HashMap, HashSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// A release, by its numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Release(pub [u16; 3]);

impl Release {
    /// `2026.5.18`.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let parts: Vec<u16> = text
            .split('.')
            .map(str::parse)
            .collect::<Result<_, _>>()
            .with_context(|| format!("{text} is no release"))?;
        Ok(Self(parts.try_into().ok().with_context(|| format!("{text} is no release"))?))
    }
}

impl std::fmt::Display for Release {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self([year, month, patch]) = self;
        write!(f, "{year}.{month}.{patch}")
    }
}

/// A key of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Row {
    pub path: String,
    pub column: String,
}

/// All keys of one release, parents before children.
pub(crate) type Table = Vec<Row>;

/// The type of a plugin's entry: what the type of every other entry says, but for the members below it.
pub(crate) const LIKE_OTHERS: &str = "=*";

/// Reads a table; parents that it leaves out are filled in.
pub(crate) fn read(file: &Path) -> Result<Table> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    parse(&text).with_context(|| format!("{} is no key table", file.display()))
}

/// Reads lines of a table, whatever is missing between them.
pub(crate) fn read_part(file: &Path) -> Result<Table> {
    let text = fs::read_to_string(file).with_context(|| format!("cannot read {}", file.display()))?;
    let lines = text.lines().filter_map(|line| line.split_once('\t'));
    Ok(lines.map(|(path, column)| Row { path: path.to_owned(), column: normal(column) }).collect())
}

pub(crate) fn parse(text: &str) -> Result<Table> {
    let mut rows = Vec::new();
    let mut known = HashSet::new();
    for line in text.lines() {
        let (path, column) = line.split_once('\t').with_context(|| format!("no tab in the line {line}"))?;
        let (parent, _) = split(path);
        if !parent.is_empty() && !known.contains(parent) {
            // Only the entries of plugins stand without a line of their own.
            if split(parent).0 != "plugins.entries" {
                bail!("{path} has no parent");
            }
            known.insert(parent.to_owned());
            rows.push(Row { path: parent.to_owned(), column: LIKE_OTHERS.to_owned() });
        }
        if !known.insert(path.to_owned()) {
            bail!("{path} stands there twice");
        }
        rows.push(Row { path: path.to_owned(), column: normal(column) });
    }
    Ok(rows)
}

/// The parent and the last step of a path: a name, `*` or `[]`.
pub(crate) fn split(path: &str) -> (&str, &str) {
    match path.strip_suffix("[]") {
        Some(parent) => (parent, "[]"),
        None => path.rsplit_once('.').unwrap_or(("", path)),
    }
}

/// One way to write a type: no blanks around `|`, JSON without blanks.
pub(crate) fn normal(column: &str) -> String {
    let mut normal = String::new();
    let (mut quoted, mut escaped) = (false, false);
    let default = column.find(" default=").unwrap_or(column.len());
    for (at, c) in column.char_indices() {
        if quoted {
            quoted = escaped || c != '"';
            escaped = c == '\\' && !escaped;
        } else {
            let in_default = at > default;
            let rest = column.get(at..).unwrap_or_default();
            if c == ' ' && (in_default || rest.starts_with(" |") || normal.ends_with('|')) {
                continue;
            }
            quoted = c == '"';
        }
        normal.push(c);
    }
    normal
}

/// Without default and without "required".
pub(crate) fn bare(column: &str) -> &str {
    let column = column.split_once(" default=").map_or(column, |(column, _)| column);
    column.strip_suffix(" required").unwrap_or(column)
}

/// A table that knows less of the language of types says the same as far as it can.
fn is_coarser(coarse: &str, fine: &str) -> bool {
    let mut text = fine.replace("|object strict", "|object");
    if let Some(at) = text.find("map(") {
        text.truncate(at + 3);
    }
    coarse == text
}

/// A verified table corrects the table of the same release, and of its neighbours as far as they say the same.
pub(crate) fn correct(
    tables: &mut [(Release, Table)],
    release: Release,
    verified: &Table,
    from: Release,
    to: Release,
) -> Result<usize> {
    let at = tables.iter().position(|(other, _)| *other == release).context("no table to correct")?;
    let (_, raw) = tables.get(at).context("no table to correct")?;
    let index = |table: &Table| -> HashMap<String, String> {
        table.iter().map(|row| (row.path.clone(), row.column.clone())).collect()
    };
    let (raw, right) = (index(raw), index(verified));
    let mut count = 0;
    for row in verified {
        match raw.get(&row.path) {
            Some(column) if *column == row.column || is_coarser(&row.column, column) => {}
            Some(column) => {
                let wrong = column.clone();
                count += each_near(tables, at, from, to, |table| {
                    let found =
                        table.iter_mut().find(|found| found.path == row.path && found.column == wrong)?;
                    found.column.clone_from(&row.column);
                    Some(())
                });
            }
            None => {
                let Some(base) = of_channel(&row.path) else {
                    bail!("{} is missing from the table", row.path)
                };
                let like = right.get(&base).or_else(|| raw.get(&base)).cloned();
                count += each_near(tables, at, from, to, |table| {
                    let column = table.iter().find(|row| row.path == base).map(|row| row.column.clone());
                    let column = match (column, &like) {
                        (Some(column), Some(like)) if row.column == bare(like) => bare(&column).to_owned(),
                        (column, like) if column == *like => row.column.clone(),
                        _ => return None,
                    };
                    let (accounts, _) = split(&row.path);
                    let inside =
                        |row: &Row| row.path == accounts || row.path.starts_with(&format!("{accounts}."));
                    if table.iter().any(|found| found.path == row.path) {
                        return None;
                    }
                    let after = table.iter().rposition(inside)?;
                    table.insert(after + 1, Row { path: row.path.clone(), column });
                    Some(())
                });
            }
        }
    }
    Ok(count)
}

/// Applies what people found out about single keys: path, type, range of releases, reason.
pub(crate) fn amend(tables: &mut [(Release, Table)], corrections: &str) -> Result<()> {
    for line in corrections.lines() {
        let cells: Vec<&str> = line.split('\t').collect();
        let [path, column, range, _] = cells[..] else { bail!("four cells are expected in {line}") };
        let (from, to) = range.split_once("..").context("no range")?;
        let (from, to) = (Release::parse(from)?, Release::parse(to)?);
        for (_, table) in tables.iter_mut().filter(|(release, _)| (from..=to).contains(release)) {
            if let Some(row) = table.iter_mut().find(|row| row.path == path) {
                column.clone_into(&mut row.column);
                continue;
            }
            let (parent, _) = split(path);
            let inside = |row: &Row| {
                parent.is_empty() || row.path == parent || row.path.starts_with(&format!("{parent}."))
            };
            let after = table.iter().rposition(inside).with_context(|| format!("{path} has no parent"))?;
            table.insert(after + 1, Row { path: path.to_owned(), column: column.to_owned() });
        }
    }
    Ok(())
}

/// `channels.x.a` of `channels.x.accounts.*.a`.
fn of_channel(path: &str) -> Option<String> {
    let (channel, key) = path.split_once(".accounts.*.")?;
    channel.starts_with("channels.").then(|| format!("{channel}.{key}"))
}

/// Does something to a table and to its neighbours on both sides, as long as it can be done.
fn each_near(
    tables: &mut [(Release, Table)],
    at: usize,
    from: Release,
    to: Release,
    mut change: impl FnMut(&mut Table) -> Option<()>,
) -> usize {
    let (before, rest) = tables.split_at_mut(at);
    let mut count = 0;
    for side in [
        &mut before.iter_mut().rev() as &mut dyn Iterator<Item = &mut (Release, Table)>,
        &mut rest.iter_mut(),
    ] {
        for (release, table) in side {
            if !(from..=to).contains(release) || change(table).is_none() {
                break;
            }
            count += 1;
        }
    }
    count
}
