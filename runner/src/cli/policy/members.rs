//! The other commands about the set: what is in it and whether it is whole, removing, copying, and compiling ahead.

use std::fs;
use std::path::{Path, PathBuf};

use chitin::audit::visible;
use chitin::budget::Budget;
use chitin::policy::cache::Cache;
use chitin::policy::code_file::{self, Digest};
use chitin::policy::lock::{self, Locked};
use chitin::policy::set::{Set, signature_of};
use chitin::policy::sigstore::{Identity, signer_in_full, signer_in_words};
#[cfg(feature = "registry")]
use chitin::policy::version::Version;
use chitin::sandbox::check;
use chitin::sandbox::limits::{MAX_COMPONENT_BYTES, bytes};
use chitin::target::{Environment, read_regular};
use chitin::wording::shell_word;
use clap::Args;

use super::offer::OCI;
use super::stranger::{Maker, stray_words};
use super::{not_added, set_error};
use crate::cli::{INCOMPLETE, listen, show, user_error};

/// Which set.
#[derive(Args)]
pub(in crate::cli) struct Which {
    /// The settings that the policies were added to [default: those that an audit uses]
    #[arg(long, value_name = "FILE")]
    settings: Option<PathBuf>,
}

impl Which {
    pub(in crate::cli) fn set(&self) -> anyhow::Result<Set> {
        let placed = crate::cli::target::settings(self.settings.as_deref())?;
        super::set(&placed)?.ok_or_else(super::nowhere)
    }
}

/// Removes a policy, and its file.
pub(super) fn remove(id: &str, which: &Which) -> anyhow::Result<()> {
    let set = which.set()?;
    if set.wanted(id).is_none() && set.pin(id).is_none() {
        return Err(not_added(id, &set));
    }
    let signer = set.pin(id).and_then(|locked| locked.signer.clone());
    let is_left = |signer: &String| {
        let others = set.locked().filter(|locked| locked.id != id);
        let is_trusted = match Identity::of_lock(signer) {
            Some(who) => who.among(&set.identities).is_ok(),
            None => set.keys.iter().any(|known| known.id() == *signer),
        };
        is_trusted && !others.into_iter().any(|locked| locked.signer.as_ref() == Some(signer))
    };
    let left = signer.filter(is_left);
    let flag = set.flag();
    let mut change = set.change().map_err(|error| set_error(&error))?;
    change.remove(id);
    change.write().map_err(|error| set_error(&error))?;
    prune_quietly(which)?;
    show(|out| {
        writeln!(out, "removed {id}: `chitin audit{}` does not run it any more", visible(&flag))?;
        match left {
            Some(signer) => {
                let table =
                    if Identity::of_lock(&signer).is_some() { "trusted-identity" } else { "trusted-key" };
                writeln!(
                    out,
                    "{}, which signed it, is still trusted: see [[{table}]] in chitin.toml",
                    visible(&signer_in_full(&signer))
                )
            }
            None => Ok(()),
        }
    })
}

fn prune_quietly(which: &Which) -> anyhow::Result<(usize, u64)> {
    let change = which.set()?.change().map_err(|error| set_error(&error))?;
    change.prune().map_err(|error| set_error(&error))
}

/// Removes the files of policies that are not pinned any more.
pub(super) fn prune(which: &Which) -> anyhow::Result<()> {
    let (count, size) = prune_quietly(which)?;
    let size = bytes(usize::try_from(size).unwrap_or(usize::MAX));
    let plural = if count == 1 { "file" } else { "files" };
    show(|out| writeln!(out, "removed {count} {plural} of policies that are not used ({size})"))
}

/// Looks at the file and the signature of each policy.
pub(super) fn verify(which: &Which) -> anyhow::Result<u8> {
    let set = which.set()?;
    let looked: Vec<(String, Result<(), String>)> = set
        .wanted
        .iter()
        .map(|wanted| {
            let told = match set.pin(&wanted.id) {
                Some(locked) => title(locked),
                None => wanted.id.clone(),
            };
            let stray = set.stray_grants(wanted);
            let state = set.bytes(wanted).map_err(|unusable| unusable.to_string());
            let state = state.and_then(|bytes| {
                let is_so = set.pin(&wanted.id).is_none_or(|locked| is_described(locked, &bytes));
                if is_so { Ok(()) } else { Err(OTHER_WORDS.to_owned()) }
            });
            (told, state.and_then(|()| if stray.is_empty() { Ok(()) } else { Err(stray_words(&stray)) }))
        })
        .collect();
    let failed = looked.iter().filter(|(_, state)| state.is_err()).count();
    show(|out| {
        writeln!(out, "{}", visible(&set.place().display().to_string()))?;
        for (told, state) in &looked {
            match state {
                Ok(()) => writeln!(out, "ok      {}", visible(told))?,
                Err(reason) => writeln!(out, "FAILED  {}: {}", visible(told), visible(reason))?,
            }
        }
        for locked in set.locked().filter(|locked| set.wanted(&locked.id).is_none()) {
            writeln!(
                out,
                "unused  {}: chitin.lock pins it, and chitin.toml does not want it",
                title(locked)
            )?;
        }
        if looked.is_empty() {
            writeln!(out, "no policy has been added")?;
        }
        Ok(())
    })?;
    Ok(if failed == 0 { 0 } else { INCOMPLETE })
}

