//! Makes the runner's key table (`runner/src/config/release/keys.tsv`) from the tables of single releases.
//!
//! ```text
//! release-facts build OUT TABLES SECRETS CORRECTIONS [RELEASE=VERIFIED:FROM..TO]...   all tables keys-RELEASE.tsv anew
//! release-facts add TABLE RELEASE=FILE                                     one more release, or one release again
//! release-facts take TABLE RELEASE=SCHEMA.json                             the same from the schema that the program prints
//! release-facts accounts SCHEMA.json                                       its keys of accounts that are not those of their channel
//! release-facts show TABLE RELEASE                                         the table of one release
//! release-facts package TABLE PLUGINS RELEASE=FOLDER                      plugins and ids of checks of an unpacked package
//! release-facts ids OUT TABLES                                             plugins-RELEASE.txt of a folder as one table
//! ```
#![expect(clippy::print_stdout, reason = "a tool for the command line")]
#![expect(
    clippy::disallowed_methods,
    reason = "it reads the files that its caller names, and no installation"
)]

mod bundled;
mod flat;
mod merged;
mod printed;

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

use flat::{Release, Table};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match arguments.as_slice() {
        ["build", out, tables, secrets, corrections, verified @ ..] => {
            build(out, Path::new(tables), secrets, corrections, verified)
        }
        ["add", table, pair] => add(table, pair),
        ["take", table, pair] => take(table, pair),
        ["accounts", schema] => accounts(schema),
        ["show", table, release] => show(table, Release::parse(release)?),
        ["package", checks, plugins, pair] => package(checks, plugins, pair),
        ["ids", out, tables] => ids(out, Path::new(tables)),
        _ => bail!("usage: see the head of tests/release-facts/src/main.rs"),
    }
}

/// The files `PREFIX-RELEASE.EXTENSION` of a folder, by release.
fn files(folder: &Path, prefix: &str, extension: &str) -> Result<BTreeMap<Release, std::path::PathBuf>> {
    let mut files = BTreeMap::new();
    for entry in fs::read_dir(folder).with_context(|| format!("cannot read {}", folder.display()))? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let release = name.strip_prefix(prefix).and_then(|rest| rest.strip_suffix(extension));
        if let Some(release) = release {
            files.insert(Release::parse(release)?, path);
        }
    }
    Ok(files)
}

fn build(out: &str, folder: &Path, secrets: &str, corrections: &str, verified: &[&str]) -> Result<()> {
    let mut tables = Vec::new();
    for (release, file) in files(folder, "keys-", ".tsv")? {
        tables.push((release, flat::read(&file)?));
    }
    let raw = tables.clone();
    for argument in verified {
        let (release, rest) = argument.split_once('=').context("RELEASE=FILE:FROM..TO")?;
        let (file, range) = rest.rsplit_once(':').context("RELEASE=FILE:FROM..TO")?;
        let (from, to) = range.split_once("..").context("RELEASE=FILE:FROM..TO")?;
        let (release, from, to) = (Release::parse(release)?, Release::parse(from)?, Release::parse(to)?);
        let verified = flat::read_part(Path::new(file))?;
        let count = flat::correct(&mut tables, release, &verified, from, to)?;
        println!("{release}: {count} lines corrected or added");
    }
    let corrections = fs::read_to_string(corrections)?;
    flat::amend(&mut tables, &corrections)?;
    let secrets = fs::read_to_string(secrets)?;
    mark_secrets(&mut tables, &secrets.lines().collect());
    save(out, &tables)?;
    let text = fs::read_to_string(out)?;
    // Nothing that a file names is lost, and nothing else came in but what a verified table added.
    let (mut same, mut other) = (0, 0);
    for ((release, built), (_, raw)) in merged::read(&text)?.iter().zip(&raw) {
        let columns: BTreeMap<&str, &str> =
            built.iter().map(|row| (row.path.as_str(), row.column.trim_start_matches('!'))).collect();
        for row in raw {
            match columns.get(row.path.as_str()) {
                Some(column) if *column == row.column => same += 1,
                Some(_) => other += 1,
                None => bail!("{release}: {} is lost", row.path),
            }
        }
        let known: HashSet<&str> = raw.iter().map(|row| row.path.as_str()).collect();
        for path in columns.keys().filter(|path| !known.contains(**path)) {
            let corrected = corrections.lines().any(|line| line.split('\t').next() == Some(path));
            if !path.contains(".accounts.*.") && !corrected {
                bail!("{release}: {path} came from nowhere");
            }
        }
    }
    println!("{same} lines as given, {other} with another type; {} bytes", text.len());
    Ok(())
}

