//! Asking a registry, and `chitin policy push`.

use std::path::Path;

use chitin::audit::visible;
use chitin::author::contract;
use chitin::budget::{Budget, GRACE};
use chitin::policy::registry::{Credentials, Given, Reference, Registry, RegistryError, SCHEME};
use chitin::policy::set::{Set, signature_of};
use chitin::policy::signature::{self, SignatureError};
use chitin::sandbox::check;
use chitin::target::{Environment, ReadError, read_regular};
use chitin::wording::{shell_word, without_login};

use super::{read, refused};
use crate::cli::progress::Progress;
use crate::cli::{listen, show, user_error};

/// Asks a registry for what a text names. Ctrl-C ends it.
pub(super) fn ask<T: Send + 'static>(
    source: &str,
    budget: &Budget,
    question: impl FnOnce(&Registry) -> Result<T, RegistryError> + Send + 'static,
) -> anyhow::Result<T> {
    let failed = |error: &RegistryError| {
        let help = match error {
            RegistryError::Reference(_) => "see `chitin policy add --help`",
            RegistryError::Unreachable { .. } => {
                "look whether its name is right and this machine reaches it (by HTTPS_PROXY and NO_PROXY, where they are set); a file can be added without a network"
            }
            RegistryError::Denied { .. } => {
                "`docker login` keeps credentials where chitin looks for them, in ~/.docker/config.json"
            }
            RegistryError::Missing(_) => "look at its name and version in the registry",
            RegistryError::Wrong { .. } | RegistryError::NoPolicy(_) => {
                "nothing was changed; ask whoever looks after the registry"
            }
            RegistryError::Taken(_) => {
                "give the policy another version; --move-tag puts this file in its place, and who has the other one is told so"
            }
        };
        user_error(format!("cannot use {}: {error}", without_login(source)), help)
    };
    let reference: Reference = source.parse().map_err(|error| failed(&error))?;
    let credentials = Credentials::of(&Environment::from_process())
        .map_err(|reason| user_error(reason, "mend the file, or name another folder with DOCKER_CONFIG"))?;
    let work = move || question(&Registry::new(&reference, &credentials)?);
    budget.patient().aside_within(GRACE, work)?.map_err(|error| failed(&error))
}

/// Gives a policy to a registry.
pub(super) fn push(path: &Path, destination: &str, may_move: bool, set: &Set) -> anyhow::Result<()> {
    let budget = Budget::default();
    listen(&budget)?;
    let name = path.display().to_string();
    let bytes = read(path)?;
    let given = if contract::package().is_ok_and(|package| package == bytes) {
        Given::contract(&[], None)
    } else {
        Given::policy(&check::inspect(&bytes).map_err(|refusal| refused(&name, &refusal))?, &[], None)
    };
    let reference: Reference = destination
        .parse()
        .map_err(|error: RegistryError| user_error(error.to_string(), "see `chitin policy push --help`"))?;
    let (id, version) = (given.name.clone(), given.version.clone());
    if reference.tag().is_some_and(|tag| tag != version) || reference.digest().is_some() {
        return Err(user_error(
            format!("{destination} is not where version {version} of {id} belongs"),
            format!("give {SCHEME}{}/{}:{version}", reference.host(), reference.repository()),
        ));
    }
    let signed = match read_regular(&signature_of(path), signature::MAX_BYTES) {
        Ok(text) => Some(String::from_utf8_lossy(&text).into_owned()),
        Err(ReadError::NotFound(_)) if signature_of(path).symlink_metadata().is_err() => None,
        Err(error) => return Err(user_error(error.to_string(), "make its signature readable")),
    };
    let is_checked = signed.as_ref().map_or(Ok(true), |text| is_fresh(path, &bytes, text, set))?;
    let progress = Progress::fetching(destination);
    let pushed = ask(destination, &budget, move |registry| {
        registry.push(&Given { bytes: &bytes, signature: signed.as_deref(), may_move, ..given })
    })?;
    drop(progress);
    show(|out| {
        let signed = match (pushed.signed, is_checked) {
            (true, true) => "with its signature",
            (true, false) => "with its signature, which was not checked: chitin.toml does not have its key",
            (false, _) => "signed by nobody",
        };
        writeln!(out, "pushed {id} {version}, {signed}")?;
        writeln!(out, "{}", visible(&pushed.resolved.to_string()))
    })
}

/// The signature is one of these bytes, as far as it can be known without the key: a trusted key tells, and so does one that is older
/// than what it signs. Gives whether it was checked.
fn is_fresh(path: &Path, bytes: &[u8], text: &str, set: &Set) -> anyhow::Result<bool> {
    let beside = signature_of(path);
    let stale = |reason: String| {
        user_error(
            format!("{} is no signature of {}: {reason}", beside.display(), path.display()),
            format!("sign it again: `minisign -S -m {}`", shell_word(path)),
        )
    };
    match signature::verify(bytes, text, &set.keys) {
        Ok(_) | Err(SignatureError::NotFor { .. } | SignatureError::Revoked { .. }) => Ok(true),
        Err(error @ (SignatureError::Malformed | SignatureError::Wrong(_))) => Err(stale(error.to_string())),
        Err(SignatureError::Unknown(_)) => {
            let changed = |path: &Path| std::fs::metadata(path).and_then(|found| found.modified()).ok();
            let is_older = changed(&beside).zip(changed(path)).is_some_and(|(signed, made)| signed < made);
            if is_older { Err(stale("it is older than the file".to_owned())) } else { Ok(false) }
        }
    }
}