/// What is wrong with an entry of the lock that somebody edited.
const OTHER_WORDS: &str = "chitin.lock tells another id or version, other checks or capabilities than its file: was it edited? remove the policy, and add \
     it again";

/// What the lock says of a policy is what its file says. Native code has its label for that, and is looked at where it is run.
fn is_described(locked: &Locked, bytes: &[u8]) -> bool {
    let Some(manifest) = check::claimed(bytes) else { return bytes.starts_with(&code_file::MARK) };
    let told = Locked::new(&manifest, &locked.source, locked.digest, locked.signer.clone());
    told == Locked { contract: told.contract.clone(), resolved: None, native: None, ..locked.clone() }
}

/// An entry of the lock on one line.
fn title(locked: &Locked) -> String {
    let signer = locked
        .signer
        .as_deref()
        .map_or(String::new(), |signer| format!(", signed by {}", signer_in_words(signer)));
    let native =
        locked.native.as_ref().map_or(String::new(), |machine| format!(", native code for {machine}"));
    format!("{} {} ({}{native}{signer})", locked.id, locked.version, lock::told(&locked.digest))
}

/// Exit code of `outdated` where something is.
const OUTDATED: u8 = 1;

/// Says which policies are another version at their source than here.
pub(super) fn outdated(which: &Which) -> anyhow::Result<u8> {
    let budget = Budget::default();
    listen(&budget)?;
    let set = which.set()?;
    let mut lines = Vec::new();
    let mut code = 0;
    for wanted in &set.wanted {
        let Some(locked) = set.pin(&wanted.id) else {
            code = code.max(INCOMPLETE);
            lines.push(format!(
                "{}: chitin.lock does not pin it; `chitin policy update {0}{}` does",
                wanted.id,
                set.flag()
            ));
            continue;
        };
        if wanted.source.starts_with(OCI) {
            let (line, state) = outdated_at_registry(&wanted.source, locked, &budget);
            code = code.max(state);
            lines.push(line);
            continue;
        }
        let line = match read_regular(Path::new(&wanted.source), MAX_COMPONENT_BYTES) {
            Err(error) => {
                code = code.max(INCOMPLETE);
                format!("{} {}: its source cannot be read: {error}", locked.id, locked.version)
            }
            Ok(bytes) if Digest::of(&bytes) == locked.digest => {
                format!("{} {}: up to date", locked.id, locked.version)
            }
            Ok(bytes) => {
                code = code.max(OUTDATED);
                let version = check::claimed(&bytes)
                    .map_or("another file".to_owned(), |manifest| manifest.policy.version);
                format!("{} {} -> {version} at {}", locked.id, locked.version, wanted.source)
            }
        };
        lines.push(line);
    }
    show(|out| {
        lines.iter().try_for_each(|line| writeln!(out, "{}", visible(line)))?;
        match code {
            OUTDATED => writeln!(
                out,
                "`chitin policy update ID` shows what one changes, and takes it or says what it needs"
            ),
            _ if lines.is_empty() => writeln!(out, "no policy has been added"),
            _ => Ok(()),
        }
    })?;
    Ok(code)
}

/// Whether a registry has another version than the one that is pinned: a line, and the exit code.
#[cfg(feature = "registry")]
fn outdated_at_registry(source: &str, locked: &Locked, budget: &Budget) -> (String, u8) {
    let Locked { id, version, resolved, .. } = locked;
    match super::registry::ask(source, budget, chitin::policy::registry::Registry::resolve) {
        Ok((named, found)) if Some(found.to_string()) == *resolved => {
            pinned_by_source(&named, locked, budget)
                .unwrap_or_else(|| (format!("{id} {version}: up to date"), 0))
        }
        Ok((named, _)) if named.tag() == Some(version) => {
            (format!("{id} {version}: its tag was moved to another file than before, {named}"), OUTDATED)
        }
        Ok((named, _)) if named.tag().and_then(|tag| tag.parse::<Version>().ok()) < version.parse().ok() => {
            (format!("{id} {version}: the newest there is {named}, which is older"), 0)
        }
        Ok((named, _)) => (format!("{id} {version} -> {named}"), OUTDATED),
        Err(error) => (format!("{id} {version}: {error:#}"), INCOMPLETE),
    }
}

