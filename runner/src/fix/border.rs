//! What a worker wants changed, looked at by the supervisor, which alone changes anything: the worker has read the target, and
//! may be the target's by then. Two texts of a config file are all that it reads of the target, as `chitin undo` does: the one must
//! come from the other by what the guard allows.

use std::collections::BTreeSet;
use std::path::Path;

use super::plan::ModeChange;
use super::prove::{FileChange, Proven};
use super::territory::{Ground, Way};
use super::undo::is_undoing;
use crate::audit::visible;
use crate::target::{Environment, Installation, is_inside};

/// Largest config file that a fix writes: what the loader reads.
const MAX_TEXT: usize = 16 << 20;

/// Refuses a plan that widens a mode, leaves the ground of a fix, or writes what is no text.
///
/// # Errors
/// What is wrong with it, for people.
pub fn check(proven: &Proven, installation: &Installation, environment: &Environment) -> Result<(), String> {
    let roots = installation.include_roots(environment);
    let config_dir = installation.config_load.parent().unwrap_or(Path::new("/")).to_owned();
    let files =
        proven.files.iter().map(FileChange::path).chain(proven.plan.modes.iter().map(ModeChange::path));
    let is_config = |path: &std::path::PathBuf| {
        *path == installation.config_load || roots.iter().any(|root| is_inside(root, path))
    };
    let ground = Ground {
        owner: installation.territory.owner(),
        caller: rustix::process::geteuid().as_raw(),
        state_dir: installation.state_dir.clone(),
        config_dir,
        files: files.filter(is_config).collect::<BTreeSet<_>>(),
    };
    let may = |path: &Path, way: Way| match ground.way(path) {
        Ok(known) if known == way => Ok(()),
        Ok(_) => Err(format!("{}: it would be reached by another way", visible::path(path))),
        Err(why) => Err(format!("{}: {why}", visible::path(path))),
    };
    for change in &proven.plan.modes {
        if change.after & !change.before != 0 {
            return Err(format!("{}: the mode would get bits", visible::path(&change.path())));
        }
        may(&change.path(), Way { root: change.root.clone(), rel: change.rel.clone() })?;
    }
    for file in &proven.files {
        let path = file.path();
        may(&path, Way { root: file.root.clone(), rel: file.rel.clone() })?;
        let is_text = file.after.len() <= MAX_TEXT && std::str::from_utf8(&file.after).is_ok();
        if !is_text || file.mode_after & !file.mode_before != 0 {
            return Err(format!("{}: what would be written is no config", visible::path(&path)));
        }
        let values = || proven.plan.values.iter().filter(|value| value.file == file.file);
        let pointers: Vec<String> = values().map(|value| value.pointer.clone()).collect();
        let filled = |pointer: &str| values().find(|value| value.pointer == pointer)?.before.clone();
        is_undoing(&file.before, &file.after, &pointers, &filled, false)
            .map_err(|why| format!("{}: {why}", visible::path(&path)))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;
    use crate::fix::plan::ValueChange;
    use crate::target::snapshot::Identity;
    use crate::target::{Request, find};

    fn installation(state_dir: &Path) -> (Installation, Environment) {
        std::fs::write(state_dir.join("openclaw.json"), "{}").unwrap();
        let mut environment = Environment::default();
        let request = Request { state_dir: Some(state_dir.to_owned()), ..Request::default() };
        (find(&request, &mut environment, state_dir).unwrap(), environment)
    }

    fn mode(root: &Path, rel: &str, before: u32, after: u32) -> Proven {
        let (root, rel) = (root.to_owned(), PathBuf::from(rel));
        let change = ModeChange { root, rel, identity: Identity::default(), before, after, proposal: 0 };
        let mut proven = Proven::default();
        proven.plan.modes.push(change);
        proven
    }

    #[test]
    fn a_worker_changes_nothing_but_what_a_fix_may() {
        let home = tempfile::tempdir().unwrap();
        let home = home.path().canonicalize().unwrap();
        let (installation, environment) = installation(&home);
        let checked = |proven: &Proven| check(proven, &installation, &environment);
        assert_eq!(checked(&mode(&home, "credentials/a.json", 0o644, 0o600)), Ok(()));
        for (root, rel, before, after) in [
            (home.as_path(), "a", 0o600, 0o644),
            (home.as_path(), "../a", 0o644, 0o600),
            (Path::new("/etc"), "passwd", 0o644, 0o600),
            (Path::new("/"), "etc/passwd", 0o644, 0o600),
            (Path::new("relative"), "a", 0o644, 0o600),
        ] {
            assert!(checked(&mode(root, rel, before, after)).is_err(), "{} {rel}", root.display());
        }
        let before = b"{logging: {redactSensitive: 'off'}, gateway: {bind: 'loopback'}}";
        let file = |rel: &str, after: &[u8], mode_after| {
            let (root, rel, after) = (home.clone(), PathBuf::from(rel), after.to_owned());
            let (identity, before) = (Identity::default(), before.to_vec());
            let change =
                FileChange { file: 0, root, rel, identity, before, after, mode_before: 0o600, mode_after };
            let mut proven = Proven { files: vec![change], ..Proven::default() };
            let pointer = "/logging/redactSensitive".to_owned();
            let (before, after) = (Some("off".into()), "tools".into());
            proven.plan.values.push(ValueChange { pointer, before, after, file: 0, checks: Vec::new() });
            proven
        };
        let stricter = b"{logging: {redactSensitive: 'tools'}, gateway: {bind: 'loopback'}}";
        assert_eq!(checked(&file("openclaw.json", stricter, 0o600)), Ok(()));
        for wrong in [
            file("openclaw.json", b"\xff", 0o600),
            file("openclaw.json", stricter, 0o644),
            file("../x.json", stricter, 0o600),
            file("openclaw.json", b"#!/bin/sh\nevil", 0o600),
            file("openclaw.json", b"{logging: {redactSensitive: 'tools'}, gateway: {bind: 'lan'}}", 0o600),
            file("openclaw.json", b"{logging: {redactSensitive: 'tools'}, env: {NODE_OPTIONS: 'x'}}", 0o600),
        ] {
            assert!(checked(&wrong).is_err());
        }
    }
}
