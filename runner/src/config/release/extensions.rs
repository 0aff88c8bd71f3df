//! Plugins in the extensions directory, as the gateway finds them: by their code, and then by the manifest beside it.
//! Nothing of them is run.

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::FileType;
use serde_json::Value;

use crate::config::release::Release;
use crate::target::{
    ReadError, Territory, absolute, js_trim, processor_time, read_entries, real_path, sysroot,
};

/// Name of a plugin's manifest in its folder.
const MANIFEST: &str = "openclaw.plugin.json";
/// Largest manifest that is read, in bytes: some hundred times an ordinary one.
const MAX_MANIFEST_BYTES: u64 = 256 * 1024;
/// Most entries of the directory that are looked at.
const MAX_EXTENSIONS: usize = 500;
/// Most entries of all packages that are looked at: some hundred times what anybody has.
const MAX_ENTRIES: usize = 5000;
/// Processor time for all of it. It takes some milliseconds, but for links that are dear to resolve.
const MAX_TIME: Duration = Duration::from_secs(2);
/// Endings of code.
const CODE: [&str; 6] = ["ts", "js", "mts", "cts", "mjs", "cjs"];
/// The code of a folder whose package names none, the first that is there.
const INDEX: [&str; 4] = ["index.ts", "index.js", "index.mjs", "index.cjs"];

/// The folder of a package's own dependencies, and the first release that passes over it (run: 2026.3.13 and 2026.4.15).
const MODULES: &str = "node_modules";
const WITHOUT_MODULES: Release = Release::new(2026, 4, 15);
/// The first release that passes over single scripts (run: 2026.5.28 and 2026.6.11).
const WITHOUT_SCRIPTS: Release = Release::new(2026, 6, 1);
/// From this release on an entry of a package is a file (programs 2026.2.19 and 2026.2.26).
const ENTRY_IS_FILE: Release = Release::new(2026, 2, 26);

/// What the extensions directory declares.
#[derive(Default)]
pub(in crate::config) struct Extensions {
    /// Ids of plugins.
    pub ids: HashSet<String>,
    /// Channels that they add.
    pub channels: HashSet<String>,
    /// They could not all be looked at: an unknown id proves nothing.
    pub cut: bool,
    /// Those that the gateway cannot take.
    pub broken: Vec<Broken>,
}

/// A plugin that the gateway cannot take.
pub(in crate::config) struct Broken {
    /// The folder's name, which stands for the id of its plugin.
    pub id: String,
    /// What is wrong, in words for people.
    pub message: String,
    /// The same as the releases tell it apart.
    pub fault: Fault,
}

/// What can be wrong with a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Fault {
    /// It has no manifest, or one that says too little.
    Manifest,
    /// An entry that its package names is not there.
    EntryMissing,
    /// An entry lies outside of the folder, or is no file.
    EntryOutside,
    /// The list of entries has none, or holds what is no text.
    EntriesMalformed,
}

/// Looks at all of them; what describes them is read through no link.
pub(in crate::config) fn discover(directory: &Path, territory: Territory, release: Release) -> Extensions {
    let mut found = Extensions::default();
    let reader = Reader { directory, territory, release };
    let Ok(mut entries) = read_entries(directory, MAX_EXTENSIONS + 1) else { return found };
    found.cut = entries.len() > MAX_EXTENSIONS;
    entries.sort_by(|(one, _), (other, _)| one.cmp(other));
    let mut work = Work { entries: MAX_ENTRIES, until: processor_time() + MAX_TIME };
    let mut own = None;
    for (path, kind) in entries {
        if work.is_over() {
            found.cut = true;
            break;
        }
        match kind {
            FileType::Directory if release < WITHOUT_MODULES || !path.ends_with(MODULES) => {
                found.folder(&path, &reader, &mut work);
            }
            FileType::RegularFile if is_code(&path) && release < WITHOUT_SCRIPTS => {
                found.candidate(directory, &path, &reader, &mut own);
            }
            _ => {} // a link is no plugin
        }
    }
    found
}

