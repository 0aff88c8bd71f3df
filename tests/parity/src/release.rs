//! Releases of the reference program.

use std::fmt;
use std::str::FromStr;

/// A release by its three numbers, ordered by structure: `2026.6.35` comes before `2026.7.1`, though it is later in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Release(u32, u32, u32);

/// The releases that are compared: the first of each kind of state and config, and the newest.
pub const RELEASES: [Release; 9] = [
    Release(2026, 2, 19),
    Release(2026, 2, 26),
    Release(2026, 3, 13),
    Release(2026, 4, 15),
    Release(2026, 5, 28),
    Release(2026, 6, 11),
    Release(2026, 7, 35),
    Release(2026, 8, 2),
    Release(2026, 9, 6),
];

impl Release {
    /// A release by its numbers.
    #[must_use]
    pub const fn new(year: u32, month: u32, patch: u32) -> Self {
        Self(year, month, patch)
    }

    /// It is this release or a newer one.
    #[must_use]
    pub fn since(self, month: u32, patch: u32) -> bool {
        self >= Self(2026, month, patch)
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.0, self.1, self.2)
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let mut numbers = text.split('.').map(str::parse);
        match (numbers.next(), numbers.next(), numbers.next(), numbers.next()) {
            (Some(Ok(year)), Some(Ok(month)), Some(Ok(patch)), None) => Ok(Self(year, month, patch)),
            _ => Err(format!("{text} is no release: one has the form 2026.9.6")),
        }
    }
}
