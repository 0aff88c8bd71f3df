//! Makes installations from a seed, for `make parity` and for the runner's property test.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::disallowed_methods,
    reason = "test support makes its targets, and stops where it is wrong itself"
)]

mod code;
mod files;
pub mod installation;
mod mend;
mod odd;
pub mod release;
pub mod rng;
pub mod schema;
pub mod shrink;
pub mod table;

use installation::Installation;
use release::Release;
use rng::Rng;
use schema::Keys;
use serde_json::{Map, Value};
use table::Table;

/// What kind of installation is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One that the reference takes, nearly always.
    Ordinary,
    /// One with something wrong in it: types, syntax, objects that nobody expects there.
    Odd,
    /// A config of any keys and nothing around it: is it taken or refused?
    Keys,
}

/// Of a hundred configs, so many have keys that no check reads.
const SCHEMA: usize = 35;

/// Of a hundred installations, so many are audited with `--deep`.
const DEEP: usize = 20;

/// Makes installations of one release.
pub struct Generator {
    release: Release,
    /// Keys that checks read.
    read: Table,
    /// All keys.
    all: Table,
}

impl Generator {
    /// For this release.
    #[must_use]
    pub fn new(release: Release) -> Self {
        let keys = Keys::of(release);
        Self { release, read: Table::of(release, &keys), all: keys.table() }
    }

    /// The installation of this number.
    #[must_use]
    pub fn installation(&self, seed: u64, number: u64, kind: Kind) -> Installation {
        let mut rng = Rng::new(seed, number);
        if kind == Kind::Keys {
            return self.any_keys(&mut rng);
        }
        let mut config = self.read.config(&mut rng);
        if rng.chance(SCHEMA) {
            schema::merge(&mut config, self.all.few(1 + rng.below(3), &mut rng));
        }
        let mut env = self.read.environment(&mut rng);
        mend::config(&mut config, self.release, &mut rng);
        mend::environment(&config, &mut env, &mut rng);
        let registry = config.get("channels").is_some() && rng.chance(70);
        let deep = rng.chance(DEEP);
        let mut installation = Installation { env, registry, deep, ..Installation::default() };
        files::around(&config, self.release, &mut installation, &mut rng);
        if kind == Kind::Odd {
            odd::spoil(&mut installation, &mut rng);
        }
        installation
    }

    fn any_keys(&self, rng: &mut Rng) -> Installation {
        let mut config = Value::Object(Map::new());
        for _ in 0..=rng.below(4) {
            schema::merge(&mut config, self.all.few(1 + rng.below(4), rng));
        }
        mend::config(&mut config, self.release, rng);
        let mut installation = Installation::default();
        mend::environment(&config, &mut installation.env, rng);
        installation.directory(installation::STATE, 0o700);
        installation.json(installation::CONFIG, 0o600, config);
        installation
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_can_be_made_again() {
        let generator = Generator::new(release::RELEASES[0]);
        for kind in [Kind::Ordinary, Kind::Odd, Kind::Keys] {
            assert_eq!(generator.installation(7, 5, kind), generator.installation(7, 5, kind));
            assert_ne!(generator.installation(7, 5, kind), generator.installation(7, 6, kind));
        }
    }
}
