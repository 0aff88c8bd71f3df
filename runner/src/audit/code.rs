//! Where code lies that the gateway loads: plugins and skills. Only a deep audit looks for it. What is found becomes a
//! view each, and nothing of it is read here.
//!
//! The target names the places, so what is looked at is bounded, not only what is kept: each folder once, by its identity,
//! and so many objects for each family. What is cut is a gap.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::ffi::{OsStr, OsString};
use std::ops::Bound;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use serde_json::Value;

use crate::config::agents;
use crate::config::release::Release;
use crate::sandbox::view::is_script;
use crate::target::broker::{self, Want};
use crate::target::snapshot::{Identity, Kind, LookError, Metadata};
use crate::target::{Environment, Located, is_inside, js_trim, sysroot, user_path};

/// Most plugins, and most skills, that are looked at: some ten times what anybody has.
const MAX_VIEWS: usize = 1000;

/// Most objects that are looked at to find the plugins, and as many for the skills: 20,000 agents have some 80,000 places
/// where skills can lie. A look takes some microseconds.
const MAX_LOOKS: usize = 200_000;

/// The file that makes a folder a skill.
const SKILL: &str = "SKILL.md";

/// What a plugin says of itself.
const MANIFEST: &str = "openclaw.plugin.json";

/// What makes a folder a plugin, rather than a folder of plugins.
const PLUGIN: [&str; 6] = [MANIFEST, "package.json", "index.ts", "index.js", "index.mjs", "index.cjs"];

/// A plugin or a skill.
pub(super) struct Found {
    /// The name of its view.
    pub view: String,
    /// Where it lies.
    pub path: PathBuf,
    /// What lies there, links followed.
    pub object: Identity,
}

/// All code that was found.
#[derive(Default)]
pub(super) struct Code {
    /// Plugins, then skills.
    pub found: Vec<Found>,
    /// What is missing of a family, and why.
    pub gaps: BTreeMap<&'static str, String>,
}

/// The search for the code of one family.
struct Search<'s> {
    family: &'static str,
    found: Vec<Found>,
    gap: Option<String>,
    /// The user whose things only are looked at; none where the caller looks at things of their own.
    only: Option<u32>,
    /// The time for it is over.
    is_over: &'s dyn Fn() -> bool,
    /// Objects that may still be looked at.
    looks: usize,
    /// Places that were named already, as they were named.
    named: HashSet<PathBuf>,
    /// Folders that were searched already, by device and inode.
    searched: HashSet<(u64, u64)>,
    /// What was found already, by device and inode.
    known: HashSet<(u64, u64)>,
}

/// Looks for it, until the time is over. A caller who is not the installation's owner has other rights than the gateway,
/// so links and paths of the config must not lead them to what belongs to somebody else.
pub(super) fn find(
    located: &Located,
    config: &Value,
    workspaces: &[(String, PathBuf)],
    owner: u32,
    is_over: &dyn Fn() -> bool,
) -> Code {
    let only = (rustix::process::geteuid().as_raw() != owner).then_some(owner);
    let extensions = located.state_dir.join("extensions");

    let mut plugins = Search::new("plugin", only, is_over);
    plugins.folder_of_plugins(&extensions);
    for place in texts(config, "/plugins/load/paths") {
        plugins.plugin_or_folder(&user_path(place, &located.home, &located.cwd));
    }
    for (_, workspace) in workspaces {
        plugins.folder_of_plugins(&workspace.join(".openclaw/extensions"));
    }
    // What the gateway has installed by itself (reference: 2026.9-delta 4.10; a checkout lies in a folder of its own).
    let npm = located.state_dir.join("npm");
    let projects = plugins.folders_in(&npm.join("projects"));
    for project in [npm].iter().chain(&projects) {
        plugins.packages(&project.join("node_modules"));
    }
    for checkout in plugins.folders_in(&located.state_dir.join("git")) {
        plugins.plugin_or_folder(&checkout);
    }

    let mut skills = Search::new("skill", only, is_over);
    let mut not_here = Folders::default();
    not_here.add(&extensions);
    for plugin in &plugins.found {
        not_here.add(&plugin.path);
    }
    for place in texts(config, "/skills/load/extraDirs") {
        skills.folder_of_skills(&user_path(place, &located.home, &located.cwd), &not_here);
    }
    skills.folder_of_skills(&located.state_dir.join("skills"), &not_here);
    // A directory given by hand is not this user's own installation, so this user's skills have no part in it.
    if !located.by_hand() {
        skills.folder_of_skills(&located.home.join(".agents/skills"), &not_here);
    }
    for (_, workspace) in workspaces {
        for name in [".agents/skills", "skills"] {
            skills.folder_of_skills(&workspace.join(name), &not_here);
        }
    }
    // What agents wrote for themselves (reference: 2026.9-delta 4.14).
    for agent in skills.folders_in(&located.state_dir.join("agents")) {
        skills.folder_of_skills(&agent.join("agent/workshop-skills"), &not_here);
    }

    let mut code = Code::default();
    for search in [plugins, skills] {
        code.gaps.extend(search.gap.map(|gap| (search.family, gap)));
        code.found.extend(search.found);
    }
    code
}

