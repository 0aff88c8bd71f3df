//! Records of what was installed from npm (reference: state-checks 5.4 to 5.10, 2026.9-delta 4.10). Plugins and hooks have
//! the same records and the same three checks. Where the records stand depends on the release: in the config, or in the
//! database of the state; and a plugin that npm put into one of the managed folders has one without being recorded.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use crate::context::unseen;
use crate::openclaw::records::{self, DATABASE};
use crate::{
    Answer, Cell, Context, Kind, Location, Node, NotAssessed, Path, RecordsError, StateError, Target,
    Verdict, js, listing, warn,
};

/// Longest `package.json` that is read, in bytes.
const MAX_PACKAGE_BYTES: u32 = 1 << 20;

/// Most projects in the folder of npm, and most packages of one of them, that are looked at.
const MAX_PACKAGES: usize = 500;

/// The state of plugins in the table `config_machine_state`.
pub const PLUGIN_RECORDS: &str = "plugins.installedIndex";
/// The file of the state directory that held it before there was a database, and the key of its row in the table.
pub const PLUGIN_FILE: &str = "plugins/installs.json";
/// The records of hooks in the table `config_machine_state`.
pub const HOOK_RECORDS: &str = "hooks.internal.installs";

/// The table and its columns.
const TABLE: &str = "config_machine_state";
const COLUMNS: [&str; 2] = ["state_key", "value_json"];

/// Rows that are asked for at once.
const BATCH: u32 = 64;

/// One kind of thing that is installed.
#[derive(Clone, Copy, Debug)]
pub struct Installs {
    /// "Plugin", as a title begins.
    pub title: &'static str,
    /// The command that manages them: "openclaw plugins".
    pub command: &'static str,
    /// Where the records stand in the config.
    pub records: &'static str,
    /// The views of their `package.json`, by the number of the record: `<view>/0` and so on.
    pub view: &'static str,
    /// The folder of the state directory that they are in where no record says another.
    pub folder: &'static str,
    /// Where the records stand in later releases.
    pub stored: Stored,
    /// The ids of the checks: unpinned specs, missing integrity, version drift.
    pub checks: [&'static str; 3],
}

/// Where the records stand outside of the config.
#[derive(Clone, Copy, Debug)]
pub struct Stored {
    /// From this release on.
    pub since: (u16, u8, u16),
    /// The row of `config_machine_state`.
    pub key: &'static str,
    /// The members on the way from the row's value to the records.
    pub path: &'static [&'static str],
    /// The file of the state directory that held them before there was a database, and the key of its row.
    pub file: Option<&'static str>,
    /// The managed folders of npm have records, too.
    pub is_in_npm: bool,
}

/// A text of a record, or why it is not known, and where it stands.
type Field = (Result<Option<String>, NotAssessed>, Location);

/// A record of an installation from npm.
#[derive(Clone, Debug)]
struct Record {
    id: String,
    spec: Field,
    integrity: Field,
    /// The version that was installed.
    version: Field,
    /// Its `package.json`.
    package: Result<Path, NotAssessed>,
}

/// An installation that is not what its record says.
struct Drift {
    /// The versions, in words.
    words: String,
    recorded: Location,
    package: Path,
}

/// Judges all records of one kind: one finding for each check that some record does not meet.
///
/// # Errors
/// Never: a record or a package that cannot be seen leaves its check open.
pub fn audit(cx: &Context<'_>, installs: &Installs) -> Verdict {
    let mut answer = Answer::new();
    let (year, month, patch) = installs.stored.since;
    let records = if cx.release().since(year, month, patch) {
        stored_records(cx, installs, &mut answer)
    } else {
        config_records(cx, installs, &mut answer)
    };
    let place = if cx.release().since(year, month, patch) {
        format!("The record of installed {}s", installs.title.to_lowercase())
    } else {
        installs.records.to_owned()
    };
    unpinned(installs, &place, &records, &mut answer);
    missing_integrity(installs, &place, &records, &mut answer);
    version_drift(cx, installs, &place, &records, &mut answer);
    Ok(answer)
}

fn leave_open(installs: &Installs, answer: &mut Answer, reason: &NotAssessed) {
    installs.checks.iter().for_each(|check| answer.leave_open(check, reason.clone()));
}

/// The records of the config whose source is exactly "npm". One whose source is not shown leaves all checks open.
fn config_records(cx: &Context<'_>, installs: &Installs, answer: &mut Answer) -> Vec<Record> {
    let mut found = Vec::new();
    let config = cx.config();
    let records = match config.at(installs.records).entries() {
        Ok(records) => records,
        Err(reason) => {
            leave_open(installs, answer, &reason);
            return found;
        }
    };
    // The runner numbers all records, of whatever source.
    for (number, (id, node)) in records.enumerate() {
        let package = Path::new(&format!("{}/{number}", installs.view), "");
        match node.get("source").text() {
            Ok(Some("npm")) => found.push(Record::of_node(id, &node, package)),
            Ok(_) => {}
            Err(reason) => leave_open(installs, answer, &reason),
        }
    }
    found
}

impl Record {
    fn of_node(id: &str, node: &Node<'_>, package: Path) -> Self {
        let field = |node: &Node<'_>| (node.text().map(|text| text.map(str::to_owned)), node.location());
        let resolved = node.get("resolvedVersion");
        let version = match resolved.is_nullish() {
            Ok(true) => field(&node.get("version")),
            Ok(false) => field(&resolved),
            Err(reason) => (Err(reason), resolved.location()),
        };
        let (spec, integrity) = (field(&node.get("spec")), field(&node.get("integrity")));
        Self { id: id.to_owned(), spec, integrity, version, package: Ok(package) }
    }

