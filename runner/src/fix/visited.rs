//! The places whose modes the reference program's own fix visits, in its order (fix.md 4), so that `fix.actions` names
//! those that needed nothing as well.

use std::path::{Path, PathBuf};

use rustix::fs::FileType;
use serde::{Deserialize, Serialize};

use crate::audit::Subject;
use crate::config::agents;
use crate::target::read_entries;
use crate::target::snapshot::{Kind, Metadata};
use crate::wire;

/// A place, and what should be there.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Deserialize, Serialize)]
pub struct Place {
    /// Its absolute path.
    #[serde(with = "wire::path")]
    pub path: PathBuf,
    /// A directory; otherwise a file.
    pub directory: bool,
}

/// What stands at a place, as far as a fix is concerned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum State {
    /// Nobody else is let in.
    Private,
    /// Others are let in.
    Open,
    /// Nothing is there.
    Missing,
    /// A symbolic link is there.
    Symlink,
    /// Something of another kind is there.
    OtherKind,
    /// It cannot be looked at.
    Unseen(rustix::io::Errno),
}

impl Place {
    /// Looks at the place as it is now.
    #[must_use]
    pub fn look(&self) -> State {
        let object = match rustix::fs::lstat(&self.path) {
            Ok(stat) => Metadata::from(&stat),
            Err(rustix::io::Errno::NOENT) => return State::Missing,
            Err(errno) => return State::Unseen(errno),
        };
        match object.kind {
            Kind::Symlink => State::Symlink,
            Kind::Directory if self.directory => private(object.mode),
            Kind::File if !self.directory => private(object.mode),
            _ => State::OtherKind,
        }
    }
}

/// All that group and others may be allowed.
const OTHERS: u32 = 0o077;

fn private(mode: u32) -> State {
    if mode & OTHERS == 0 { State::Private } else { State::Open }
}

/// All places, each once.
#[must_use]
pub fn places(subject: &Subject) -> Vec<Place> {
    let located = &subject.located;
    let mut known = std::collections::HashSet::new();
    let mut places: Vec<Place> = Vec::new();
    let mut add = |path: PathBuf, directory| {
        let place = Place { path, directory };
        if known.insert(place.clone()) {
            places.push(place);
        }
    };
    add(located.state_dir.clone(), true);
    add(located.config_audit.clone(), false);
    for include in &subject.config.includes {
        add(include.clone(), false);
    }
    add(located.credentials_dir.clone(), true);
    for file in files(&located.credentials_dir, ".json") {
        add(file, false);
    }
    for agent in agents::folders(&subject.config.effective) {
        let folder = located.state_dir.join("agents").join(agent);
        let (agent, sessions) = (folder.join("agent"), folder.join("sessions"));
        add(folder, true);
        add(agent.clone(), true);
        add(agent.join("auth-profiles.json"), false);
        add(sessions.clone(), true);
        add(sessions.join("sessions.json"), false);
        for file in files(&sessions, ".jsonl") {
            add(file, false);
        }
    }
    places
}

/// The regular files directly in a directory whose name has an ending, in byte order.
fn files(directory: &Path, ending: &str) -> Vec<PathBuf> {
    let entries = read_entries(directory, usize::MAX).unwrap_or_default().into_iter();
    let wanted = |(path, kind): &(PathBuf, FileType)| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        *kind == FileType::RegularFile && name.ends_with(ending)
    };
    let mut files: Vec<PathBuf> = entries.filter(wanted).map(|(path, _)| path).collect();
    files.sort();
    files
}
