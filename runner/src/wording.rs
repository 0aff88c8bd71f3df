//! Words for people about what they wrote: the name that they probably meant, and where a TOML text is wrong.

/// Names less alike than this are different words. With it `bnid` suggests `bind`, and `foo` nothing.
const ALIKE: f64 = 0.8;

/// The most similar of the known names, where one is similar enough.
pub fn nearest<T: AsRef<str>>(name: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let scored = known.into_iter().map(|known| (strsim::jaro(name, known.as_ref()), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > ALIKE).then_some(best.1)
}

/// What is wrong with a TOML text, on one line, with the number of the line it is about.
pub fn of_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(String::new(), |before| format!("line {}: ", before.matches('\n').count() + 1));
    line + &error.message().lines().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_has_a_suggestion_and_another_word_none() {
        let known = ["bind", "auth", "remote"];
        assert_eq!(nearest("bnid", known), Some("bind"));
        assert_eq!(nearest("foo", known), None);
        assert_eq!(nearest("bind", std::iter::empty::<&str>()), None);
    }
}