    /// A record that stands in no config. All of it stands in one place.
    fn of_value(cx: &Context<'_>, id: &str, value: &Value, folder: &str, place: &Location) -> Self {
        let text = |key: &str| value.get(key).and_then(Value::as_str).map(str::to_owned);
        let field = |key: &str| (Ok(text(key)), place.clone());
        let is_resolved = value.get("resolvedVersion").is_some_and(|version| !version.is_null());
        Self {
            id: id.to_owned(),
            spec: field("spec"),
            integrity: field("integrity"),
            version: field(if is_resolved { "resolvedVersion" } else { "version" }),
            package: package_of(cx, id, text("installPath").as_deref(), folder),
        }
    }
}

/// The records of the state that come from npm, and those that npm's own folders make (reference: 2026.9-delta 4.10).
fn stored_records(cx: &Context<'_>, installs: &Installs, answer: &mut Answer) -> Vec<Record> {
    let Stored { key, path, file, is_in_npm, .. } = installs.stored;
    let found = stored_or_in_file(cx, key, file);
    let (stored, place) = found.unwrap_or_else(|reason| {
        leave_open(installs, answer, &reason);
        (Value::Null, DATABASE)
    });
    let records = path.iter().try_fold(&stored, |value, key| value.get(key)).and_then(Value::as_object);
    let place = Location::Object(Path::new("state", place));
    let mut found: Vec<(String, Value, Location)> = records
        .into_iter()
        .flatten()
        .map(|(id, record)| (id.clone(), record.clone(), place.clone()))
        .collect();
    if is_in_npm {
        let recovered = recovered(cx, &mut |reason| leave_open(installs, answer, &reason));
        for (id, record, place) in recovered {
            match found.iter_mut().find(|(known, ..)| *known == id) {
                // What lies there is of another version than the record says: npm has replaced it.
                Some(known) if is_replaced(&known.1, &record) => *known = (id, record, place),
                Some(_) => {}
                None => found.push((id, record, place)),
            }
        }
    }
    let from_npm = found.iter().filter(|(_, record, _)| record.get("source") == Some(&Value::from("npm")));
    from_npm.map(|(id, record, place)| Record::of_value(cx, id, record, installs.folder, place)).collect()
}

fn is_replaced(known: &Value, recovered: &Value) -> bool {
    let same = |key: &str| known.get(key).is_some() && known.get(key) == recovered.get(key);
    same("installPath") && !same("version")
}

/// The table's content, in words for reports.
const WHAT: &str = "the records of installed plugins and hooks";

/// A row of the table `config_machine_state` as JSON; null where there is none. Needs the capabilities `records` on
/// `config_machine_state.state_key` and `.value_json`.
///
/// # Errors
/// Where the table cannot be read, or its value is no JSON.
pub fn stored(cx: &Context<'_>, key: &str) -> Result<Value, NotAssessed> {
    for column in COLUMNS {
        cx.granted(&format!("records:{TABLE}.{column}"))?;
    }
    let mut start = 0;
    loop {
        let page = match cx.host().rows(TABLE, &COLUMNS, start, BATCH) {
            Ok(page) => page,
            Err(RecordsError::NoTable) => return Ok(Value::Null),
            Err(error) => return Err(records::unread(&error, WHAT, &format!("{TABLE}.{}", COLUMNS[1]))),
        };
        for row in &page.rows {
            let [Cell::Text(name), value] = row.as_slice() else { continue };
            if name != key {
                continue;
            }
            let bytes = match value {
                Cell::Text(text) => text.as_bytes(),
                Cell::Blob(bytes) => bytes.as_slice(),
                _ => return Ok(Value::Null),
            };
            let unheld = || NotAssessed::not_understood(format!("{WHAT} in {DATABASE}: the row {key}"));
            return js::json(bytes).ok().flatten().ok_or_else(unheld);
        }
        let read = u32::try_from(page.rows.len()).unwrap_or(u32::MAX);
        if !page.more || read == 0 {
            return Ok(Value::Null);
        }
        start = start.saturating_add(read);
    }
}

/// A row as JSON, and the file of the state directory that it stands in. The database goes before the file.
fn stored_or_in_file<'f>(
    cx: &Context<'_>,
    key: &str,
    file: Option<&'f str>,
) -> Result<(Value, &'f str), NotAssessed> {
    match (stored(cx, key)?, file) {
        (Value::Null, Some(file)) => Ok((stored(cx, file)?, file)),
        (row, _) => Ok((row, DATABASE)),
    }
}

/// A place by its absolute path, as a place of the state directory; none where it lies elsewhere.
fn in_state(cx: &Context<'_>, path: &str) -> Option<Path> {
    let mut parts = Vec::new();
    for part in path.strip_prefix('/')?.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()),
            name => parts.push(name),
        }
    }
    let plain = format!("/{}", parts.join("/"));
    let root = format!("{}/", cx.display("state")?.trim_end_matches('/'));
    let rel = plain.strip_prefix(&root)?;
    Some(Path::new("state", &rel.replace('%', "%25")))
}

/// The `package.json` of an installation.
fn package_of(
    cx: &Context<'_>,
    id: &str,
    install_path: Option<&str>,
    folder: &str,
) -> Result<Path, NotAssessed> {
    let Some(place) = install_path else {
        // An id is a name, also where it begins with "/".
        let id = id.trim_start_matches('/').replace('%', "%25");
        return Ok(Path::new("state", &format!("{folder}/{id}")).join("package.json"));
    };
    let elsewhere =
        || NotAssessed::absent(format!("{place} is no folder of installed code in the state directory"));
    in_state(cx, place).map(|path| path.join("package.json")).filter(is_code).ok_or_else(elsewhere)
}

