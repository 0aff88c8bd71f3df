//! What a fix may change at all: a pure rule over who asks, whose the installation is, and where the place lies.

use std::collections::BTreeSet;
use std::path::{Component, Path, PathBuf};

use super::guard::Refusal;
use crate::audit::Subject;

/// The ground that a fix may work on.
#[derive(Clone, Debug)]
pub struct Ground {
    /// Whose installation it is: the owner of the state directory.
    pub owner: u32,
    /// Who runs the fix.
    pub caller: u32,
    /// The state directory.
    pub state_dir: PathBuf,
    /// The directory of the config.
    pub config_dir: PathBuf,
    /// The config and its includes, as far as they were read and are objects.
    pub files: BTreeSet<PathBuf>,
}

/// How a place is reached: from a directory that is opened first, without following any link below it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Way {
    /// The directory to begin at.
    pub root: PathBuf,
    /// The path below it; "" for the directory itself.
    pub rel: PathBuf,
}

impl Ground {
    /// The ground of this target, for this process.
    #[must_use]
    pub fn of(subject: &Subject) -> Self {
        let (located, config) = (&subject.located, &subject.config);
        let files = config.files.iter().enumerate().filter(|(number, _)| config.is_object_file(*number));
        Self {
            owner: located.territory.owner(),
            caller: rustix::process::geteuid().as_raw(),
            state_dir: located.state_dir.clone(),
            config_dir: located.config_load.parent().unwrap_or(Path::new("/")).to_owned(),
            files: files.map(|(_, file)| file.path.clone()).collect(),
        }
    }

    /// The way to a place that a fix may change. Where the target says that a place lies elsewhere, such as a log in
    /// `/var/log`, the place is not the installation's alone, whoever asks.
    ///
    /// # Errors
    /// Why the place is left alone.
    pub fn way(&self, path: &Path) -> Result<Way, Refusal> {
        if self.caller != self.owner {
            return Err(Refusal::NotTheirs(self.owner));
        }
        let below = |root: &Path| {
            let rel = path.strip_prefix(root).ok()?;
            let plain = rel.components().all(|part| matches!(part, Component::Normal(_)));
            plain.then(|| Way { root: root.to_owned(), rel: rel.to_owned() })
        };
        if let Some(way) = below(&self.state_dir) {
            return Ok(way);
        }
        if !self.files.contains(path) {
            return Err(Refusal::Outside);
        }
        // An include of another folder that the operator allows is reached from the top: no link on the way at all.
        below(&self.config_dir).or_else(|| below(Path::new("/"))).ok_or(Refusal::Outside)
    }
}

/// A view that is one file by its meaning: a directory in its place is not what a fix is for.
#[must_use]
pub fn is_file_view(view: &str) -> bool {
    let family = view.split('/').next().unwrap_or(view);
    matches!(family, "config" | "include" | "log" | "plugin-package" | "hook-package")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ground(owner: u32, caller: u32) -> Ground {
        let files = ["/etc/openclaw/a.json5", "/etc/openclaw/sub/b.json5", "/srv/shared/c.json5"];
        Ground {
            owner,
            caller,
            state_dir: "/home/ann/.openclaw".into(),
            config_dir: "/etc/openclaw".into(),
            files: files.iter().map(PathBuf::from).collect(),
        }
    }

    #[test]
    fn what_lies_below_the_state_directory_and_the_configs_own_files_may_change() {
        let way = |path: &str| ground(1000, 1000).way(Path::new(path)).map(|way| (way.root, way.rel));
        let to = |root: &str, rel: &str| Ok((PathBuf::from(root), PathBuf::from(rel)));
        assert_eq!(way("/home/ann/.openclaw"), to("/home/ann/.openclaw", ""));
        assert_eq!(way("/home/ann/.openclaw/logs/x"), to("/home/ann/.openclaw", "logs/x"));
        assert_eq!(way("/etc/openclaw/sub/b.json5"), to("/etc/openclaw", "sub/b.json5"));
        assert_eq!(way("/srv/shared/c.json5"), to("/", "srv/shared/c.json5"));
    }

    #[test]
    fn all_else_is_left_alone_whoever_asks() {
        for path in [
            "/etc/passwd",
            "/etc/openclaw",
            "/etc/openclaw/other.json5",
            "/home/ann",
            "/home/ann/.openclaw-other/x",
            "/home/ann/.openclaw/../.ssh/id",
            "/",
            "",
        ] {
            for uid in [0, 1000] {
                assert_eq!(ground(uid, uid).way(Path::new(path)), Err(Refusal::Outside), "{path}");
            }
        }
    }

    #[test]
    fn only_the_owner_changes_anything() {
        for caller in [0, 1001] {
            let way = ground(1000, caller).way(Path::new("/home/ann/.openclaw/x"));
            assert_eq!(way, Err(Refusal::NotTheirs(1000)));
        }
        assert_eq!(ground(0, 1000).way(Path::new("/home/ann/.openclaw/x")), Err(Refusal::NotTheirs(0)));
    }
}
