//! The real host: the imports of the component.

use crate::bindings::chitin::policy::{secrets, state};
use crate::{
    Content, Context, Entry, Facts, Host, Input, Link, Metadata, Path, StateError, Subject, Verdict,
};

struct Imports;

impl Host for Imports {
    fn stat(&self, object: &Path) -> Result<Metadata, StateError> {
        state::stat(object)
    }

    fn resolve(&self, object: &Path) -> Result<Link, StateError> {
        state::resolve(object)
    }

    fn list(&self, directory: &Path) -> Result<Vec<Entry>, StateError> {
        state::list_entries(directory)
    }

    fn read(&self, object: &Path, limit: u32) -> Result<Content, StateError> {
        state::read(object, limit)
    }

    fn secret(&self, subject: &Subject) -> Result<Option<Facts>, String> {
        secrets::inspect(subject).map_err(|secrets::Error::NotGranted| not_granted(subject))
    }
}

/// The words for a secret that the manifest does not declare, or the operator did not grant.
pub(crate) fn not_granted(subject: &Subject) -> String {
    let name = match subject {
        Subject::Config(pointer) => pointer.clone(),
        Subject::Env(name) => format!("env:{name}"),
    };
    format!("no capability for the secret \"{name}\"")
}

/// Runs a policy's function over the real host; what [`crate::policy!`] exports.
///
/// # Errors
/// What the policy answers, or `inconclusive` where the input cannot be read.
pub fn run(input: Input, audit: fn(&Context<'_>) -> Verdict) -> Verdict {
    audit(&Context::new(input, &Imports)?)
}