/// The ids of the plugins that later releases record as installed, or that npm has installed, in lower case. What cannot be
/// seen is told to `open`. Needs what [`stored`] needs, and `list` on `state/npm/projects`, `read` and `stat` on
/// `state/npm/**/package.json` and `state/npm/**/openclaw.plugin.json`.
pub fn plugin_ids(cx: &Context<'_>, open: &mut dyn FnMut(NotAssessed)) -> BTreeSet<String> {
    let mut ids = BTreeSet::new();
    match stored_or_in_file(cx, PLUGIN_RECORDS, Some(PLUGIN_FILE)) {
        Ok((row, _)) => {
            let records = row.pointer("/index/installRecords").and_then(Value::as_object);
            ids.extend(records.into_iter().flat_map(Map::keys).map(|id| id.to_lowercase()));
        }
        Err(reason) => open(reason),
    }
    ids.extend(recovered(cx, open).into_iter().map(|(id, ..)| id.to_lowercase()));
    ids
}

/// What npm itself has put into the managed folders: the plugin's id, its record, and where it is said. Needs `list` on
/// `state/npm/projects`, and `read` and `stat` on `state/npm/**/package.json` and `state/npm/**/openclaw.plugin.json`.
fn recovered(cx: &Context<'_>, open: &mut dyn FnMut(NotAssessed)) -> Vec<(String, Value, Location)> {
    let npm = Path::new("state", "npm");
    let mut roots = vec![npm.clone()];
    match npm_projects(cx, &npm) {
        Ok(projects) => roots.extend(projects),
        Err(reason) => open(reason),
    }
    if roots.len() > MAX_PACKAGES {
        open(NotAssessed::limit(format!("{MAX_PACKAGES} projects of npm")));
        roots.truncate(MAX_PACKAGES);
    }
    let mut found = Vec::new();
    for root in roots {
        let manifest = root.join("package.json");
        let wanted = match read_json(cx, &manifest) {
            Ok(wanted) => wanted.unwrap_or_default(),
            Err(reason) => {
                open(reason);
                continue;
            }
        };
        let wanted = wanted.get("dependencies").and_then(Value::as_object).into_iter().flatten();
        for (number, (name, range)) in wanted.enumerate() {
            if number == MAX_PACKAGES {
                open(NotAssessed::limit(format!("{MAX_PACKAGES} packages of {}", cx.display_path(&root))));
                break;
            }
            match npm_plugin(cx, &root, name, range) {
                Ok(Some((id, record))) => found.push((id, record, Location::Object(manifest.clone()))),
                Ok(None) => {}
                Err(reason) => open(reason),
            }
        }
    }
    found
}

fn npm_projects(cx: &Context<'_>, npm: &Path) -> Result<Vec<Path>, NotAssessed> {
    let path = npm.join("projects");
    match cx.host().list(&path) {
        Ok(entries) => Ok(entries
            .iter()
            .filter(|entry| entry.metadata.kind == Kind::Directory)
            .map(|entry| path.join(&entry.name))
            .collect()),
        Err(StateError::NotFound | StateError::WrongKind) => Ok(Vec::new()),
        Err(error) => Err(unseen(cx, "list", &path, &error)),
    }
}

/// The plugin of a package that npm has installed; none where it is not there, or no plugin.
fn npm_plugin(
    cx: &Context<'_>,
    root: &Path,
    name: &str,
    range: &Value,
) -> Result<Option<(String, Value)>, NotAssessed> {
    let folder = root.join("node_modules").join(&name.replace('%', "%25"));
    let Some(package) = read_json(cx, &folder.join("package.json"))? else { return Ok(None) };
    if package.pointer("/openclaw/extensions").is_none_or(Value::is_null) {
        return Ok(None);
    }
    let manifest = read_json(cx, &folder.join("openclaw.plugin.json"))?.unwrap_or_default();
    let id = manifest.get("id").and_then(Value::as_str).map(js::trim).filter(|id| !id.is_empty());
    let mut record = Map::new();
    record.insert("source".to_owned(), "npm".into());
    record.insert("spec".to_owned(), format!("{name}@{}", range.as_str().unwrap_or_default()).into());
    record.insert("installPath".to_owned(), cx.display_path(&folder).into());
    record.extend(package.get("version").map(|version| ("version".to_owned(), version.clone())));
    Ok(Some((id.unwrap_or(name).to_owned(), record.into())))
}

/// What is seen of each record; where it cannot be, the check is left open for that one.
fn of_each<'r, T>(
    check: &str,
    records: &'r [Record],
    answer: &mut Answer,
    look: impl Fn(&'r Record) -> Result<Option<T>, NotAssessed>,
) -> Vec<T> {
    let mut seen = Vec::new();
    for record in records {
        match look(record) {
            Ok(found) => seen.extend(found),
            Err(reason) => answer.leave_open(check, reason),
        }
    }
    seen
}

fn unpinned(installs: &Installs, place: &str, records: &[Record], answer: &mut Answer) {
    let [check, ..] = installs.checks;
    let look = |record: &Record| {
        let (spec, place) = record.spec.clone();
        let spec = spec?.filter(|spec| !is_pinned(spec));
        Ok(spec.map(|spec| (format!("{} from \"{spec}\"", record.id), place)))
    };
    let (names, places): (Vec<String>, Vec<Location>) =
        of_each(check, records, answer, look).into_iter().unzip();
    if names.is_empty() {
        return;
    }
    let title = format!("{} installs are not tied to an exact npm version", installs.title);
    answer.findings.push(
        warn(check, &title)
            .detail(format!(
                "{place} has {}: an update takes whatever the registry serves under that name by then, a malicious release \
                 included.",
                listing::words(&names)
            ))
            .remediation(format!(
                "Run for each, with the version that you trust: {} install NAME@1.2.3",
                installs.command
            ))
            .at_locations(&distinct(places)),
    );
}

