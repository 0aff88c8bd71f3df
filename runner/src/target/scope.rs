//! How much of an installation an audit is about: a config and its state directory, or a config alone, such as one in a
//! repository. What decides it is the command line and where the config lies, so that every machine decides the same.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::locate::{STATE_NAMES, is_profile_name};
use super::read_entries;
use super::sysroot::exists;

/// How much of an installation there is to be judged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Scope {
    /// The config and the state directory.
    #[default]
    Installation,
    /// A config alone, such as one in a repository.
    Config,
}

impl Scope {
    /// Both of them.
    pub const ALL: [Self; 2] = [Self::Installation, Self::Config];

    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Installation => "installation",
            Self::Config => "config",
        }
    }
}

/// What stands for a state directory where there is none to look at. Nothing lies there: see `/nonexistent`, which systems give
/// as a home to accounts that have none, and which only root could make.
pub(super) const NO_STATE_DIR: &str = "/nonexistent/state-directory";

/// What `~` stands for where there is no home to look at: it stays as it is written.
pub(super) const NO_HOME: &str = "~";

/// What stands in front of a profile's name in the name of its state directory.
pub(super) const OF_PROFILE: &str = ".openclaw-";

/// Folders of agents that are looked at for sessions: some hundred times what an installation has.
const MAX_AGENTS: usize = 1000;

/// A folder looks like a state directory: it is called like one, or it has what the gateway makes in one alone.
#[must_use]
pub fn is_state_dir(folder: &Path) -> bool {
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    STATE_NAMES.contains(&name)
        || name.strip_prefix(OF_PROFILE).is_some_and(is_profile_name)
        || ["credentials", "identity/device.json", "state/openclaw.sqlite"]
            .iter()
            .any(|made| exists(&folder.join(made)))
        || read_entries(&folder.join("agents"), MAX_AGENTS)
            .is_ok_and(|agents| agents.iter().any(|(agent, _)| exists(&agent.join("sessions"))))
}

/// The repository that a file lies in: the nearest folder above it with `.git`, which is a file in a further work tree.
#[must_use]
pub fn repository(file: &Path) -> Option<PathBuf> {
    file.ancestors().skip(1).find(|folder| exists(&folder.join(".git"))).map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn made(rels: &[&str]) -> tempfile::TempDir {
        let home = tempfile::tempdir().unwrap();
        for rel in rels {
            std::fs::create_dir_all(home.path().join(rel)).unwrap();
        }
        home
    }

    #[test]
    fn a_state_directory_is_known_by_its_name_or_by_what_is_in_it() {
        let home = made(&[
            ".openclaw",
            ".clawdbot",
            ".openclaw-work",
            "moved/agents/main/sessions",
            "server/credentials",
            "paired/identity/device.json",
            "config",
            ".openclaw-",
            ".openclaw.d",
            "openclaw",
            "repository/agents/main",
            "repository/state",
        ]);
        let is = |name: &str| is_state_dir(&home.path().join(name));
        for name in [".openclaw", ".clawdbot", ".openclaw-work", "moved", "server", "paired"] {
            assert!(is(name), "{name}");
        }
        for name in ["config", ".openclaw-", ".openclaw.d", "openclaw", "repository", "nowhere"] {
            assert!(!is(name), "{name}");
        }
    }

    #[test]
    fn the_nearest_repository_counts() {
        let home = made(&["a/.git", "a/b/c"]);
        std::fs::write(home.path().join("a/b/.git"), "gitdir: x").unwrap();
        let of = |rel: &str| repository(&home.path().join(rel));
        assert_eq!(of("a/b/c/openclaw.json"), Some(home.path().join("a/b")));
        assert_eq!(of("a/openclaw.json"), Some(home.path().join("a")));
        assert_eq!(of("openclaw.json"), None);
    }
}
