//! The places whose modes the reference program's own fix visits, in its order (fix.md 4), so that `fix.actions` names
//! those that needed nothing as well.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::audit::Subject;
use crate::target::js_trim;
use crate::target::snapshot::{Kind, Metadata};

/// A place, and what should be there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Its absolute path.
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
    let mut places: Vec<Place> = Vec::new();
    let mut add = |path: PathBuf, directory| {
        let place = Place { path, directory };
        if !places.contains(&place) {
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
    for agent in agents(&subject.config.effective) {
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
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let wanted = |entry: &std::fs::DirEntry| {
        entry.file_name().to_string_lossy().ends_with(ending)
            && entry.file_type().is_ok_and(|kind| kind.is_file())
    };
    let mut files: Vec<PathBuf> = entries.filter(wanted).map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// The folders of the configured agents, the default one first.
fn agents(config: &Value) -> Vec<String> {
    let list = config.pointer("/agents/list").and_then(Value::as_array);
    let entries: Vec<&Value> = list.into_iter().flatten().filter(|entry| entry.is_object()).collect();
    let id = |entry: &&Value| entry.get("id").and_then(Value::as_str).map(folder).unwrap_or_default();
    let is_default = |entry: &&&Value| {
        entry.get("default").is_some_and(|default| !matches!(default, Value::Null | Value::Bool(false)))
    };
    let default = entries.iter().find(is_default).or_else(|| entries.first()).map(id).unwrap_or_default();
    let default = if default.is_empty() { "main".to_owned() } else { default };
    let mut agents = vec![default];
    for id in entries.iter().map(id).filter(|id| !id.is_empty()) {
        if !agents.contains(&id) {
            agents.push(id);
        }
    }
    agents
}

/// The folder of an agent id (state-checks 1.1, norm); empty where the id is blank.
fn folder(id: &str) -> String {
    /// Longest id of the reference program.
    const MOST: usize = 64;
    let lower = js_trim(id).to_lowercase();
    let is_plain = |c: char| matches!(c, 'a'..='z' | '0'..='9' | '_' | '-');
    if lower.is_empty()
        || (lower.len() <= MOST && lower.chars().all(is_plain) && !lower.starts_with(['_', '-']))
    {
        return lower;
    }
    let mut name = String::new();
    for c in lower.chars() {
        match is_plain(c) {
            true => name.push(c),
            // One mark for each run of other characters.
            false if !name.ends_with('\u{0}') => name.push('\u{0}'),
            false => {}
        }
    }
    let name = name.replace('\u{0}', "-");
    let name: String = name.trim_matches('-').chars().take(MOST).collect();
    if name.is_empty() { "main".to_owned() } else { name }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn agents_are_named_by_their_folders() {
        for (id, name) in
            [("Work", "work"), ("a b!!c", "a-b-c"), ("-x-", "x"), ("_u", "_u"), ("!!", "main"), (" ", "")]
        {
            assert_eq!(folder(id), name, "{id:?}");
        }
        let config =
            json!({"agents": {"list": [{"id": "A"}, 5, {"id": "b", "default": true}, {"id": "a"}, {}]}});
        assert_eq!(agents(&config), ["b", "a"]);
        assert_eq!(agents(&json!({})), ["main"]);
    }
}