/// The folders that agents work in, each once, with the agent of each (reference: state-checks 8.2, 2026.9-delta 3.7).
pub(super) fn workspaces(
    located: &Located,
    env: &Environment,
    config: &Value,
    release: Release,
) -> Vec<(String, PathBuf)> {
    let newer = release.is_newer_structure();
    let chosen = |agent: &Value| {
        let place = agent.get("workspace").and_then(Value::as_str).map(js_trim);
        place.filter(|place| !place.is_empty()).map(|place| user_path(place, &located.home, &located.cwd))
    };
    let common = config.pointer("/agents/defaults").and_then(chosen);
    let made = |id: &str| match &common {
        Some(common) if newer => common.join(id),
        _ => located.state_dir.join(format!("workspace-{id}")),
    };
    let of_all = || common.clone().unwrap_or_else(|| default_workspace(located, env));
    let mut described: HashMap<String, &Value> = HashMap::new();
    for agent in config.pointer("/agents/list").and_then(Value::as_array).into_iter().flatten() {
        if let Some(id) = agent.get("id").and_then(Value::as_str) {
            described.entry(agents::folder(id)).or_insert(agent);
        }
    }
    let ids = agents::folders(config);
    // Where several agents own themselves, none of them works in the folder of all.
    let is_owned = config.pointer("/agents/ownership").is_some() && ids.len() > 1;
    let mut folders = Vec::new();
    for (number, id) in ids.into_iter().enumerate() {
        let place = described.get(&id).copied().and_then(chosen);
        let place = place.unwrap_or_else(|| if number > 0 || is_owned { made(&id) } else { of_all() });
        folders.push((id, place));
    }
    if newer {
        folders.push(("default".to_owned(), of_all()));
    }
    let mut known = HashSet::new();
    folders.retain(|(_, folder)| known.insert(folder.clone()));
    let mut names = HashSet::new();
    folders.retain(|(name, _)| names.insert(name.clone()));
    folders
}

/// Where the default agent works: below the home directory, wherever the state directory is. A state directory given by
/// hand has its own.
fn default_workspace(located: &Located, env: &Environment) -> PathBuf {
    let home = if located.by_hand() { located.state_dir.clone() } else { located.home.join(".openclaw") };
    match env.non_blank("OPENCLAW_PROFILE").filter(|name| !name.eq_ignore_ascii_case("default")) {
        Some(profile) if !located.by_hand() => home.join(format!("workspace-{profile}")),
        _ => home.join("workspace"),
    }
}

impl<'s> Search<'s> {
    fn new(family: &'static str, only: Option<u32>, is_over: &'s dyn Fn() -> bool) -> Self {
        let (named, searched, known) = (HashSet::new(), HashSet::new(), HashSet::new());
        let (found, gap, looks) = (Vec::new(), None, MAX_LOOKS);
        Self { family, found, gap, only, is_over, looks, named, searched, known }
    }

