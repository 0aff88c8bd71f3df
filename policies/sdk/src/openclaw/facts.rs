//! Facts that differ by release. A table of one names its rows' first releases, from old to new.

use crate::Release;

/// Year, month and number of a release.
pub type Number = (u16, u8, u16);

/// What holds in a release: what `later` says of the last of its rows that the release has reached, else `first`.
#[must_use]
pub fn at<T: Copy>(release: Release, first: T, later: &[(Number, T)]) -> T {
    let reached = later.iter().filter(|((year, month, patch), _)| release.since(*year, *month, *patch));
    reached.last().map_or(first, |(_, fact)| *fact)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_row_that_a_release_has_reached_holds() {
        let table = [((2026, 3, 7), "b"), ((2026, 8, 1), "c")];
        for (number, fact) in [
            ((2026, 1, 30), "a"),
            ((2026, 3, 6), "a"),
            ((2026, 3, 7), "b"),
            ((2026, 7, 35), "b"),
            ((2026, 8, 1), "c"),
            ((2027, 1, 1), "c"),
        ] {
            let (year, month, patch) = number;
            assert_eq!(at(Release { year, month, patch }, "a", &table), fact, "{number:?}");
        }
    }
}
