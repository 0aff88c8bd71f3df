//! An installation as data: a tree of files below a home directory, an environment, and how it is put on a disk.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::path::Path;

use serde_json::{Map, Value, json};

/// Where the config stands.
pub const CONFIG: &str = ".openclaw/openclaw.json";
/// Where the state directory stands.
pub const STATE: &str = ".openclaw";

/// What both programs are to look at. `$HOME` in texts, link targets and variables stands for the home directory.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Installation {
    /// What lies in the home directory, in the order in which it is made.
    pub tree: Vec<Object>,
    /// Variables beside `PATH`, `HOME` and `LANG`.
    pub env: BTreeMap<String, String>,
    /// Audited with the reference's channel plugins loaded.
    pub registry: bool,
    /// Audited with `--deep`.
    pub deep: bool,
    /// Rows of the program's own database, by table; it is made where there are some.
    pub rows: Map<String, Value>,
}

/// A file, folder or link.
#[derive(Clone, Debug, PartialEq)]
pub struct Object {
    /// Relative to the home directory.
    pub path: String,
    /// What it is.
    pub kind: Kind,
    /// Its permission bits; links have none.
    pub mode: u32,
}

/// What an object is.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// A folder.
    Directory,
    /// A file with a JSON document, which a shrinker can take apart.
    Json(Value),
    /// A file with any other text.
    Text(String),
    /// A symbolic link to this.
    Link(String),
}

impl Installation {
    /// Adds a folder.
    pub fn directory(&mut self, path: &str, mode: u32) {
        self.tree.push(Object { path: path.to_owned(), kind: Kind::Directory, mode });
    }

    /// Adds a JSON file.
    pub fn json(&mut self, path: &str, mode: u32, value: Value) {
        self.tree.push(Object { path: path.to_owned(), kind: Kind::Json(value), mode });
    }

    /// Adds a text file.
    pub fn text(&mut self, path: &str, mode: u32, text: &str) {
        self.tree.push(Object { path: path.to_owned(), kind: Kind::Text(text.to_owned()), mode });
    }

    /// Adds a link.
    pub fn link(&mut self, path: &str, target: &str) {
        self.tree.push(Object { path: path.to_owned(), kind: Kind::Link(target.to_owned()), mode: 0 });
    }

    /// The config, where it is a JSON document at its ordinary place.
    #[must_use]
    pub fn config(&self) -> Option<&Value> {
        self.tree.iter().find_map(|object| match &object.kind {
            Kind::Json(value) if object.path == CONFIG => Some(value),
            _ => None,
        })
    }

    /// Every JSON document of it.
    pub fn json_documents(&self) -> impl Iterator<Item = &Value> {
        self.tree.iter().filter_map(|object| match &object.kind {
            Kind::Json(value) => Some(value),
            _ => None,
        })
    }

    /// The same, to change them.
    pub fn documents(&mut self) -> impl Iterator<Item = &mut Value> {
        self.tree.iter_mut().filter_map(|object| match &mut object.kind {
            Kind::Json(value) => Some(value),
            _ => None,
        })
    }

    /// Makes it below `home`, which is emptied first.
    ///
    /// # Errors
    /// What the file system says.
    pub fn place(&self, home: &Path) -> io::Result<()> {
        empty(home)?;
        fs::create_dir_all(home)?;
        let root = home.to_string_lossy();
        for object in &self.tree {
            let path = home.join(&object.path);
            if let Some(parent) = path.parent() {
                fs::create_dir_all(parent)?;
            }
            match &object.kind {
                Kind::Directory => fs::create_dir_all(&path)?,
                Kind::Json(value) => fs::write(&path, value.to_string().replace("$HOME", &root))?,
                Kind::Text(text) => fs::write(&path, text.replace("$HOME", &root))?,
                Kind::Link(target) => symlink(target.replace("$HOME", &root), &path)?,
            }
        }
        // What lies deepest comes first: a folder may be closed to its owner.
        for object in self.tree.iter().rev().filter(|object| !matches!(object.kind, Kind::Link(_))) {
            fs::set_permissions(home.join(&object.path), fs::Permissions::from_mode(object.mode))?;
        }
        Ok(())
    }

    /// The environment for a run in `home`, without `PATH`, `HOME` and `LANG`.
    #[must_use]
    pub fn environment(&self, home: &Path) -> BTreeMap<String, String> {
        let home = home.to_string_lossy();
        self.env.iter().map(|(name, value)| (name.clone(), value.replace("$HOME", &home))).collect()
    }