/// The folders of packages that one `package.json` asks for.
fn packages(root: &Path, reader: &Reader<'_>) -> Result<Vec<PathBuf>, Unread> {
    let package = reader.json(&root.join("package.json"))?.unwrap_or_default();
    let names = package.get("dependencies").and_then(Value::as_object).into_iter().flatten();
    let is_name = |name: &&str| {
        let parts: Vec<&str> = name.split('/').collect();
        parts.len() == 1 + usize::from(name.starts_with('@'))
            && parts.iter().all(|part| !part.is_empty() && !part.starts_with('.'))
    };
    let names = names.map(|(name, _)| name.as_str()).filter(is_name).take(MAX_EXTENSIONS);
    Ok(names.map(|name| root.join("node_modules").join(name)).collect())
}

/// What may still be looked at.
struct Work {
    entries: usize,
    until: Duration,
}

impl Work {
    /// One more is too much.
    fn is_over(&mut self) -> bool {
        let left = self.entries.checked_sub(1).filter(|_| processor_time() < self.until);
        self.entries = left.unwrap_or(0);
        left.is_none()
    }
}

/// Id and channels of a plugin, none where nobody could look; otherwise why it has none.
type Manifest = Result<Option<(String, Vec<String>)>, String>;

/// A document is there and could not be looked at: it is too large, is closed, or lies behind a link.
struct Unread;

impl Extensions {
    /// Adds the plugins that the gateway got from npm: the dependencies of `npm/` and of each of `npm/projects/*`. What is
    /// broken there is not said: the gateway passes over it.
    pub(in crate::config) fn discover_packages(
        &mut self,
        directory: &Path,
        territory: Territory,
        release: Release,
    ) {
        let reader = Reader { directory, territory, release };
        let mut roots = vec![directory.to_owned()];
        if let Ok(entries) = read_entries(&directory.join("projects"), MAX_EXTENSIONS + 1) {
            self.cut |= entries.len() > MAX_EXTENSIONS;
            roots.extend(entries.into_iter().map(|(path, _)| path));
        }
        let mut work = Work { entries: MAX_ENTRIES, until: processor_time() + MAX_TIME };
        let broken = std::mem::take(&mut self.broken);
        let mut folders = Vec::new();
        for root in &roots {
            match packages(root, &reader) {
                Ok(found) => folders.extend(found),
                Err(Unread) => self.cut = true,
            }
        }
        for folder in folders {
            if work.is_over() {
                self.cut = true;
                break;
            }
            self.folder(&folder, &reader, &mut work);
        }
        self.broken = broken;
    }

    /// A folder is a plugin by the entries that its package names, else by an index file.
    fn folder(&mut self, folder: &Path, reader: &Reader<'_>, work: &mut Work) {
        let Ok((entries, malformed)) = package_entries(folder, reader) else {
            self.cut = true;
            return;
        };
        if malformed {
            let reason = "has a package.json whose list of extensions holds no path, or what is none";
            self.breaks(folder, Fault::EntriesMalformed, reason);
        }
        if entries.is_empty() {
            if let Some(index) = INDEX.iter().map(|name| folder.join(name)).find(|path| sysroot::exists(path))
            {
                self.candidate(folder, &index, reader, &mut None);
            }
            return;
        }
        let real = real_path(folder).ok();
        let mut known = None;
        for entry in entries {
            if work.is_over() {
                self.cut = true;
                return;
            }
            let source = absolute(folder, Path::new(&entry));
            match reader.fault(folder, real.as_deref(), &source) {
                None => self.candidate(folder, &source, reader, &mut known),
                Some(fault @ Fault::EntryMissing) => {
                    self.breaks(folder, fault, &format!("names the entry {entry}, which is missing"));
                }
                Some(fault) => {
                    let reason = format!("names the entry {entry}, which lies elsewhere or is no file");
                    self.breaks(folder, fault, &reason);
                }
            }
        }
    }

    /// Code, and the folder with its manifest, which is read once. The gateway passes over what anybody can write to.
    fn candidate(&mut self, folder: &Path, source: &Path, reader: &Reader<'_>, known: &mut Option<Manifest>) {
        if [folder, source].into_iter().any(is_world_writable) {
            return;
        }
        let first = known.is_none();
        match known.get_or_insert_with(|| manifest(folder, reader)) {
            Ok(None) => self.cut = true,
            Ok(Some((id, channels))) if first => {
                self.ids.insert(id.clone());
                self.channels.extend(channels.iter().cloned());
            }
            Err(reason) if first => self.breaks(folder, Fault::Manifest, reason),
            Ok(_) | Err(_) => {}
        }
    }

