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
pub mod rng;
mod schema;
pub mod shrink;
pub mod table;

use installation::Installation;
use rng::Rng;

/// What kind of installation is wanted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// One that the reference takes, nearly always.
    Ordinary,
    /// One with something wrong in it: types, syntax, objects that nobody expects there.
    Odd,
}

/// Of a hundred configs, so many have keys that no check reads.
const SCHEMA: usize = 35;

/// Of a hundred installations, so many are audited with `--deep`.
const DEEP: usize = 20;

/// The installation of this number.
#[must_use]
pub fn installation(seed: u64, number: u64, kind: Kind) -> Installation {
    let mut rng = Rng::new(seed, number);
    let mut config = table::TABLE.config(&mut rng);
    if rng.chance(SCHEMA) {
        schema::add(&mut config, &mut rng);
    }
    let mut env = table::TABLE.environment(&mut rng);
    mend::config(&mut config, &mut rng);
    mend::environment(&config, &mut env, &mut rng);
    let registry = config.get("channels").is_some() && rng.chance(70);
    let deep = rng.chance(DEEP);
    let mut installation = Installation { env, registry, deep, ..Installation::default() };
    files::around(&config, &mut installation, &mut rng);
    if kind == Kind::Odd {
        odd::spoil(&mut installation, &mut rng);
    }
    installation
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_installation_can_be_made_again() {
        for kind in [Kind::Ordinary, Kind::Odd] {
            assert_eq!(installation(7, 5, kind), installation(7, 5, kind));
            assert_ne!(installation(7, 5, kind), installation(7, 6, kind));
        }
    }
}