    /// One more object may be looked at; else that it may not is the gap.
    fn may_look(&mut self) -> bool {
        if self.looks == 0 {
            self.too_many();
            return false;
        }
        if (self.is_over)() {
            self.looks = 0;
            let family = self.family;
            self.lacks(|| format!("the time to look for {family}s was over; not all places were looked at"));
            return false;
        }
        self.looks -= 1;
        true
    }

    fn too_many(&mut self) {
        let family = self.family;
        self.lacks(|| {
            format!(
                "more than {MAX_LOOKS} objects lie where {family}s are looked for; the others were not looked at"
            )
        });
    }

    /// The first gap is told.
    fn lacks(&mut self, why: impl FnOnce() -> String) {
        self.gap.get_or_insert_with(why);
    }

    /// Opens a place that was not named yet.
    fn place(&mut self, path: &Path) -> Option<(Folder, Metadata)> {
        if !self.named.insert(path.to_owned()) || !self.may_look() {
            return None;
        }
        Folder::open(path).ok()
    }

    /// The folder is searched for the first time.
    fn is_new(&mut self, metadata: &Metadata) -> bool {
        let Identity { device, inode, .. } = metadata.identity;
        self.searched.insert((device, inode))
    }

    /// The folders in a folder that the gateway keeps, whatever they are. What cannot be listed is a gap.
    fn folders_in(&mut self, path: &Path) -> Vec<PathBuf> {
        if !self.may_look() {
            return Vec::new();
        }
        let names = match Folder::open(path).and_then(|(folder, _)| folder.list(self)) {
            Ok(names) => names,
            Err(error) => {
                self.not_listed(path, &error);
                return Vec::new();
            }
        };
        let folders = names.into_iter().filter(|(name, kind)| may_be_folder(name, *kind));
        folders.map(|(name, _)| path.join(name)).collect()
    }

    /// Of packages of npm those are plugins that say so: the others are libraries.
    fn packages(&mut self, path: &Path) {
        for folder in self.folders_in(path) {
            let is_scope = folder.file_name().is_some_and(|name| name.as_bytes().starts_with(b"@"));
            for package in if is_scope { self.folders_in(&folder) } else { vec![folder] } {
                let Some((folder, metadata)) = self.place(&package) else { continue };
                if metadata.kind == Kind::Directory && folder.end(OsStr::new(MANIFEST)).is_ok() {
                    self.add(&package, &metadata);
                }
            }
        }
    }

    /// Each folder, and each file with code, is a plugin.
    fn folder_of_plugins(&mut self, path: &Path) {
        if let Some((folder, metadata)) = self.place(path) {
            self.plugins_in(&folder, path, &metadata);
        }
    }

    fn plugins_in(&mut self, folder: &Folder, path: &Path, metadata: &Metadata) {
        if !self.is_new(metadata) {
            return;
        }
        match folder.list(self) {
            Ok(names) => {
                for (name, kind) in names {
                    self.plugin(folder, path, &name, kind);
                }
            }
            // The policy will say why it cannot be listed.
            Err(_) if metadata.kind == Kind::Directory => self.add(path, metadata),
            Err(_) => {}
        }
    }

    fn plugin(&mut self, folder: &Folder, path: &Path, name: &OsStr, kind: FileType) {
        let script = is_script(&name.to_string_lossy());
        let may_be = match kind {
            FileType::RegularFile => script,
            FileType::Directory | FileType::Symlink | FileType::Unknown => true,
            _ => false,
        };
        if !may_be || !self.may_look() {
            return;
        }
        match folder.end(name) {
            Ok(end) if end.kind == Kind::Directory || (end.kind == Kind::File && script) => {
                self.add(&path.join(name), &end);
            }
            _ => {}
        }
    }