/// A newer version than the one that the source names by its tag or digest.
#[cfg(feature = "registry")]
fn pinned_by_source(
    named: &chitin::policy::registry::Reference,
    locked: &Locked,
    budget: &Budget,
) -> Option<(String, u8)> {
    let Locked { id, version, source, .. } = locked;
    let open = named.open();
    if open.to_string() == *source {
        return None;
    }
    let (newest, _) =
        super::registry::ask(&open.to_string(), budget, chitin::policy::registry::Registry::resolve).ok()?;
    let is_newer = newest.tag()?.parse::<Version>().ok()? > version.parse::<Version>().ok()?;
    let line = format!(
        "{id} {version}: {newest} is there, and its source names this one; `chitin policy update {id} --from {open}` follows the newest"
    );
    is_newer.then_some((line, OUTDATED))
}

#[cfg(not(feature = "registry"))]
fn outdated_at_registry(source: &str, locked: &Locked, _: &Budget) -> (String, u8) {
    let Locked { id, version, .. } = locked;
    (
        format!("{id} {version}: {source} cannot be asked, because this chitin was built without registries"),
        INCOMPLETE,
    )
}

/// Compiles all policies ahead, so that the next audit need not.
pub(super) fn refresh(which: &Which) -> anyhow::Result<u8> {
    let budget = Budget::default();
    listen(&budget)?;
    let set = which.set()?;
    let cache = Cache::of(&Environment::from_process(), None);
    let mut maker = Maker::new(&cache, &budget);
    let mut code = 0;
    if set.wanted.is_empty() {
        show(|out| writeln!(out, "no policy has been added"))?;
    }
    for wanted in &set.wanted {
        let made = match set.bytes(wanted) {
            Ok(bytes) if bytes.starts_with(&code_file::MARK) => Ok("is native code already"),
            Ok(bytes) => maker.code(&wanted.id, &bytes).map(|_| "is compiled"),
            Err(unusable) => Err(unusable.to_string()),
        };
        show(|out| match &made {
            Ok(state) => writeln!(out, "{} {state}", visible(&wanted.id)),
            Err(reason) => writeln!(out, "{} is not compiled: {}", visible(&wanted.id), visible(reason)),
        })?;
        if made.is_err() {
            code = INCOMPLETE;
        }
    }
    Ok(code)
}

/// Copies the set to a folder, for another machine.
pub(super) fn vendor(folder: &Path, which: &Which) -> anyhow::Result<()> {
    let set = which.set()?;
    let failed = |error: &std::io::Error| {
        user_error(
            format!("cannot copy the policies to {}: {error}", folder.display()),
            "name a folder that does not exist, or is empty, where you can write",
        )
    };
    if set.wanted.is_empty() {
        return Err(user_error(
            "no policy has been added, so there is nothing to copy",
            "`chitin policy add FILE` adds one",
        ));
    }
    let is_used = fs::read_dir(folder).is_ok_and(|mut entries| entries.next().is_some());
    if is_used {
        return Err(failed(&std::io::ErrorKind::DirectoryNotEmpty.into()));
    }
    for wanted in &set.wanted {
        if let Err(unusable) = set.bytes(wanted) {
            return Err(user_error(
                format!("cannot copy {}: {unusable}", wanted.id),
                "`chitin policy verify` looks at all of them",
            ));
        }
    }
    let mut files = vec![set.place().to_owned(), set.folder().join(lock::FILE_NAME)];
    // One that the settings name by its whole path stays where it is.
    files.extend(set.sigstore_root.clone().filter(|file| file.starts_with(set.folder())));
    for locked in set.locked() {
        let file = set.file(&locked.digest);
        files.extend([signature_of(&file)].into_iter().filter(|path| path.exists()));
        files.push(file);
    }
    for file in files.iter().filter(|file| file.exists()) {
        let name = if file == set.place() {
            Path::new("chitin.toml")
        } else {
            file.strip_prefix(set.folder()).unwrap_or(file)
        };
        let to = folder.join(name);
        to.parent().map_or(Ok(()), fs::create_dir_all).map_err(|error| failed(&error))?;
        fs::copy(file, &to).map_err(|error| failed(&error))?;
    }
    let place = folder.join("chitin.toml").display().to_string();
    show(|out| {
        writeln!(
            out,
            "policies copied: {}; on the other machine: `chitin audit --locked --settings {}`",
            set.wanted.len(),
            visible(&shell_word(&place))
        )
    })
}
