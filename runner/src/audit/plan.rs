//! Which policies are to run, with what, and on what code.

use serde::{Deserialize, Serialize};

use crate::policy::manifest::{Capabilities, Manifest};
use crate::sandbox::Code;

/// The origin of a policy.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Origin {
    /// This program brings it.
    #[default]
    BuiltIn,
    /// The operator has added it to the set.
    Installed,
    /// The command line names its file.
    File,
}

impl Origin {
    /// It is this program's own.
    #[must_use]
    pub fn is_built_in(&self) -> bool {
        *self == Self::BuiltIn
    }
}

/// A policy that is to run.
#[derive(Clone)]
pub struct Planned {
    /// What it says of itself.
    pub manifest: Manifest,
    /// What is both declared and granted.
    pub granted: Capabilities,
    /// Its code; otherwise why there is none.
    pub code: Result<Code, String>,
    /// Its origin.
    pub origin: Origin,
}

impl Planned {
    /// A built-in policy, by its number in the catalog, with all that it declares.
    #[must_use]
    pub fn builtin(number: usize, manifest: Manifest) -> Self {
        Self {
            granted: manifest.capabilities.clone(),
            manifest,
            code: Ok(Code::Builtin(number)),
            origin: Origin::BuiltIn,
        }
    }

    /// What is declared and was not granted.
    #[must_use]
    pub fn withheld(&self) -> Capabilities {
        if self.granted == self.manifest.capabilities {
            return Capabilities::default();
        }
        let granted = self.granted.names();
        self.manifest.capabilities.granted(|name| !granted.iter().any(|known| known == name))
    }

    /// It is not this program's own.
    #[must_use]
    pub fn is_strangers(&self) -> bool {
        !self.origin.is_built_in()
    }
}