fn missing_integrity(installs: &Installs, place: &str, records: &[Record], answer: &mut Answer) {
    let [_, check, _] = installs.checks;
    let look = |record: &Record| {
        let (integrity, place) = record.integrity.clone();
        let is_blank = integrity?.is_none_or(|text| js::trim(&text).is_empty());
        Ok(is_blank.then(|| (record.id.clone(), place)))
    };
    let (ids, places): (Vec<String>, Vec<Location>) =
        of_each(check, records, answer, look).into_iter().unzip();
    if ids.is_empty() {
        return;
    }
    let title = format!("{} installs have no recorded hash", installs.title);
    answer.findings.push(
        warn(check, &title)
            .detail(format!(
                "{place} has no integrity for {}: a package that was exchanged under the same version goes unnoticed at the \
                 next install or update.",
                listing::words(&ids)
            ))
            .remediation(format!("Run, so that the hash is recorded: {} update --all", installs.command))
            .at_locations(&distinct(places)),
    );
}

/// Each place once: records of a database stand in one.
fn distinct(places: Vec<Location>) -> Vec<Location> {
    let mut distinct: Vec<Location> = Vec::new();
    for place in places {
        // Places of one file are next to each other.
        if distinct.last() != Some(&place) {
            distinct.push(place);
        }
    }
    distinct
}

fn version_drift(
    cx: &Context<'_>,
    installs: &Installs,
    place: &str,
    records: &[Record],
    answer: &mut Answer,
) {
    let [.., check] = installs.checks;
    let drifts = of_each(check, records, answer, |record| drift(cx, record));
    if drifts.is_empty() {
        return;
    }
    let names: Vec<&str> = drifts.iter().map(|drift| drift.words.as_str()).collect();
    let places: Vec<Location> = drifts.iter().map(|drift| drift.recorded.clone()).collect();
    let title = format!("{} files are of another version than recorded", installs.title);
    answer.findings.push(
        warn(check, &title)
            .detail(format!(
                "{place} does not say what is installed: by package.json {}. Somebody changed the files or the record without the \
                 installer, and what runs may not be what was reviewed.",
                listing::words(&names)
            ))
            .remediation(format!(
                "Compare the files with the published version, unless you changed them yourself; then run for each, so that the \
                 record fits: {} update ID",
                installs.command
            ))
            .at_locations(&distinct(places))
            .at_objects(drifts.iter().map(|drift| &drift.package)),
    );
}

/// The difference between a record and the package; none where there is nothing to compare.
fn drift(cx: &Context<'_>, record: &Record) -> Result<Option<Drift>, NotAssessed> {
    let (version, recorded) = record.version.clone();
    let Some(version) = version?.filter(|version| !version.is_empty()) else { return Ok(None) };
    let package = record.package.clone()?;
    let installed = installed_version(cx, &package)?.filter(|installed| *installed != version);
    Ok(installed.map(|installed| Drift {
        words: format!("{} is {installed} instead of {version}", record.id),
        recorded,
        package,
    }))
}

/// `version` of a package; none where there is no package, or it says no version.
fn installed_version(cx: &Context<'_>, package: &Path) -> Result<Option<String>, NotAssessed> {
    if cx.display(&package.view).is_none() {
        let family = package.view.split('/').next().unwrap_or_default();
        cx.granted(&format!("read:{family}/*"))?;
        let reason = format!("package {} is not among those that are looked at", package.view);
        return Err(NotAssessed::limit(reason));
    }
    let Some(json) = read_json(cx, package)? else { return Ok(None) };
    let version = json.get("version").and_then(Value::as_str).filter(|version| !version.is_empty());
    Ok(version.map(str::to_owned))
}

/// A file of JSON; none where there is none. Needs `read` and `stat` on it.
///
/// # Errors
/// Where it cannot be read, is larger than a description is, or no JSON.
pub fn read_json(cx: &Context<'_>, path: &Path) -> Result<Option<Value>, NotAssessed> {
    let content = match cx.host().read(path, MAX_PACKAGE_BYTES) {
        Ok(content) => content,
        Err(StateError::NotFound | StateError::BadPath) => return Ok(None),
        Err(error @ (StateError::ThroughLink | StateError::WrongKind)) => {
            let Some(end) = behind_links(cx, path, &error)? else { return Ok(None) };
            cx.host().read(&end, MAX_PACKAGE_BYTES).map_err(|error| match error {
                // The path itself could be read; where it ends is nobody's to grant.
                StateError::NotGranted => unseen(cx, "read", path, &StateError::ThroughLink),
                error => unseen(cx, "read", &end, &error),
            })?
        }
        Err(error) => return Err(unseen(cx, "read", path, &error)),
    };
    let place = cx.display_path(path);
    if content.truncated {
        return Err(NotAssessed::limit(format!("{MAX_PACKAGE_BYTES} bytes of {place}")));
    }
    let json = js::json(&content.bytes).map_err(|error| format!("{place}: {error}"));
    let json = json.and_then(|json| json.ok_or_else(|| format!("{place} is no JSON")));
    let at = |text: String| NotAssessed::not_understood(text).at(Location::Object(path.clone()));
    json.map(Some).map_err(at)
}

