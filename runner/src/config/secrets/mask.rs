//! Masks known secrets in texts. All secrets are looked for at once, so that their number costs no time: one automaton
//! takes each text once, and where several secrets begin at one place the longest is masked.

use std::collections::HashSet;

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

/// What stands in the place of a secret.
const MASK: &str = "***";

/// A shorter secret would mask ordinary words, and the modes and levels that an `env` section may hold.
const SHORTEST: usize = 8;

/// Bytes of all secrets in the automaton, which takes some fifty times as much memory while it is made. An ordinary config
/// has a few kilobytes of secrets.
const MAX_PATTERN_BYTES: usize = 1 << 20;

/// Looks for secrets in texts.
#[derive(Debug, Default)]
pub struct Mask {
    secrets: Option<AhoCorasick>,
    /// How the secrets begin for which the automaton has no room. What follows such a beginning is cut off.
    beginnings: HashSet<[u8; SHORTEST]>,
}

impl Mask {
    /// A mask for these secrets. Those that are ordinary words are not masked: a gap in a known sentence would tell them.
    pub fn new<'s>(secrets: impl IntoIterator<Item = &'s str>) -> Self {
        let mut all: Vec<&str> = secrets.into_iter().filter(|secret| is_maskable(secret)).collect();
        // The short ones first: most of them fit.
        all.sort_unstable_by_key(|secret| (secret.len(), *secret));
        all.dedup();
        let mut room = MAX_PATTERN_BYTES;
        let mut fits = |secret: &&&str| {
            let left = room.checked_sub(secret.len());
            room = left.unwrap_or(0);
            left.is_some()
        };
        let known = all.iter().take_while(|secret| fits(secret)).count();
        let (known, others) = all.split_at_checked(known).unwrap_or((&all, &[]));
        Self::made_of(known, others)
    }

    fn made_of(known: &[&str], others: &[&str]) -> Self {
        let mut builder = AhoCorasick::builder();
        builder.match_kind(MatchKind::LeftmostLongest).kind(Some(AhoCorasickKind::ContiguousNFA));
        let secrets = builder.build(known).ok();
        // Where the automaton could not be made of so many, which the limit above does not let happen, it knows none.
        let unknown = if secrets.is_none() { known } else { &[] };
        let others = unknown.iter().chain(others);
        let beginnings = others.filter_map(|secret| secret.as_bytes().first_chunk().copied());
        Self { secrets: secrets.filter(|_| !known.is_empty()), beginnings: beginnings.collect() }
    }

    /// The text with every secret masked.
    #[must_use]
    pub fn apply(&self, text: &str) -> String {
        let (text, cut) = match self.first_beginning(text) {
            Some(at) => (text.get(..at).unwrap_or_default(), true),
            None => (text, false),
        };
        let mut masked = String::with_capacity(text.len());
        let mut done = 0;
        for found in self.secrets.iter().flat_map(|secrets| secrets.find_iter(text)) {
            masked.push_str(text.get(done..found.start()).unwrap_or_default());
            masked.push_str(MASK);
            done = found.end();
        }
        masked.push_str(text.get(done..).unwrap_or_default());
        if cut {
            masked.push_str(MASK);
        }
        masked
    }

    /// Where the first secret begins that the automaton does not know.
    fn first_beginning(&self, text: &str) -> Option<usize> {
        if self.beginnings.is_empty() {
            return None;
        }
        let at = text.as_bytes().windows(SHORTEST).position(|part| {
            <&[u8; SHORTEST]>::try_from(part).is_ok_and(|part| self.beginnings.contains(part))
        })?;
        // A secret is a text, so it begins where a character does; another text may hold its bytes elsewhere.
        (0..=at).rev().find(|at| text.is_char_boundary(*at))
    }
}

/// The secret is masked wherever it stands.
#[must_use]
pub fn is_maskable(secret: &str) -> bool {
    secret.len() >= SHORTEST && !secret.bytes().all(|byte| byte.is_ascii_alphabetic())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_longest_secret_is_masked_wherever_it_stands() {
        let mask =
            Mask::new(["s3cr3t-value", "s3cr3t-value-2", "other-secret-1", "short-1", "ordinaryword", ""]);
        for (text, masked) in [
            ("a s3cr3t-value-2 b", "a *** b"),
            ("s3cr3t-value-3", "***-3"),
            ("s3cr3t-values3cr3t-value", "******"),
            ("xother-secret-1y short-1 ordinaryword", "x***y short-1 ordinaryword"),
            ("ü s3cr3t-valu ü", "ü s3cr3t-valu ü"),
            ("", ""),
        ] {
            assert_eq!(mask.apply(text), masked);
        }
    }

    #[test]
    fn no_number_of_secrets_is_too_many() {
        let secrets: Vec<String> = (0..200_000).map(|number| format!("{number:08}-s3cr3t")).collect();
        let mask = Mask::new(secrets.iter().map(String::as_str));
        assert!(!mask.beginnings.is_empty());
        for secret in [&secrets[0], &secrets[199_999]] {
            let masked = mask.apply(&format!("ä before {secret} after"));
            assert!(masked.starts_with("ä before ***") && !masked.contains("s3cr3t"), "{masked}");
        }
        assert_eq!(mask.apply("nothing of it"), "nothing of it");
    }

    #[test]
    fn a_mask_of_nothing_leaves_everything() {
        assert_eq!(Mask::new([]).apply("a text"), "a text");
    }
}