/// Where the keys of the newest releases stood before, for the list of secrets.
const FORMERLY: [(&str, &str); 5] = [
    ("agents.list[].", "agents.entries.*."),
    (".memorySearch.", ".memory.search."),
    ("agents.defaults.memory.search.", "memory.search."),
    ("messages.tts.", "tts."),
    ("talk.", "talk.providers.*."),
];

/// What the program's list names is marked, in every release that has it.
fn mark_secrets(tables: &mut [(Release, Table)], secrets: &HashSet<&str>) {
    for (_, table) in tables {
        for row in table {
            let mut names = vec![row.path.clone()];
            for (old, new) in FORMERLY {
                let renamed: Vec<String> = names.iter().map(|name| name.replace(old, new)).collect();
                names.extend(renamed);
            }
            let of_channel = row.path.replace(".accounts.*.", ".");
            let holds_reference = row.column.contains("secretRef");
            if holds_reference
                || names.iter().any(|name| secrets.contains(name.as_str()))
                || secrets.contains(&*of_channel)
            {
                row.column.insert(0, '!');
            }
        }
    }
}

fn save(out: &str, tables: &[(Release, Table)]) -> Result<()> {
    let text = merged::write(tables)?;
    let again = merged::read(&text)?;
    for ((release, one), (_, other)) in tables.iter().zip(&again) {
        let sorted = |table: &Table| {
            let mut rows: Vec<(String, String)> =
                table.iter().map(|row| (row.path.clone(), row.column.clone())).collect();
            rows.sort();
            rows
        };
        if sorted(one) != sorted(other) {
            bail!("the table of {release} would not be read again as it was");
        }
        if siblings(one) != siblings(other) {
            bail!("the keys of {release} would be read in another order");
        }
    }
    fs::write(out, text).with_context(|| format!("cannot write {out}"))
}

/// The names below each path, in their order.
fn siblings(table: &Table) -> BTreeMap<&str, Vec<&str>> {
    let mut siblings: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for row in table {
        let (parent, name) = flat::split(&row.path);
        siblings.entry(parent).or_default().push(name);
    }
    siblings
}

fn add(file: &str, pair: &str) -> Result<()> {
    let (release, table) = pair.split_once('=').context("RELEASE=FILE")?;
    let (release, mut table) = (Release::parse(release)?, flat::read(Path::new(table))?);
    let mut tables = merged::read(&fs::read_to_string(file)?)?;
    tables.retain(|(other, _)| *other != release);
    let at = tables.iter().position(|(other, _)| *other > release).unwrap_or(tables.len());
    // A key that was secret stays it.
    let near = at.checked_sub(1).or(Some(0)).and_then(|near| tables.get(near));
    let secret: HashSet<&str> = near
        .into_iter()
        .flat_map(|(_, table)| {
            table.iter().filter(|row| row.column.starts_with('!')).map(|row| row.path.as_str())
        })
        .collect();
    for row in &mut table {
        if !row.column.starts_with('!')
            && (row.column.contains("secretRef") || secret.contains(row.path.as_str()))
        {
            row.column.insert(0, '!');
        }
    }
    tables.insert(at, (release, table));
    save(file, &tables)
}

/// The lines of accounts that differ from those of their channels, of a printed schema.
fn accounts(schema: &str) -> Result<()> {
    let schema: serde_json::Value = serde_json::from_str(&fs::read_to_string(schema)?).context("no JSON")?;
    for row in printed::table(&schema)? {
        let key = row.path.strip_prefix("channels.").and_then(|rest| rest.split_once(".accounts.*."));
        if key.is_some_and(|(channel, _)| !channel.contains('.') && channel != "qa-channel") {
            println!("{}\t{}", row.path, row.column);
        }
    }
    Ok(())
}

/// Adds a release from the schema that its program prints, and lists what needs a person.
fn take(file: &str, pair: &str) -> Result<()> {
    let (release, schema) = pair.split_once('=').context("RELEASE=SCHEMA.json")?;
    let release = Release::parse(release)?;
    let schema: serde_json::Value = serde_json::from_str(&fs::read_to_string(schema)?).context("no JSON")?;
    let mut table = printed::table(&schema)?;
    let mut tables = merged::read(&fs::read_to_string(file)?)?;
    let same = tables.iter().position(|(other, _)| *other == release);
    let before = same.or_else(|| tables.iter().rposition(|(other, _)| *other < release));
    let (near, before) = before.and_then(|at| tables.get(at)).context("no release before it")?;
    let mut open = printed::complete(&mut table, before);
    // The last word of these lines is a type, which may be long.
    open.sort();
    println!("{release}: {} keys, against those of {near}", table.len());
    for line in &open {
        println!("{line}");
    }
    println!("{} lines need a person", open.len());
    for row in &mut table {
        if !row.column.starts_with('!') && row.column.contains("secretRef") {
            row.column.insert(0, '!');
        }
    }
    if same.is_none() {
        let at = tables.iter().position(|(other, _)| *other > release).unwrap_or(tables.len());
        tables.insert(at, (release, table));
        save(file, &tables)?;
    }
    Ok(())
}