/// Where a path ends on which links stand; none where no file is there. A link in the place of the file itself is not followed.
fn behind_links(cx: &Context<'_>, path: &Path, error: &StateError) -> Result<Option<Path>, NotAssessed> {
    let link = match cx.host().resolve(path) {
        Ok(link) => link,
        Err(StateError::NotFound) => return Ok(None),
        Err(error) => return Err(unseen(cx, "stat", path, &error)),
    };
    let is_on_the_way = *error == StateError::ThroughLink && link.text.is_empty();
    if !is_on_the_way && link.text.is_empty() {
        return Ok(None);
    }
    match (link.target, link.end) {
        (Target::Dangling | Target::Loop, _) => Ok(None),
        _ if link.metadata.is_some_and(|end| end.kind != Kind::File) => Ok(None),
        (Target::Inside, Some(end)) if is_on_the_way && is_code(&end) => Ok(Some(end)),
        _ => Err(unseen(cx, "read", path, &StateError::ThroughLink)),
    }
}

/// It lies in a folder of the state directory that code is installed in.
fn is_code(path: &Path) -> bool {
    path.view == "state"
        && ["extensions/", "hooks/", "npm/"].iter().any(|folder| path.rel.starts_with(folder))
}

/// An npm spec that names one version: `NAME@1.2.3`, after the last `@`, with an optional `v`, pre-release and build.
fn is_pinned(spec: &str) -> bool {
    let Some((name, version)) = js::trim(spec).rsplit_once('@') else { return false };
    let version = js::trim(version);
    let version = version.strip_prefix('v').unwrap_or(version);
    let (version, build) = split_off(version, '+');
    let (numbers, pre) = split_off(version, '-');
    let numbers: Vec<&str> = numbers.split('.').collect();
    let digits = |number: &&str| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    !name.is_empty()
        && numbers.len() == 3
        && numbers.iter().all(digits)
        && [pre, build].into_iter().flatten().all(is_tag)
}

fn split_off(text: &str, mark: char) -> (&str, Option<&str>) {
    text.split_once(mark).map_or((text, None), |(head, tail)| (head, Some(tail)))
}