    /// The installation of a recorded case.
    ///
    /// # Panics
    /// Where it has not the form.
    #[must_use]
    pub fn from_case(case: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let deep = case["args"].as_array().is_some_and(|args| args.iter().any(|arg| arg == "--deep"));
        let mut installation = Self { registry: case["mode"] == "registry", deep, ..Self::default() };
        if let Some(rows) = case["rows"].as_object() {
            installation.rows.clone_from(rows);
        }
        for (name, value) in case["env"].as_object().into_iter().flatten() {
            installation.env.insert(name.clone(), text(value).unwrap());
        }
        if let Some(config) = case.get("config").filter(|config| !config.is_null()) {
            installation.directory(STATE, 0o700);
            installation.json(CONFIG, 0o600, config.clone());
        }
        for object in case["tree"].as_array().into_iter().flatten() {
            let path = text(&object["path"]).unwrap();
            let mode = object["mode"].as_str().map_or(0, |mode| u32::from_str_radix(mode, 8).unwrap());
            let same = installation.tree.iter().position(|known| known.path == path);
            let kind = match (object["type"].as_str().unwrap_or("file"), text(&object["content"]), same) {
                ("dir", ..) => Kind::Directory,
                ("symlink", ..) => Kind::Link(text(&object["target"]).unwrap()),
                ("file", None, Some(same)) => {
                    installation.tree[same].mode = mode;
                    continue;
                }
                ("file", content, _) => Kind::of(content.unwrap_or_default()),
                (other, ..) => panic!("{other} is no type of an object"),
            };
            if let Some(same) = same.filter(|same| installation.tree[*same].kind != Kind::Directory) {
                installation.tree.remove(same);
            }
            installation.tree.push(Object { path, kind, mode });
        }
        installation
    }

    /// The installation in the form of a recorded case.
    #[must_use]
    pub fn case(&self, name: &str) -> Map<String, Value> {
        let mut case = Map::new();
        case.insert("name".to_owned(), name.into());
        if self.registry {
            case.insert("mode".to_owned(), "registry".into());
        }
        if self.deep {
            case.insert("args".to_owned(), json!(["--deep"]));
        }
        match (self.tree.as_slice(), self.config()) {
            ([state, file], Some(config)) if (state.mode, file.mode) == (0o700, 0o600) => {
                case.insert("config".to_owned(), config.clone());
            }
            (tree, _) => {
                case.insert("tree".to_owned(), tree.iter().map(Object::case).collect());
            }
        }
        if !self.rows.is_empty() {
            case.insert("rows".to_owned(), Value::Object(self.rows.clone()));
        }
        if !self.env.is_empty() {
            case.insert("env".to_owned(), json!(self.env));
        }
        case
    }
}

/// Removes a folder. A program that has just ended may still write there.
fn empty(folder: &Path) -> io::Result<()> {
    let mut tries = 0;
    loop {
        match fs::remove_dir_all(folder) {
            Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty && tries < 20 => {
                tries += 1;
                std::thread::sleep(std::time::Duration::from_millis(50));
            }
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => return Ok(()),
        }
    }
}

impl Kind {
    /// A file of this text, as a JSON document where it is exactly one.
    fn of(text: String) -> Self {
        match serde_json::from_str::<Value>(&text) {
            Ok(value) if format!("{value}") == text => Self::Json(value),
            _ => Self::Text(text),
        }
    }
}

impl Object {
    fn case(&self) -> Value {
        let mode = format!("{:04o}", self.mode);
        match &self.kind {
            Kind::Directory => json!({"path": self.path, "type": "dir", "mode": mode}),
            Kind::Json(value) => {
                json!({"path": self.path, "type": "file", "mode": mode, "content": value.to_string()})
            }
            Kind::Text(text) => json!({"path": self.path, "type": "file", "mode": mode, "content": text}),
            Kind::Link(target) => json!({"path": self.path, "type": "symlink", "target": target}),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_case_is_as_short_as_it_can_be() {
        let mut installation = Installation::default();
        installation.directory(STATE, 0o700);
        installation.json(CONFIG, 0o600, json!({"gateway": {}}));
        let case = Value::Object(installation.case("one"));
        assert_eq!(case, json!({"name": "one", "config": {"gateway": {}}}));
        installation.link("x", "$HOME/y");
        let case = Value::Object(installation.case("two"));
        assert_eq!(case["tree"][2], json!({"path": "x", "type": "symlink", "target": "$HOME/y"}));
        assert_eq!(Installation::from_case(&case), installation);
    }
}