    /// Notes what is wrong with a folder. One complaint is enough: the id that it was to have is not reported as unknown, too.
    fn breaks(&mut self, folder: &Path, fault: Fault, reason: &str) {
        let id = folder.file_name().unwrap_or_default().to_string_lossy().into_owned();
        self.ids.insert(id.clone());
        let message = format!("The extension folder {id} {reason}.");
        self.broken.push(Broken { id, message, fault });
    }
}

fn manifest(folder: &Path, reader: &Reader<'_>) -> Manifest {
    let path = folder.join(MANIFEST);
    if !sysroot::exists(&path) {
        return Err(format!("has no {MANIFEST}"));
    }
    if !sysroot::lstat(&path).is_ok_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile)
    {
        return Err(format!("has an {MANIFEST} that is no file of its own"));
    }
    let Ok(manifest) = reader.json(&path) else { return Ok(None) };
    let manifest = manifest.ok_or_else(|| format!("has an {MANIFEST} that is no JSON document"))?;
    let id = manifest.get("id").and_then(Value::as_str).map(js_trim).filter(|id| !id.is_empty());
    let id = id.ok_or_else(|| format!("has an {MANIFEST} without an id"))?;
    if !manifest.get("configSchema").is_some_and(Value::is_object) {
        return Err(format!("has an {MANIFEST} without a configSchema"));
    }
    let channels = manifest.get("channels").and_then(Value::as_array).into_iter().flatten();
    let channels = channels.filter_map(Value::as_str).map(|name| js_trim(name).to_owned());
    Ok(Some((id.to_owned(), channels.collect())))
}

/// The entries that a package names, and whether its list holds anything else, or nothing.
fn package_entries(folder: &Path, reader: &Reader<'_>) -> Result<(Vec<String>, bool), Unread> {
    let package = reader.json(&folder.join("package.json"))?.unwrap_or_default();
    let Some(list) = package.pointer("/openclaw/extensions").and_then(Value::as_array) else {
        return Ok((Vec::new(), false));
    };
    let entries = list.iter().filter_map(Value::as_str).map(js_trim).filter(|entry| !entry.is_empty());
    let entries: Vec<String> = entries.map(str::to_owned).collect();
    let malformed = list.is_empty() || entries.len() < list.len();
    Ok((entries, malformed))
}

/// Reads what lies below the extensions directory.
struct Reader<'d> {
    directory: &'d Path,
    territory: Territory,
    release: Release,
}

impl Reader<'_> {
    /// What is wrong with an entry: it must be there, lie in the folder, all links resolved, and be a file where the release
    /// asks for one. `real` is where the folder itself lies, if that is known.
    fn fault(&self, folder: &Path, real: Option<&Path>, source: &Path) -> Option<Fault> {
        let Ok(found) = real_path(source) else {
            return Some(if source.starts_with(folder) { Fault::EntryMissing } else { Fault::EntryOutside });
        };
        let is_inside = real.is_some_and(|real| found.starts_with(real));
        let fits = is_inside && (self.release < ENTRY_IS_FILE || sysroot::is_file(&found));
        (!fits).then_some(Fault::EntryOutside)
    }

    /// The document in a file below the directory; none where there is no file, or it holds something else.
    fn json(&self, path: &Path) -> Result<Option<Value>, Unread> {
        let rel = path.strip_prefix(self.directory).map_err(|_| Unread)?;
        match self.territory.read_beneath(self.directory, rel, MAX_MANIFEST_BYTES) {
            Ok(content) => Ok(serde_json::from_slice(&content.bytes).ok()),
            Err(ReadError::NotFound(_) | ReadError::NotRegular { .. }) => Ok(None),
            Err(_) => Err(Unread),
        }
    }
}

fn is_code(path: &Path) -> bool {
    let ending = path.extension().and_then(std::ffi::OsStr::to_str).unwrap_or_default();
    CODE.contains(&ending) && !path.to_string_lossy().ends_with(".d.ts")
}

fn is_world_writable(path: &Path) -> bool {
    sysroot::stat(path).is_ok_and(|stat| stat.st_mode & 0o002 != 0)
}