fn is_tag(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b".-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hidden;
    use crate::testing::MemoryHost;

    const PLUGINS: Installs = Installs {
        title: "Plugin",
        command: "openclaw plugins",
        records: "plugins.installs",
        view: "plugin-package",
        folder: "extensions",
        stored: Stored {
            since: (2026, 4, 29),
            key: PLUGIN_RECORDS,
            path: &["index", "installRecords"],
            file: Some(PLUGIN_FILE),
            is_in_npm: true,
        },
        checks: ["unpinned", "integrity", "drift"],
    };
    const NOTHING: [&str; 0] = [];

    fn plugins(cx: &Context<'_>) -> Verdict {
        audit(cx, &PLUGINS)
    }

    #[test]
    fn a_pinned_spec_names_one_version() {
        for spec in [
            "pkg@1.2.3",
            "@scope/pkg@1.2.3",
            "pkg@v1.2.3",
            "pkg@1.2.3-beta.1",
            "pkg@1.2.3+build.5",
            "pkg@1.2.3-a-b+c-d",
            "pkg@ 1.2.3",
            "  pkg@1.2.3  ",
            "a@b@1.2.3",
            "npm:pkg@1.2.3",
            "https://x/y@1.0.0",
            "pkg@01.002.3",
        ] {
            assert!(is_pinned(spec), "{spec}");
        }
        for spec in [
            "",
            "pkg",
            "@scope/pkg",
            "pkg@latest",
            "pkg@^1.2.3",
            "pkg@1.2",
            "pkg@1.2.3.4",
            "pkg@1.2.3-",
            "pkg@1.2.3+",
            "pkg@1.2.3-beta_1",
            "pkg@1.2.3+a+b",
            "pkg@V1.2.3",
            "pkg@1..3",
            "@1.2.3",
            "pkg@",
            "1.2.3",
        ] {
            assert!(!is_pinned(spec), "{spec}");
        }
    }

    /// A host with one record, sound but for what is given.
    fn host(record: &str) -> MemoryHost {
        MemoryHost::new(&format!(r#"{{plugins: {{installs: {{foo: {{source: "npm", {record}}}}}}}}}"#))
    }

    const SOUND: &str = r#"spec: "foo@1.2.3", integrity: "sha512-x""#;

    #[test]
    fn only_npm_records_are_judged() {
        for source in [r#""archive""#, r#""path""#, r#""NPM""#, "5", "null"] {
            let config = format!("{{plugins: {{installs: {{foo: {{source: {source}, spec: \"x\"}}}}}}}}");
            assert_eq!(MemoryHost::new(&config).ids(plugins), NOTHING, "{source}");
        }
        for installs in ["5", "[{source: \"npm\"}]", "{a: 5, b: null}", "null"] {
            let config = format!("{{plugins: {{installs: {installs}}}}}");
            assert_eq!(MemoryHost::new(&config).ids(plugins), NOTHING, "{installs}");
        }
    }

    #[test]
    fn a_spec_has_to_be_pinned_where_there_is_one() {
        assert_eq!(host(SOUND).ids(plugins), NOTHING);
        assert_eq!(host(r#"integrity: "x""#).ids(plugins), NOTHING);
        assert_eq!(host(r#"integrity: "x", spec: 5"#).ids(plugins), NOTHING);
        assert_eq!(host(r#"integrity: "x", spec: """#).ids(plugins), ["unpinned:warn"]);
        let hidden = host(r#"integrity: "x", spec: {"$hidden": "variable"}"#);
        assert_eq!(hidden.ids(plugins), ["unpinned:not assessed"]);
        let place = Location::Config("/plugins/installs/foo/spec".to_owned());
        assert_eq!(hidden.run(plugins).expect("an answer").unassessed[0].location, Some(place));
    }

    #[test]
    fn an_integrity_is_a_text_that_is_not_blank() {
        for integrity in ["null", "5", r#""""#, r#"" ""#] {
            let record = format!(r#"spec: "foo@1.2.3", integrity: {integrity}"#);
            assert_eq!(host(&record).ids(plugins), ["integrity:warn"], "{integrity}");
        }
    }

    fn drifts(versions: &str, package: &str) -> bool {
        let host = host(&format!("{SOUND}, {versions}")).file("plugin-package/0", "", 0o644, package);
        let ids = host.ids(plugins);
        assert!(ids.is_empty() || ids == ["drift:warn"], "{ids:?}");
        !ids.is_empty()
    }

    #[test]
    fn versions_are_compared_to_the_letter() {
        for (versions, package, expected) in [
            (r#"version: "1.2.3""#, r#"{"version": "1.2.3"}"#, false),
            (r#"version: "1.2.3""#, r#"{"version": "1.2.4"}"#, true),
            (r#"version: "v1.2.3""#, r#"{"version": "1.2.3"}"#, true),
            (r#"version: "1.2.3 ""#, r#"{"version": "1.2.3"}"#, true),
            (r#"version: "1.2.4", resolvedVersion: "1.2.3""#, r#"{"version": "1.2.4"}"#, true),
            (r#"version: "9.9.9", resolvedVersion: "1.2.4""#, r#"{"version": "1.2.4"}"#, false),
            (r#"version: "1.2.3", resolvedVersion: """#, r#"{"version": "1.2.4"}"#, false),
            (r#"version: "1.2.3", resolvedVersion: null"#, r#"{"version": "1.2.4"}"#, true),
            ("version: 5", r#"{"version": "1.2.4"}"#, false),
            (r#"version: "1.2.3""#, r#"{"version": ""}"#, false),
            (r#"version: "1.2.3""#, r#"{"version": 2}"#, false),
            (r#"version: "1.2.3""#, "[]", false),
        ] {
            assert_eq!(drifts(versions, package), expected, "{versions} {package}");
        }
    }

    #[test]
    fn what_is_not_there_has_no_version() {
        let host = host(&format!(r#"{SOUND}, version: "1""#));
        let gone = host.clone().view("plugin-package/0", "/gone/package.json");
        assert_eq!(gone.ids(plugins), NOTHING);
        assert_eq!(host.clone().directory("plugin-package/0", "", 0o755).ids(plugins), NOTHING);
        assert_eq!(host.symlink("plugin-package/0", "", None).ids(plugins), NOTHING);
    }

    #[test]
    fn a_package_that_cannot_be_seen_is_not_called_sound() {
        let host = host(&format!(r#"{SOUND}, version: "1""#));
        let open = |host: MemoryHost| host.unassessed(plugins).join(", ");
        assert!(open(host.clone()).starts_with("drift: limit: package plugin-package/0"), "no such view");
        let denied = open(host.clone().deny("plugin-package/0", ""));
        assert!(denied.starts_with("drift: unreadable") && denied.contains("denied"), "{denied}");
        let linked = host.clone().file("plugin-package/0", "real", 0o644, "{}").symlink(
            "plugin-package/0",
            "",
            Some("real"),
        );
        assert!(open(linked).contains("symbolic link"));
        let long = " ".repeat(MAX_PACKAGE_BYTES as usize + 1);
        let long = open(host.clone().file("plugin-package/0", "", 0o644, &long));
        assert!(long.starts_with("drift: limit: 1048576 bytes"), "{long}");
        let broken = open(host.clone().file("plugin-package/0", "", 0o644, "{nope"));
        assert_eq!(broken, "drift: not understood: /plugin-package/0 is no JSON");
        let withheld =
            open(host.clone().file("plugin-package/0", "", 0o644, "{}").ungranted("read:plugin-package/*"));
        assert_eq!(withheld, "drift: withheld read:plugin-package/0");
        let unseen = host.ungranted("stat:plugin-package/*").ungranted("read:plugin-package/*");
        assert_eq!(open(unseen), "drift: withheld read:plugin-package/*");
    }

    #[test]
    fn a_record_is_found_by_its_number_among_all_records() {
        let config = r#"{plugins: {installs: {
            a: {source: "path"},
            b: {source: "npm", integrity: "x", version: "1"}
        }}}"#;
        let host = MemoryHost::new(config).file("plugin-package/1", "", 0o644, r#"{"version": "2"}"#);
        let findings = host.findings(plugins);
        assert!(findings[0].detail.contains("b is 2 instead of 1."));
        let places = [
            Location::Config("/plugins/installs/b/version".to_owned()),
            Location::Object(Path::new("plugin-package/1", "")),
        ];
        assert_eq!(findings[0].locations, places);
    }

    #[test]
    fn each_check_has_one_finding_for_all_records() {
        let records: Vec<String> =
            (0..200).map(|number| format!(r#"p{number}: {{source: "npm", spec: "p"}}"#)).collect();
        let host = MemoryHost::new(&format!("{{plugins: {{installs: {{{}}}}}}}", records.join(", ")));
        let findings = host.findings(plugins);
        assert_eq!(findings.len(), 2);
        assert!(findings[0].detail.contains("and 188 more"));
        assert!(findings.iter().all(|finding| finding.locations.len() == 100));
    }

    #[test]
    fn a_record_that_is_not_shown_in_full_costs_its_own_verdict() {
        let config = r#"{plugins: {installs: {
            foo: {source: "npm", spec: "a@1.2.3", integrity: "x", version: "1", resolvedVersion: "1"},
            other: {source: "npm", spec: "p", integrity: "x", version: "1"}
        }}}"#;
        let package = r#"{"version": "1"}"#;
        let host = MemoryHost::new(config).file("plugin-package/0", "", 0o644, package).file(
            "plugin-package/1",
            "",
            0o644,
            package,
        );
        for (key, expected) in [
            ("source", ["unpinned:not assessed", "integrity:not assessed", "drift:not assessed"].as_slice()),
            ("spec", &["unpinned:not assessed"]),
            ("integrity", &["integrity:not assessed"]),
            ("version", &[]),
            ("resolvedVersion", &["drift:not assessed"]),
        ] {
            let pointer = format!("/plugins/installs/foo/{key}");
            let expected = [&["unpinned:warn"], expected].concat();
            assert_eq!(host.clone().hide(&pointer, Hidden::Variable).ids(plugins), expected, "{key}");
            assert_eq!(host.clone().withhold(&pointer).ids(plugins), expected, "{key}");
        }
    }

    #[test]
    fn records_that_are_withheld_are_not_taken_for_none() {
        let open = ["unpinned:not assessed", "integrity:not assessed", "drift:not assessed"];
        for pointer in ["/plugins", "/plugins/installs", "/plugins/installs/foo"] {
            assert_eq!(host(SOUND).withhold(pointer).ids(plugins), open, "{pointer}");
        }
    }

    /// A host of a later release whose database has these records.
    fn later(records: &str) -> MemoryHost {
        let value = format!(r#"{{"revision": 1, "index": {{"version": 1, "installRecords": {records}}}}}"#);
        database(vec![vec![Cell::Text(PLUGIN_RECORDS.to_owned()), Cell::Text(value)]])
    }

    fn database(rows: Vec<Vec<Cell>>) -> MemoryHost {
        let host = MemoryHost::new(&format!("{{plugins: {{installs: {{c: {{source: \"npm\", {SPEC}}}}}}}}}"));
        host.release(2026, 9, 6).directory("state", "", 0o700).table(TABLE, &COLUMNS, rows)
    }

    const SPEC: &str = r#"spec: "c", integrity: "x""#;
    const LOOSE: &str = r#""spec": "c", "integrity": "x""#;
    const OPEN: [&str; 3] = ["unpinned:not assessed", "integrity:not assessed", "drift:not assessed"];

    #[test]
    fn later_releases_keep_records_in_a_database() {
        assert_eq!(later("{}").ids(plugins), NOTHING, "what the config has does not count any more");
        assert_eq!(later("{}").release(2026, 4, 22).ids(plugins), ["unpinned:warn"]);
        assert_eq!(later("{}").release(2026, 4, 29).ids(plugins), NOTHING);
        let loose = later(r#"{"p1": {"source": "npm", "spec": "p1", "version": "1.0.0"}}"#);
        assert_eq!(loose.ids(plugins), ["unpinned:warn", "integrity:warn"]);
        let drifted = loose.file("state", "extensions/p1/package.json", 0o644, r#"{"version": "2.0.0"}"#);
        assert_eq!(drifted.ids(plugins), ["unpinned:warn", "integrity:warn", "drift:warn"]);
        let places = [
            Location::Object(Path::new("state", DATABASE)),
            Location::Object(Path::new("state", "extensions/p1/package.json")),
        ];
        assert_eq!(drifted.findings(plugins)[2].locations, places);
        let other = later(r#"{"p1": {"source": "path", "spec": "p1"}, "p2": 5}"#);
        assert_eq!(other.ids(plugins), NOTHING);
    }

    #[test]
    fn a_database_without_records_has_none() {
        let text = |text: &str| Cell::Text(text.to_owned());
        for rows in [
            vec![],
            vec![vec![text("other"), text("{}")]],
            vec![vec![text(PLUGIN_RECORDS), Cell::Null]],
            vec![vec![text(PLUGIN_RECORDS), text("5")]],
            vec![vec![Cell::Integer(5), text("{}")]],
        ] {
            assert_eq!(database(rows.clone()).ids(plugins), NOTHING, "{rows:?}");
        }
        assert_eq!(MemoryHost::new("{}").release(2026, 9, 6).ids(plugins), NOTHING);
        let hidden = later(r#"{"p1": {"source": "npm", "spec": {"$hidden": "secret"}, "integrity": "x"}}"#);
        assert_eq!(hidden.ids(plugins), NOTHING, "a record hides nothing");
    }

    #[test]
    fn records_that_cannot_be_read_are_not_called_sound() {
        let broken =
            database(vec![vec![Cell::Text(PLUGIN_RECORDS.to_owned()), Cell::Text("{nope".to_owned())]]);
        assert_eq!(broken.ids(plugins), OPEN);
        let hidden =
            database(vec![vec![Cell::Text(PLUGIN_RECORDS.to_owned()), Cell::Blob(vec![b'{', b'}'])]]);
        assert_eq!(hidden.ids(plugins), NOTHING);
        for column in COLUMNS {
            let name = format!("records:{TABLE}.{column}");
            let withheld = later("{}").ungranted(&name).unassessed(plugins);
            assert_eq!(
                withheld,
                ["unpinned", "integrity", "drift"].map(|check| format!("{check}: withheld {name}"))
            );
        }
        let renamed = MemoryHost::new("{}").release(2026, 9, 6).table(TABLE, &["other"], Vec::new());
        assert_eq!(renamed.ids(plugins), OPEN);
    }

    #[test]
    fn the_file_that_held_the_records_counts_where_the_database_has_none() {
        let row = |key: &str, id: &str| {
            let value =
                format!(r#"{{"index": {{"installRecords": {{"{id}": {{"source": "npm", {LOOSE}}}}}}}}}"#);
            [key, value.as_str()].map(|text| Cell::Text(text.to_owned())).to_vec()
        };
        let of_file = database(vec![row(PLUGIN_FILE, "a")]).release(2026, 5, 28);
        assert_eq!(of_file.ids(plugins), ["unpinned:warn"]);
        assert_eq!(
            of_file.findings(plugins)[0].locations,
            [Location::Object(Path::new("state", PLUGIN_FILE))]
        );
        let both = database(vec![row(PLUGIN_FILE, "a"), row(PLUGIN_RECORDS, "b")]);
        let finding = both.findings(plugins).remove(0);
        assert!(finding.detail.contains(" b from"), "{}", finding.detail);
        assert_eq!(finding.locations, [Location::Object(Path::new("state", DATABASE))]);
        let known = |host: &MemoryHost| host.with(|cx| plugin_ids(cx, &mut |_| ()));
        assert_eq!(known(&of_file).into_iter().collect::<Vec<_>>(), ["a"]);
    }

    #[test]
    fn an_install_path_is_looked_at_below_the_state_directory() {
        let host = |path: &str| {
            later(&format!(
                r#"{{"p": {{"source": "npm", "spec": "p@1.2.3", "integrity": "x", "version": "1", "installPath": "{path}"}}}}"#
            ))
        };
        let package = r#"{"version": "2"}"#;
        for path in ["/state/npm/node_modules/p", "/state/./x/../npm//node_modules/p/"] {
            let there = host(path).file("state", "npm/node_modules/p/package.json", 0o644, package);
            assert_eq!(there.ids(plugins), ["drift:warn"], "{path}");
            assert_eq!(host(path).ids(plugins), NOTHING, "{path}");
        }
        for path in ["/opt/p", "p", "/state/../etc", "/state", "/state/credentials/p", ""] {
            assert_eq!(host(path).ids(plugins), ["drift:not assessed"], "{path}");
        }
        let linked = |end: &str| {
            let host = host("/state/extensions/p").symlink("state", "extensions/p/package.json", Some(end));
            host.file("state", end, 0o644, package)
        };
        assert_eq!(linked("npm/x.json").ids(plugins), ["drift:not assessed"], "the file itself is a link");
    }

    const NPM: &str = "npm/package.json";
    const FOO: &str = r#"{"name": "foo", "version": "1.0.3", "openclaw": {"extensions": ["./index.js"]}}"#;

    fn npm() -> MemoryHost {
        later("{}").file("state", NPM, 0o644, r#"{"dependencies": {"foo": "^1.0.0"}}"#)
    }

    #[test]
    fn what_npm_has_installed_is_recorded_by_npm() {
        assert_eq!(npm().ids(plugins), NOTHING, "it is not there");
        let there = npm().file("state", "npm/node_modules/foo/package.json", 0o644, FOO);
        assert_eq!(there.ids(plugins), ["unpinned:warn", "integrity:warn"]);
        let finding = there.findings(plugins).remove(0);
        assert!(finding.detail.contains("foo from \"foo@^1.0.0\""), "{}", finding.detail);
        assert_eq!(finding.locations, [Location::Object(Path::new("state", NPM))]);
        assert_eq!(
            there.clone().release(2026, 2, 19).ids(plugins),
            ["unpinned:warn"],
            "that is the config's own"
        );
        let plain = npm().file("state", "npm/node_modules/foo/package.json", 0o644, r#"{"version": "1"}"#);
        assert_eq!(plain.ids(plugins), NOTHING, "it is no plugin");
        let project = later("{}")
            .file("state", "npm/projects/a/package.json", 0o644, r#"{"dependencies": {"foo": "1.0.3"}}"#)
            .file("state", "npm/projects/a/node_modules/foo/package.json", 0o644, FOO);
        assert_eq!(project.ids(plugins), ["integrity:warn"]);
        let known = |host: &MemoryHost| {
            let mut open = 0;
            (host.with(|cx| plugin_ids(cx, &mut |_| open += 1)).into_iter().collect::<Vec<_>>(), open)
        };
        assert_eq!(known(&there), (vec!["foo".to_owned()], 0));
        assert_eq!(known(&later("{\"A\": 5}").deny("state", NPM)), (vec!["a".to_owned()], 1));
    }

    #[test]
    fn a_record_of_the_database_leads_unless_npm_has_replaced_it() {
        let record = |version: &str| {
            let record = format!(
                r#"{{"source": "npm", "spec": "foo@1.0.0", "integrity": "x", "version": "{version}",
                    "installPath": "/state/npm/node_modules/foo"}}"#
            );
            later(&format!("{{\"id\": {record}}}"))
                .file("state", NPM, 0o644, r#"{"dependencies": {"foo": "^1.0.0"}}"#)
                .file("state", "npm/node_modules/foo/package.json", 0o644, FOO)
                .file("state", "npm/node_modules/foo/openclaw.plugin.json", 0o644, r#"{"id": " id "}"#)
        };
        assert_eq!(record("1.0.3").ids(plugins), NOTHING);
        assert_eq!(record("1.0.0").ids(plugins), ["unpinned:warn", "integrity:warn"]);
    }

    #[test]
    fn what_npm_has_installed_and_cannot_be_seen_is_not_called_sound() {
        let there = npm().file("state", "npm/node_modules/foo/package.json", 0o644, FOO);
        assert_eq!(there.clone().deny("state", "npm/projects").ids(plugins).len(), 5);
        assert_eq!(there.clone().deny("state", NPM).ids(plugins), OPEN);
        assert_eq!(there.clone().deny("state", "npm/node_modules/foo/package.json").ids(plugins), OPEN);
        assert_eq!(there.file("state", NPM, 0o644, "{nope").ids(plugins), OPEN);
        let many: Vec<String> = (0..=MAX_PACKAGES).map(|number| format!(r#""p{number}": "1""#)).collect();
        let many =
            later("{}").file("state", NPM, 0o644, &format!(r#"{{"dependencies": {{{}}}}}"#, many.join(",")));
        assert_eq!(many.ids(plugins), OPEN);
    }
}