    /// A path that the config names is a plugin, or a folder of plugins.
    fn plugin_or_folder(&mut self, path: &Path) {
        let Some((folder, metadata)) = self.place(path) else { return };
        match metadata.kind {
            Kind::File if is_script(&path.to_string_lossy()) => self.add(path, &metadata),
            Kind::Directory if PLUGIN.iter().any(|name| folder.end(OsStr::new(name)).is_ok()) => {
                self.add(path, &metadata);
            }
            Kind::Directory => self.plugins_in(&folder, path, &metadata),
            _ => {}
        }
    }

    /// Each folder with a `SKILL.md` is a skill; so is the root itself. A folder `skills` in it is another root.
    fn folder_of_skills(&mut self, root: &Path, not_here: &Folders) {
        for root in [root.to_owned(), root.join("skills")] {
            if !self.named.insert(root.clone()) {
                continue;
            }
            if !self.may_look() {
                return;
            }
            let (folder, metadata) = match Folder::open(&root) {
                Ok(found) => found,
                Err(error) => {
                    self.not_listed(&root, &error);
                    continue;
                }
            };
            if !self.is_new(&metadata) {
                continue;
            }
            if folder.end(OsStr::new(SKILL)).is_ok() {
                if !not_here.hold(&root) {
                    self.add(&root, &metadata);
                }
                return;
            }
            match folder.list(self) {
                Ok(names) => {
                    for (name, kind) in names {
                        self.skill(&folder, &root, &name, kind, not_here);
                    }
                }
                Err(error) => self.not_listed(&root, &error),
            }
        }
    }

    fn skill(&mut self, folder: &Folder, root: &Path, name: &OsStr, kind: FileType, not_here: &Folders) {
        if !may_be_folder(name, kind) || name == "node_modules" || !self.may_look() {
            return;
        }
        let path = root.join(name);
        if folder.end(Path::new(name).join(SKILL).as_os_str()).is_err() || not_here.hold(&path) {
            return;
        }
        if let Ok(metadata) = folder.end(name)
            && metadata.kind == Kind::Directory
        {
            self.add(&path, &metadata);
        }
    }

    fn add(&mut self, path: &Path, metadata: &Metadata) {
        let Identity { device, inode, .. } = metadata.identity;
        if !self.known.insert((device, inode)) {
            return;
        }
        let (family, number) = (self.family, self.found.len());
        if self.only.is_some_and(|only| metadata.uid != only) {
            let path = super::visible::path(path);
            self.lacks(|| {
                format!(
                    "{path} is, or leads to, what belongs to another user than the installation; it was not looked at"
                )
            });
        } else if number == MAX_VIEWS {
            self.looks = 0;
            self.lacks(|| {
                format!("there are more than {MAX_VIEWS} {family}s; the others were not looked at")
            });
        } else {
            let view = format!("{family}/{number}");
            self.found.push(Found { view, path: path.to_owned(), object: metadata.identity });
        }
    }

    /// What is not there, or no directory, has no skills; what cannot be listed may have some.
    fn not_listed(&mut self, root: &Path, error: &LookError) {
        if !matches!(error, LookError::NotFound | LookError::WrongKind) {
            let root = super::visible::path(root);
            self.lacks(|| format!("{root} cannot be listed: {error}"));
        }
    }
}

/// It may be a folder, by what the file system says at once, and is not a hidden one.
fn may_be_folder(name: &OsStr, kind: FileType) -> bool {
    let kind = matches!(kind, FileType::Directory | FileType::Symlink | FileType::Unknown);
    kind && !name.as_bytes().starts_with(b".")
}

/// The view belongs to the family: "plugin/3" to "plugin".
pub(super) fn is_of(view: &str, family: &str) -> bool {
    view.strip_prefix(family).is_some_and(|rest| rest.starts_with('/'))
}

/// The strings of a list, without those that are blank.
fn texts<'c>(config: &'c Value, pointer: &str) -> impl Iterator<Item = &'c str> + use<'c> {
    let items = config.pointer(pointer).and_then(Value::as_array).into_iter().flatten();
    items.filter_map(Value::as_str).map(js_trim).filter(|text| !text.is_empty())
}

/// Folders, by their paths, none of them in another.
#[derive(Default)]
struct Folders(BTreeSet<PathBuf>);

