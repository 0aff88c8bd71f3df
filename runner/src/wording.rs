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
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, [unknown, known @ ..]) = (message.starts_with("unknown field"), &quoted[..])
        && let Some(near) = nearest(unknown, known)
    {
        return format!("{line}unknown field `{unknown}`; did you mean `{near}`?");
    }
    // These do not name the key that they are about.
    let about = error.span().filter(|_| message.starts_with("invalid ")).and_then(|span| {
        let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        text.get(start..)?.lines().next().map(str::trim).filter(|line| line.contains('='))
    });
    let about =
        about.map_or(String::new(), |about| format!(" ({})", about.chars().take(60).collect::<String>()));
    line + &message + &about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_wrong_with_toml_names_line_and_key() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            #[expect(dead_code, reason = "it is what a text may have")]
            enabled: bool,
        }
        let of = |text: &str| of_toml(text, &toml::from_str::<Form>(text).unwrap_err());
        assert_eq!(
            of("# a\nenabled = \"yes\""),
            "line 2: invalid type: string \"yes\", expected a boolean (enabled = \"yes\")"
        );
        assert_eq!(of("enabeld = true"), "line 1: unknown field `enabeld`; did you mean `enabled`?");
        assert!(of("other = true").starts_with("line 1: unknown field `other`, expected `enabled`"));
    }

    #[test]
    fn a_slip_has_a_suggestion_and_another_word_none() {
        let known = ["bind", "auth", "remote"];
        assert_eq!(nearest("bnid", known), Some("bind"));
        assert_eq!(nearest("foo", known), None);
        assert_eq!(nearest("bind", std::iter::empty::<&str>()), None);
    }
}
