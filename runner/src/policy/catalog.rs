//! The policies that are built in.

use crate::policy::manifest::{Manifest, ManifestError};
use crate::sandbox::{Embedded, embedded};

/// A policy that the build script embedded.
pub struct Builtin {
    /// `policy.toml`.
    pub manifest: &'static str,
    /// `README.md`.
    pub page: &'static str,
    /// The component, compiled ahead of time.
    pub code: Embedded,
}

/// All built-in policies, in byte order of their ids.
pub static BUILTIN: &[Builtin] = &include!(concat!(env!("OUT_DIR"), "/builtin.rs"));

impl Builtin {
    /// What the policy says of itself.
    ///
    /// # Errors
    /// Never for what the tests have seen: they parse each of them.
    pub fn manifest(&self) -> Result<Manifest, ManifestError> {
        self.manifest.parse()
    }
}
