//! Which policies are to run, with what, and on what code.

use std::sync::Arc;

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
    pub manifest: Arc<Manifest>,
    /// What is both declared and granted.
    pub granted: Arc<Capabilities>,
    /// Its code; otherwise why there is none.
    pub code: Result<Code, String>,
    /// Its origin.
    pub origin: Origin,
    withheld: Arc<Capabilities>,
}

impl Planned {
    /// A policy that is granted this of what it declares.
    #[must_use]
    pub fn new(
        manifest: Manifest,
        granted: Capabilities,
        code: Result<Code, String>,
        origin: Origin,
    ) -> Self {
        let names = granted.names();
        let withheld = manifest.capabilities.granted(|name| !names.iter().any(|known| known == name));
        let (manifest, granted, withheld) = (manifest.into(), granted.into(), withheld.into());
        Self { manifest, granted, code, origin, withheld }
    }

    /// A built-in policy, by its number in the catalog, with all that it declares.
    #[must_use]
    pub fn builtin(number: usize, manifest: Manifest) -> Self {
        let granted = manifest.capabilities.clone();
        Self {
            granted: granted.into(),
            manifest: manifest.into(),
            code: Ok(Code::Builtin(number)),
            origin: Origin::BuiltIn,
            withheld: Arc::default(),
        }
    }

    /// What is declared and was not granted.
    #[must_use]
    pub fn withheld(&self) -> &Capabilities {
        &self.withheld
    }

    /// It is not this program's own.
    #[must_use]
    pub fn is_strangers(&self) -> bool {
        !self.origin.is_built_in()
    }
}
