//! Where code lies that the gateway loads: plugins and skills. Only a deep audit looks for it. What is found becomes a
//! view each, and nothing of it is read here.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::config::agents;
use crate::sandbox::view::is_script;
use crate::target::snapshot::{Entry, Identity, Kind, LookError, Metadata, Root, Snapshot};
use crate::target::{Environment, Located, Preview, is_inside, js_trim, user_path};

/// Most plugins, and most skills, that are looked at: some ten times what anybody has.
const MAX_VIEWS: usize = 1000;

/// The file that makes a folder a skill.
const SKILL: &str = "SKILL.md";

/// What makes a folder a plugin, rather than a folder of plugins.
const PLUGIN: [&str; 6] =
    ["openclaw.plugin.json", "package.json", "index.ts", "index.js", "index.mjs", "index.cjs"];

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
    /// The user whose things only are looked at; none where the caller looks at things of their own.
    only: Option<u32>,
}

/// Looks for it. A caller who is not the installation's owner has other rights than the gateway, so links and paths of
/// the config must not lead them to what belongs to somebody else.
pub(super) fn find(located: &Located, env: &Environment, config: &Value, owner: u32) -> Code {
    let only = (rustix::process::geteuid().as_raw() != owner).then_some(owner);
    let mut code = Code { only, ..Code::default() };
    let workspaces = workspaces(located, env, config);
    let extensions = located.state_dir.join("extensions");
    code.folder_of_plugins(&extensions);
    for place in texts(config, "/plugins/load/paths") {
        code.plugin_or_folder(&user_path(place, &located.home, &located.cwd));
    }
    for workspace in &workspaces {
        code.folder_of_plugins(&workspace.join(".openclaw/extensions"));
    }
    let plugins: Vec<PathBuf> = code.found.iter().map(|plugin| plugin.path.clone()).collect();
    let extra = texts(config, "/skills/load/extraDirs");
    let mut roots: Vec<PathBuf> = extra.map(|place| user_path(place, &located.home, &located.cwd)).collect();
    roots.push(located.state_dir.join("skills"));
    // A directory given by hand is not this user's own installation, so this user's skills have no part in it.
    if !located.by_hand() {
        roots.push(located.home.join(".agents/skills"));
    }
    roots.extend(
        workspaces.iter().flat_map(|folder| [".agents/skills", "skills"].map(|name| folder.join(name))),
    );
    for root in roots {
        code.folder_of_skills(&root, &|path| {
            is_inside(&extensions, path) || plugins.iter().any(|plugin| is_inside(plugin, path))
        });
    }
    code
}

