//! Words for people about what they wrote: the name that they probably meant, and where a TOML text is wrong.

/// Names less alike than this are different words. With it `bnid` suggests `bind`, and `foo` nothing.
const ALIKE: f64 = 0.8;

/// The most similar of the known names, where one is similar enough.
pub fn nearest<T: AsRef<str>>(name: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let scored = known.into_iter().map(|known| (strsim::jaro(name, known.as_ref()), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > ALIKE).then_some(best.1)
}

/// Control, bidirectional and zero-width characters.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// A name as a word of a command that can be pasted into a shell.
#[must_use]
pub fn shell_word(name: &str) -> String {
    let is_bare = |c: char| c.is_alphanumeric() || "/._-+:@%,=".contains(c);
    let word = if name.starts_with('-') { format!("./{name}") } else { name.to_owned() };
    if !word.is_empty() && !word.starts_with('=') && word.chars().all(is_bare) {
        return word;
    }
    format!("'{}'", word.replace('\'', r"'\''"))
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
    fn a_word_of_a_command_is_one_word() {
        for (name, word) in [
            ("/home/ann/mine.wasm", "/home/ann/mine.wasm"),
            ("oci://ghcr.io/ann/mine:1.0.0@sha256:ab", "oci://ghcr.io/ann/mine:1.0.0@sha256:ab"),
            ("a; touch b", "'a; touch b'"),
            ("it's $(id)", r"'it'\''s $(id)'"),
            ("-rf", "./-rf"),
            ("", "''"),
            ("~/x", "'~/x'"),
        ] {
            assert_eq!(shell_word(name), word);
        }
    }

    #[test]
    fn a_slip_has_a_suggestion_and_another_word_none() {
        let known = ["bind", "auth", "remote"];
        assert_eq!(nearest("bnid", known), Some("bind"));
        assert_eq!(nearest("foo", known), None);
        assert_eq!(nearest("bind", std::iter::empty::<&str>()), None);
    }
}
