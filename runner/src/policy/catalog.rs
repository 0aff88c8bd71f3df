//! The policies that are built in.

use crate::policy::manifest::{Manifest, ManifestError};
use crate::policy::names::shared_name;

/// A policy that the build script embedded. Its place in the list is the number of its code in the sandbox.
pub struct Builtin {
    /// `policy.toml`.
    pub manifest: &'static str,
    /// The same as JSON, made by the build script.
    pub parsed: &'static str,
    /// `README.md`.
    pub page: &'static str,
}

/// All built-in policies, in byte order of their ids.
pub static BUILTIN: &[Builtin] = &include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

/// What this program checks itself, beside its policies: the suppressions of the site and of the config. It has no code in the sandbox.
pub static OWN: Builtin = Builtin {
    manifest: include_str!("../audit/suppressions/policy.toml"),
    parsed: include_str!(concat!(env!("OUT_DIR"), "/own.json")),
    page: include_str!("../audit/suppressions/README.md"),
};

/// Everything that has a page: the policies, and this program's own checks.
pub fn pages() -> impl Iterator<Item = &'static Builtin> {
    BUILTIN.iter().chain([&OWN])
}

/// There is a page about this check, so that `chitin explain` knows it.
#[must_use]
pub fn explains(check: &str) -> bool {
    of_check(check).is_some()
}

/// Whose page is about this check.
#[must_use]
pub fn of_check(check: &str) -> Option<&'static Builtin> {
    let line = format!("id = \"{check}\"");
    pages().find(|builtin| builtin.manifest.lines().any(|known| known == line))
}

impl Builtin {
    /// What the policy says of itself. It is not checked again: the tests have done that.
    ///
    /// # Errors
    /// Never for what the tests have seen: they parse each of them.
    pub fn manifest(&self) -> Result<Manifest, ManifestError> {
        serde_json::from_str(self.parsed).map_err(|error| ManifestError::Syntax(error.to_string()))
    }
}

/// The built-in policy whose id, or whose check's id, a stranger's manifest takes.
#[must_use]
pub fn owner(manifest: &Manifest) -> Option<String> {
    let own = pages().filter_map(|builtin| builtin.manifest().ok());
    own.filter(|own| shared_name(own, manifest).is_some()).map(|own| own.policy.id).next()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_manifest_is_one_that_a_stranger_could_have_and_reads_the_same_from_json() {
        for builtin in pages() {
            let strict: Manifest = builtin.manifest.parse().unwrap();
            assert_eq!(builtin.manifest().unwrap(), strict, "{}", strict.policy.id);
        }
    }
}
