//! Words for people.

/// Names that are shown in one sentence; whoever has more is not helped by reading all.
const SHOWN: usize = 10;

/// As people list things: `a, b and c`; `a, b and 7 more` where there are many.
#[must_use]
pub fn listing<S: AsRef<str>>(names: &[S]) -> String {
    let more = names.len().saturating_sub(SHOWN);
    let mut words: Vec<String> = names.iter().take(SHOWN).map(|name| name.as_ref().to_owned()).collect();
    if more > 0 {
        words.push(format!("{more} more"));
    }
    match words.split_last() {
        Some((last, others)) if !others.is_empty() => format!("{} and {last}", others.join(", ")),
        _ => words.concat(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_listing_reads_like_a_sentence() {
        assert_eq!(listing::<&str>(&[]), "");
        assert_eq!(listing(&["a"]), "a");
        assert_eq!(listing(&["a", "b"]), "a and b");
        assert_eq!(listing(&["a", "b", "c"]), "a, b and c");
        assert_eq!(listing(&["x"; 12]), "x, x, x, x, x, x, x, x, x, x and 2 more");
    }
}
