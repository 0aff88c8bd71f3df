//! Which policies are to run, with what, and on what code.

use crate::policy::manifest::{Capabilities, Manifest};
use crate::sandbox::Code;

/// A policy that is to run.
#[derive(Clone)]
pub struct Planned {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What is both declared and granted.
    pub granted: Capabilities,
    /// Its code; otherwise why there is none.
    pub code: Result<Code, String>,
}

impl Planned {
    /// A built-in policy, by its number in the catalog, with all that it declares.
    #[must_use]
    pub fn builtin(number: usize, manifest: Manifest) -> Self {
        Self { granted: manifest.capabilities.clone(), manifest, code: Ok(Code::Builtin(number)) }
    }

    /// What is declared and was not granted.
    #[must_use]
    pub fn withheld(&self) -> Capabilities {
        let granted = self.granted.names();
        self.manifest.capabilities.granted(|name| !granted.iter().any(|known| known == name))
    }

    /// The code is not this program's own.
    #[must_use]
    pub fn is_strangers(&self) -> bool {
        matches!(self.code, Ok(Code::File(..)))
    }
}
