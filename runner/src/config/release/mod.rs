//! Which release of OpenClaw a target is judged by, ranges of releases, and what a release says of a config: its keys, its
//! rules and its defaults.

pub(in crate::config) mod defaults;
pub(in crate::config) mod detect;
pub(in crate::config) mod evidence;
pub(in crate::config) mod extensions;
pub(in crate::config) mod installed;
pub(in crate::config) mod legacy;
pub(in crate::config) mod pattern;
pub(in crate::config) mod plugins;
pub(in crate::config) mod roster;
pub(in crate::config) mod rules;
pub(in crate::config) mod schema;
pub(in crate::config) mod schema_type;
pub(in crate::config) mod validate;
pub(in crate::config) mod workspace;

use std::fmt;
use std::str::FromStr;

pub use detect::{Evidence, Judged, Source, Sure, Word};

use serde::{Deserialize, Serialize};

/// A release: 2026.5.18. The order is that of the numbers, which is the order of structures; the maintenance lines
/// 2026.6.33 to .35 and 2026.7.33 to .35 were built later than 2026.8.1, and are older in structure.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize, Serialize)]
pub struct Release {
    /// Its year.
    pub year: u16,
    /// Its month, from 1.
    pub month: u8,
    /// Its number within the month.
    pub patch: u16,
}

/// The newest release that is known.
pub const NEWEST: Release = Release::new(2026, 9, 6);

/// The first release of the newer structure: agents by their names, strict `env`, state in databases.
pub const NEWER_STRUCTURE: Release = Release::new(2026, 8, 1);

impl Release {
    /// Before every release.
    pub const OLDEST: Self = Self::new(0, 0, 0);
    /// Behind every release.
    pub const ENDLESS: Self = Self::new(u16::MAX, u8::MAX, u16::MAX);

    /// The release with these three numbers.
    #[must_use]
    pub const fn new(year: u16, month: u8, patch: u16) -> Self {
        Self { year, month, patch }
    }

    /// It has the structure that began with [`NEWER_STRUCTURE`].
    #[must_use]
    pub fn is_newer_structure(self) -> bool {
        self >= NEWER_STRUCTURE
    }

    /// The release that a version stamp names: `2026.5.18`, with anything behind it that begins with "-" or "+". A month
    /// stands for the newest release of it that is known.
    #[must_use]
    pub fn of_stamp(stamp: &str) -> Option<Self> {
        let stamp = stamp.trim();
        let stamp = stamp.strip_prefix('v').unwrap_or(stamp);
        let stamp = stamp.split(['-', '+']).next()?;
        let (first, last) = (release(stamp, 0)?, release(stamp, u16::MAX)?);
        let known = || schema::releases().iter().rev().find(|known| (first..=last).contains(*known));
        if first == last { Some(first) } else { known().copied() }
    }
}

impl FromStr for Release {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = text.trim().strip_prefix("OpenClaw ").unwrap_or(text);
        Self::of_stamp(number).ok_or_else(|| {
            let oldest = schema::releases().first().copied().unwrap_or(NEWEST);
            format!(
                "\"{text}\" is no release of OpenClaw: say YEAR.MONTH.NUMBER, such as \"{NEWEST}\"; {oldest} to {NEWEST} are known"
            )
        })
    }
}

impl fmt::Display for Release {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.year, self.month, self.patch)
    }
}

/// A run of releases, both ends among them: `2026.2.17..2026.5.2`, `2026.5.18..`, `..2026.7`. A month stands for all its
/// releases.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(try_from = "String", into = "String")]
pub struct ReleaseRange {
    text: String,
    from: Release,
    to: Release,
}

impl ReleaseRange {
    /// The release is among them.
    #[must_use]
    pub fn contains(&self, release: Release) -> bool {
        (self.from..=self.to).contains(&release)
    }

    /// As it is written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl FromStr for ReleaseRange {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "\"{text}\" is no range of releases, such as \"2026.2.17..2026.5.2\", \"2026.5.18..\" or \"..2026.7\""
            )
        };
        let (from, to) = text.split_once("..").ok_or_else(wrong)?;
        if from.is_empty() && to.is_empty() {
            return Err(wrong());
        }
        let from = if from.is_empty() { Some(Release::OLDEST) } else { release(from, 0) };
        let to = if to.is_empty() { Some(Release::ENDLESS) } else { release(to, u16::MAX) };
        match (from, to) {
            (Some(from), Some(to)) if from <= to => Ok(Self { text: text.to_owned(), from, to }),
            _ => Err(wrong()),
        }
    }
}

impl TryFrom<String> for ReleaseRange {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl From<ReleaseRange> for String {
    fn from(range: ReleaseRange) -> Self {
        range.text
    }
}

/// Two or three numbers; `patch` is the third where there are two.
fn release(text: &str, patch: u16) -> Option<Release> {
    let mut parts = text.split('.');
    let (year, month) = (parts.next()?.parse().ok()?, parts.next()?.parse().ok()?);
    let patch = parts.next().map_or(Some(patch), |part| part.parse().ok())?;
    (parts.next().is_none() && (1..=12).contains(&month)).then_some(Release { year, month, patch })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn contains(range: &str, release: (u16, u8, u16)) -> bool {
        let (year, month, patch) = release;
        range.parse::<ReleaseRange>().unwrap().contains(Release { year, month, patch })
    }

    #[test]
    fn the_newest_release_is_the_last_of_the_table() {
        assert_eq!(schema::releases().last(), Some(&NEWEST));
    }

    #[test]
    fn a_month_stands_for_its_newest_release() {
        for (stamp, release) in [
            ("2026.8", Some((2026, 8, 2))),
            ("v2026.2-beta.1", Some((2026, 2, 26))),
            ("2026.8.1", Some((2026, 8, 1))),
            ("2027.1", None),
            ("2026.13", None),
            ("2026.2.19.1", None),
            ("", None),
        ] {
            let release = release.map(|(year, month, patch)| Release::new(year, month, patch));
            assert_eq!(Release::of_stamp(stamp), release, "{stamp}");
        }
    }

    #[test]
    fn both_ends_are_in_a_range() {
        for (release, is_in) in
            [((2026, 2, 16), false), ((2026, 2, 17), true), ((2026, 5, 2), true), ((2026, 5, 3), false)]
        {
            assert_eq!(contains("2026.2.17..2026.5.2", release), is_in, "{release:?}");
        }
        assert!(contains("2026.5.18..", (2027, 1, 1)) && !contains("2026.5.18..", (2026, 5, 17)));
        assert!(contains("..2026.7", (2026, 7, 35)) && !contains("..2026.7", (2026, 8, 1)));
    }

    #[test]
    fn what_is_no_range_is_an_error() {
        for text in
            ["", "..", "2026.2", "2026.13..", "2026.2.x..", "2026.5.2..2026.2.17", "2026.2.17.1..", "a..b"]
        {
            let error = text.parse::<ReleaseRange>().unwrap_err();
            assert!(error.contains("is no range of releases"), "{text}: {error}");
        }
    }
}