/// The folders that agents work in, each once (reference: state-checks 8.2).
fn workspaces(located: &Located, env: &Environment, config: &Value) -> Vec<PathBuf> {
    let chosen = |agent: &Value| {
        let place = agent.get("workspace").and_then(Value::as_str).map(js_trim);
        place.filter(|place| !place.is_empty()).map(|place| user_path(place, &located.home, &located.cwd))
    };
    let made = |id: &str| located.state_dir.join(format!("workspace-{id}"));
    let list = || config.pointer("/agents/list").and_then(Value::as_array).into_iter().flatten();
    let mut folders = Vec::new();
    for (number, id) in agents::folders(config).iter().enumerate() {
        let is_it = |agent: &&Value| {
            agent.get("id").and_then(Value::as_str).is_some_and(|name| agents::folder(name) == *id)
        };
        let place = list().find(is_it).and_then(chosen);
        folders.push(place.unwrap_or_else(|| match config.pointer("/agents/defaults").and_then(chosen) {
            _ if number > 0 => made(id),
            Some(place) => place,
            None => default_workspace(located, env),
        }));
    }
    // The form of generation 2026.9.
    for (id, agent) in config.pointer("/agents/entries").and_then(Value::as_object).into_iter().flatten() {
        folders.push(chosen(agent).unwrap_or_else(|| made(&agents::folder(id))));
    }
    let mut once = Vec::new();
    for folder in folders {
        if !once.contains(&folder) {
            once.push(folder);
        }
    }
    once
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

impl Code {
    /// Each folder, and each file with code, is a plugin.
    fn folder_of_plugins(&mut self, folder: &Path) {
        let look = Look::at(folder);
        let Ok(metadata) = look.end("") else { return };
        match look.list() {
            Ok(entries) => {
                for entry in entries.iter() {
                    self.plugin(&look, folder, entry);
                }
            }
            // The policy will say why it cannot be listed.
            Err(_) if metadata.kind == Kind::Directory => self.add("plugin", folder, &metadata),
            Err(_) => {}
        }
    }

    fn plugin(&mut self, look: &Look, folder: &Path, entry: &Entry) {
        let Ok(metadata) = look.end(&entry.name) else { return };
        match metadata.kind {
            Kind::Directory => self.add("plugin", &folder.join(&entry.name), &metadata),
            Kind::File if is_script(&entry.name.to_string_lossy()) => {
                self.add("plugin", &folder.join(&entry.name), &metadata);
            }
            _ => {}
        }
    }

    /// A path that the config names is a plugin, or a folder of plugins.
    fn plugin_or_folder(&mut self, path: &Path) {
        let look = Look::at(path);
        match look.end("") {
            Ok(metadata) if metadata.kind == Kind::File && is_script(&path.to_string_lossy()) => {
                self.add("plugin", path, &metadata);
            }
            Ok(metadata) if metadata.kind == Kind::Directory => {
                if PLUGIN.iter().any(|name| look.end(name).is_ok()) {
                    self.add("plugin", path, &metadata);
                } else {
                    self.folder_of_plugins(path);
                }
            }
            _ => {}
        }
    }

    /// Each folder with a `SKILL.md` is a skill; so is the root itself. A folder `skills` in it is another root.
    fn folder_of_skills(&mut self, root: &Path, is_plugin: &dyn Fn(&Path) -> bool) {
        for root in [root.to_owned(), root.join("skills")] {
            let look = Look::at(&root);
            if let (Ok(metadata), Ok(_)) = (look.end(""), look.end(SKILL)) {
                if !is_plugin(&root) {
                    self.add("skill", &root, &metadata);
                }
                return;
            }
            let entries = look.list().unwrap_or_else(|error| {
                self.not_listed(&root, &error);
                std::sync::Arc::default()
            });
            for entry in entries.iter() {
                let (path, name) = (root.join(&entry.name), entry.name.to_string_lossy());
                if name.starts_with('.') || name == "node_modules" || is_plugin(&path) {
                    continue;
                }
                let skill = Path::new(&entry.name).join(SKILL);
                let metadata = look.end(&entry.name).ok().filter(|found| found.kind == Kind::Directory);
                if let (Some(metadata), Ok(_)) = (metadata, look.end(&skill)) {
                    self.add("skill", &path, &metadata);
                }
            }
        }
    }

    fn add(&mut self, family: &'static str, path: &Path, metadata: &Metadata) {
        let is_of = |found: &&Found| is_of(&found.view, family);
        if self.found.iter().filter(is_of).any(|found| found.path == path) {
            return;
        }
        let number = self.found.iter().filter(is_of).count();
        let gap = if number == MAX_VIEWS {
            format!("there are more than {MAX_VIEWS} {family}s; the others were not looked at")
        } else if self.only.is_some_and(|only| metadata.uid != only) {
            let path = super::visible::path(path);
            format!(
                "{path} is, or leads to, what belongs to another user than the installation; it was not looked at"
            )
        } else {
            let view = format!("{family}/{number}");
            self.found.push(Found { view, path: path.to_owned(), object: metadata.identity });
            return;
        };
        self.gaps.entry(family).or_insert(gap);
    }

    /// What is not there, or no directory, has no skills; what cannot be listed may have some.
    fn not_listed(&mut self, root: &Path, error: &LookError) {
        if !matches!(error, LookError::NotFound | LookError::WrongKind) {
            let gap = format!("{} cannot be listed: {error}", super::visible::path(root));
            self.gaps.entry("skill").or_insert(gap);
        }
    }
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

/// A look at one folder.
struct Look(Snapshot);

impl Look {
    fn at(folder: &Path) -> Self {
        Self(Snapshot::new([Root::chosen(folder.to_owned())], &Preview::default()))
    }

    /// What lies there, links followed.
    fn end(&self, name: impl AsRef<Path>) -> Result<Metadata, LookError> {
        self.0.resolve(0, name.as_ref())?.metadata.ok_or(LookError::NotFound)
    }

    fn list(&self) -> Result<std::sync::Arc<[Entry]>, LookError> {
        self.0.list(0, Path::new(""))
    }
}

#[cfg(test)]
mod tests {
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
        let code = find(&located, &environment, config, owner);
        let place =
            |found: &Found| format!("{} {}", found.view, found.path.strip_prefix(home).unwrap().display());
        (code.found.iter().map(place).collect(), code.gaps.into_values().collect())
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
            "plugin/0 .openclaw/extensions/linked",
            "plugin/1 .openclaw/extensions/one",
            "plugin/2 .openclaw/extensions/single.ts",
            "plugin/3 named",
            "plugin/4 several/three",
            "plugin/5 script.mjs",
            "plugin/6 .openclaw/workspace/.openclaw/extensions/two",
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
}