impl Folders {
    fn add(&mut self, folder: &Path) {
        if self.hold(folder) {
            return;
        }
        // What lies in it follows it in the order.
        while let Some(inner) = self
            .0
            .range::<Path, _>((Bound::Included(folder), Bound::Unbounded))
            .next()
            .filter(|next| is_inside(folder, next))
        {
            let inner = inner.clone();
            self.0.remove(&inner);
        }
        self.0.insert(folder.to_owned());
    }

    /// The path is one of them, or lies in one.
    fn hold(&self, path: &Path) -> bool {
        // Where one of them is above the path, the last one before the path is that one.
        let before = self.0.range::<Path, _>((Bound::Unbounded, Bound::Included(path))).next_back();
        before.is_some_and(|folder| is_inside(folder, path))
    }
}

/// An open folder, or what stands in its place.
struct Folder {
    handle: OwnedFd,
    path: PathBuf,
}

impl Folder {
    /// Opens what a path leads to, and tells what it is.
    fn open(path: &Path) -> Result<(Self, Metadata), LookError> {
        let handle = sysroot::open(path, OFlags::PATH).map_err(|errno| match errno {
            // A link that leads to itself leads to nothing, as one that dangles.
            Errno::LOOP => LookError::NotFound,
            other => other.into(),
        })?;
        let metadata = Metadata::from(&rustix::fs::fstat(&handle)?);
        Ok((Self { handle, path: path.to_owned() }, metadata))
    }

    /// What lies there, links followed.
    fn end(&self, name: &OsStr) -> Result<Metadata, LookError> {
        Ok(Metadata::from(&sysroot::stat(&self.path.join(name))?))
    }

    /// The names in it and what they are, as far as the file system says so at once, in byte order.
    fn list(&self, search: &mut Search<'_>) -> Result<Vec<(OsString, FileType)>, LookError> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || rustix::fs::openat(&self.handle, ".", flags, Mode::empty());
        let handle = match broker::open(&self.path, Path::new(""), Want::Directory, open) {
            Err(Errno::NOTDIR) => return Err(LookError::WrongKind),
            other => other?,
        };
        let mut names = Vec::new();
        for entry in rustix::fs::Dir::new(handle)? {
            let entry = entry?;
            let name = entry.file_name().to_bytes();
            if matches!(name, b"." | b"..") {
                continue;
            }
            // A name is no look, but a million of them take time and memory, too.
            if names.len() == MAX_LOOKS {
                search.too_many();
                break;
            }
            names.push((OsStr::from_bytes(name).to_owned(), entry.file_type()));
        }
        names.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        Ok(names)
    }
}

#[cfg(test)]
mod tests {
    /// A release of the older structure.
    const OLD: Release = Release::new(2026, 2, 19);
    use serde_json::json;
    use std::fs;
    use std::os::unix::fs::{MetadataExt as _, chown, symlink};

    use super::*;
    use crate::target::{Request, locate};