fn show(file: &str, release: Release) -> Result<()> {
    let tables = merged::read(&fs::read_to_string(file)?)?;
    let (_, table) = tables
        .iter()
        .find(|(other, _)| *other == release)
        .with_context(|| format!("{release} is not in it"))?;
    for row in table {
        println!("{}\t{}", row.path, row.column);
    }
    Ok(())
}

/// The plugins that come with a package, into the table of plugins; and the ids of its checks that no page lists.
fn package(checks: &str, plugins: &str, pair: &str) -> Result<()> {
    let (release, folder) = pair.split_once('=').context("RELEASE=FOLDER")?;
    let (release, dist) = (Release::parse(release)?, Path::new(folder).join("dist"));
    let bundled = bundled::plugins(&dist.join("extensions"))?;
    let mut releases: Vec<Release> = Vec::new();
    let text = fs::read_to_string(plugins)?;
    let mut of = read_ids(&text, &mut releases, release)?;
    let known: HashSet<String> = of.keys().cloned().collect();
    for id in bundled.iter().filter(|id| !known.contains(*id)) {
        println!("plugin\tnew\t{id}");
    }
    let before = releases.iter().rposition(|other| *other < release).and_then(|at| releases.get(at)).copied();
    let was = |set: &HashSet<Release>| before.is_some_and(|before| set.contains(&before));
    for (id, _) in of.iter().filter(|(id, set)| was(set) && !bundled.contains(*id)) {
        println!("plugin\tgone\t{id}");
    }
    for (id, set) in &mut of {
        set.remove(&release);
        if bundled.contains(id) {
            set.insert(release);
        }
    }
    for id in &bundled {
        of.entry(id.clone()).or_default().insert(release);
    }
    fs::write(plugins, lines_of_ids(&of, &releases))?;
    let page = fs::read_to_string(checks)?;
    for id in bundled::checks(&dist)?.into_iter().filter(|id| !page.contains(id.as_str())) {
        println!("check\tnew\t{id}");
    }
    Ok(())
}

/// The ids of a table and the releases of each; the releases are those of the table of keys beside it, and one more.
fn read_ids(
    text: &str,
    releases: &mut Vec<Release>,
    one_more: Release,
) -> Result<BTreeMap<String, HashSet<Release>>> {
    let keys = include_str!("../../../runner/src/config/release/keys.tsv").lines().next().unwrap_or_default();
    *releases = keys.split(' ').map(Release::parse).collect::<Result<_>>()?;
    if !releases.contains(&one_more) {
        releases.push(one_more);
        releases.sort_unstable();
    }
    let mut of: BTreeMap<String, HashSet<Release>> = BTreeMap::new();
    for line in text.lines() {
        let (id, range) = line.split_once('\t').context("no tab")?;
        for release in releases.iter() {
            if range.is_empty() || merged::contains(range, *release)? {
                of.entry(id.to_owned()).or_default().insert(*release);
            }
        }
    }
    Ok(of)
}

/// One line per id: id, tab, its range of releases, or nothing where that is all; an id that came back has two.
fn ids(out: &str, folder: &Path) -> Result<()> {
    let files = files(folder, "plugins-", ".txt")?;
    let mut of: BTreeMap<String, HashSet<Release>> = BTreeMap::new();
    for (release, file) in &files {
        for id in fs::read_to_string(file)?.lines().filter(|id| !id.is_empty()) {
            of.entry(id.to_owned()).or_default().insert(*release);
        }
    }
    fs::write(out, lines_of_ids(&of, &files.keys().copied().collect::<Vec<_>>()))?;
    println!("{} ids of {} releases", of.len(), files.len());
    Ok(())
}

fn lines_of_ids(of: &BTreeMap<String, HashSet<Release>>, releases: &[Release]) -> String {
    let mut text = String::new();
    for (id, known) in of {
        let is_in = |at: usize| releases.get(at).is_some_and(|release| known.contains(release));
        let mut at = 0;
        while at < releases.len() {
            let run = (at..releases.len()).take_while(|at| is_in(*at)).count();
            let name = |at: usize| releases.get(at).map(Release::to_string).unwrap_or_default();
            let from = if at == 0 { String::new() } else { name(at) };
            let to =
                if at + run == releases.len() { String::new() } else { name(at + run.saturating_sub(1)) };
            if run > 0 {
                let range =
                    if from.is_empty() && to.is_empty() { String::new() } else { format!("{from}..{to}") };
                let _ = writeln!(text, "{id}\t{range}");
            }
            at += run.max(1);
        }
    }
    text
}