    /// A home directory with these files.
    fn home(files: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for file in files {
            let path = home.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        home
    }

    /// What is found, as `view path`, and the gaps.
    fn seen(home: &Path, by_hand: bool, env: &[(&str, &str)], config: &Value) -> (Vec<String>, Vec<String>) {
        let state = home.join(".openclaw");
        let request = Request { state_dir: by_hand.then(|| state.clone()), ..Request::default() };
        let variables = env.iter().copied().chain([("HOME", home.to_str().unwrap())]);
        let mut environment: Environment = variables.collect();
        let (located, _) = locate(&request, &mut environment, home).unwrap();
        let owner = fs::metadata(&state).unwrap().uid();
        let folders = workspaces(&located, &environment, config, OLD);
        let code = find(&located, config, &folders, owner, &|| false);
        let place =
            |found: &Found| format!("{} {}", found.view, found.path.strip_prefix(home).unwrap().display());
        (code.found.iter().map(place).collect(), code.gaps.into_values().collect())
    }

    #[test]
    fn what_the_gateway_installed_or_agents_wrote_is_found() {
        let home = home(&[
            ".openclaw/npm/node_modules/a/openclaw.plugin.json",
            ".openclaw/npm/node_modules/library/package.json",
            ".openclaw/npm/node_modules/.bin/openclaw.plugin.json",
            ".openclaw/npm/projects/p/node_modules/@s/b/openclaw.plugin.json",
            ".openclaw/npm/projects/p/node_modules/@s/library/package.json",
            ".openclaw/git/x/repo/index.js",
            ".openclaw/git/y/package.json",
            ".openclaw/agents/main/agent/workshop-skills/s/SKILL.md",
            ".openclaw/agents/gone/agent/workshop-skills/t/SKILL.md",
            ".openclaw/agents/gone/agent/other/u/SKILL.md",
        ]);
        let expected = [
            "plugin/0 .openclaw/npm/node_modules/a",
            "plugin/1 .openclaw/npm/projects/p/node_modules/@s/b",
            "plugin/2 .openclaw/git/x/repo",
            "plugin/3 .openclaw/git/y",
            "skill/0 .openclaw/agents/gone/agent/workshop-skills/t",
            "skill/1 .openclaw/agents/main/agent/workshop-skills/s",
        ];
        let expected = expected.map(str::to_owned).to_vec();
        assert_eq!(seen(home.path(), false, &[], &json!({})), (expected, Vec::new()));
    }

    #[test]
    fn plugins_lie_in_three_kinds_of_places() {
        let home = home(&[
            ".openclaw/extensions/one/index.js",
            ".openclaw/extensions/single.ts",
            ".openclaw/extensions/notes.md",
            ".openclaw/workspace/.openclaw/extensions/two/x",
            "named/package.json",
            "several/three/x",
            "script.mjs",
        ]);
        symlink(home.path().join("several/three"), home.path().join(".openclaw/extensions/linked")).unwrap();
        let config =
            json!({"plugins": {"load": {"paths": ["~/named", " several ", "script.mjs", "nowhere", 5]}}});
        let expected = [
            // What the link leads to is no second plugin where the config names its folder.
            "plugin/0 .openclaw/extensions/linked",
            "plugin/1 .openclaw/extensions/one",
            "plugin/2 .openclaw/extensions/single.ts",
            "plugin/3 named",
            "plugin/4 script.mjs",
            "plugin/5 .openclaw/workspace/.openclaw/extensions/two",
        ];
        assert_eq!(
            seen(home.path(), false, &[], &config),
            (expected.map(str::to_owned).to_vec(), Vec::new())
        );
    }

    #[test]
    fn skills_lie_where_agents_work() {
        let home = home(&[
            ".openclaw/workspace/skills/a/SKILL.md",
            ".openclaw/workspace/skills/no/readme.md",
            ".openclaw/workspace/skills/.hidden/SKILL.md",
            ".openclaw/workspace-dev/skills/b/SKILL.md",
            ".openclaw/workspace-work/.agents/skills/c/SKILL.md",
            ".openclaw/extensions/p/skills/d/SKILL.md",
            ".openclaw/skills/skills/e/SKILL.md",
            ".agents/skills/f/SKILL.md",
            "far/skills/SKILL.md",
            "far/skills/inner/SKILL.md",
        ]);
        let config = json!({
            "agents": {"list": [{"id": "main"}, {"id": "Work"}, {"id": "far", "workspace": "~/far"}]},
            "skills": {"load": {"extraDirs": ["~/.openclaw/extensions/p/skills"]}},
        });
        let skills = |by_hand, env: &[(&str, &str)]| {
            let (found, gaps) = seen(home.path(), by_hand, env, &config);
            assert_eq!(gaps, [""; 0]);
            let skills = found.iter().filter_map(|place| place.strip_prefix("skill/")?.split_once(' '));
            skills.map(|(_, path)| path.rsplit("skills/").next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        assert_eq!(skills(false, &[]), ["e", "f", "a", "c", "far/skills"]);
        assert_eq!(skills(true, &[]), ["e", "a", "c", "far/skills"]);
        assert_eq!(skills(false, &[("OPENCLAW_PROFILE", "dev")]), ["e", "f", "b", "c", "far/skills"]);
    }

    #[test]
    fn who_has_other_rights_than_the_owner_is_not_led_elsewhere() {
        let home = home(&[".openclaw/extensions/own/x", "secret/SKILL.md", "secret/x.js"]);
        symlink(home.path().join("secret"), home.path().join(".openclaw/extensions/linked")).unwrap();
        let other = fs::metadata(home.path()).unwrap().uid() + 1;
        // Only root can give files away; whoever else runs this sees what they own.
        for own in [".openclaw", ".openclaw/extensions", ".openclaw/extensions/own"] {
            if chown(home.path().join(own), Some(other), None).is_err() {
                return;
            }
        }
        let config = json!({"skills": {"load": {"extraDirs": ["~/secret"]}}});
        let (found, gaps) = seen(home.path(), false, &[], &config);
        assert_eq!(found, ["plugin/0 .openclaw/extensions/own"]);
        assert_eq!(gaps.len(), 2);
        assert!(gaps.iter().all(|gap| gap.contains("belongs to another user")), "{gaps:?}");
    }

    #[test]
    fn a_folder_is_searched_once_however_often_it_is_named() {
        let home = home(&["many/one/index.js", "skills/a/SKILL.md"]);
        symlink("many", home.path().join("link")).unwrap();
        let paths = ["~/many", "~/link", "~/many/", "~/link/../many"].repeat(500);
        let extra = ["~/skills", "~/skills/"].repeat(500);
        let config = json!({"plugins": {"load": {"paths": paths}}, "skills": {"load": {"extraDirs": extra}}});
        fs::create_dir(home.path().join(".openclaw")).unwrap();
        let (found, gaps) = seen(home.path(), false, &[], &config);
        assert_eq!(found, ["plugin/0 many/one", "skill/0 skills/a"]);
        assert_eq!(gaps, [""; 0]);
    }

    #[test]
    fn what_is_looked_at_has_an_end_that_is_told() {
        let home = home(&[".openclaw/extensions/one/x", ".openclaw/skills/a/SKILL.md"]);
        let state = home.path().join(".openclaw");
        let mut environment: Environment = [("HOME", home.path().to_str().unwrap())].into_iter().collect();
        let (located, _) = locate(&Request::default(), &mut environment, home.path()).unwrap();
        let owner = fs::metadata(&state).unwrap().uid();
        let folders = workspaces(&located, &environment, &json!({}), OLD);
        let find = |config: &Value, over: bool| find(&located, config, &folders, owner, &|| over);

        let late = find(&json!({}), true);
        assert!(late.found.is_empty());
        assert!(
            late.gaps["plugin"].contains("time") && late.gaps["skill"].contains("time"),
            "{:?}",
            late.gaps
        );

        let paths: Vec<String> = (0..=MAX_LOOKS).map(|number| format!("/nowhere/{number}")).collect();
        let many = find(&json!({"plugins": {"load": {"paths": paths}}}), false);
        let found: Vec<&str> = many.found.iter().map(|found| found.view.as_str()).collect();
        assert_eq!(found, ["plugin/0", "skill/0"], "one family does not use up what the other needs");
        assert_eq!(many.gaps.keys().collect::<Vec<_>>(), [&"plugin"]);
        assert!(many.gaps["plugin"].contains("200000"), "{:?}", many.gaps);
    }

    #[test]
    fn folders_hold_what_lies_in_them() {
        let mut folders = Folders::default();
        for folder in ["/a/b/c", "/a/b", "/a/b/d", "/x", "/a-b"] {
            folders.add(Path::new(folder));
        }
        assert_eq!(folders.0.len(), 3);
        for (path, held) in [
            ("/a/b", true),
            ("/a/b/c/d", true),
            ("/a", false),
            ("/a/bc", false),
            ("/x/y", true),
            ("/", false),
            ("/a-b/c", true),
        ] {
            assert_eq!(folders.hold(Path::new(path)), held, "{path}");
        }
    }
}
