//! The line of a config that a finding is about, fit to be shown: the key and its value, and nothing else of the line. What stands
//! beside it, comments too, may be somebody's secret.

use std::ops::Range;

use serde::{Deserialize, Serialize};

/// Most characters of a value that are shown.
const LONGEST: usize = 80;

/// What stands for a value that nobody may see.
const BLOTTED: &str = "\"***\"";

/// A key and its value as the config has them, on one line.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Snippet {
    /// The text.
    pub text: String,
    /// Where the value begins in it, in characters from 0.
    pub from: usize,
    /// How many characters the value has in it.
    pub length: usize,
}

impl Snippet {
    /// The value as it stands in the config; none where it was cut, spans lines, or may not be seen.
    #[must_use]
    pub fn whole_value(&self) -> Option<String> {
        let value: String = self.text.chars().skip(self.from).take(self.length).collect();
        (!value.contains('…') && value != BLOTTED).then_some(value)
    }
}

/// The snippet of the value that stands at `range` of a file's text under `key` (none for an element of a list). `is_shown` is whether
/// the value is one that policies see, too.
pub(super) fn snippet(text: &str, range: Range<usize>, key: Option<&str>, is_shown: bool) -> Option<Snippet> {
    let (before, value) = (text.get(..range.start)?, text.get(range.clone())?);
    let opening = value.chars().next()?;
    let value = match opening {
        '{' | '[' => {
            let closing = if opening == '{' { '}' } else { ']' };
            let is_empty = value.len() > 1 && value.get(1..value.len() - 1)?.trim().is_empty();
            if is_empty { format!("{opening}{closing}") } else { format!("{opening} … {closing}") }
        }
        _ if !is_shown => BLOTTED.to_owned(),
        // A text may go on in the next line.
        _ if value.contains(['\n', '\r']) => format!("{opening}…{opening}"),
        _ if value.chars().count() > LONGEST => value.chars().take(LONGEST).chain(['…', opening]).collect(),
        _ => value.to_owned(),
    };
    let head = key.and_then(|key| head(before, key)).unwrap_or_default();
    let comma = if text.get(range.end..)?.starts_with(',') { "," } else { "" };
    let (from, length) = (head.chars().count(), value.chars().count());
    Some(Snippet { text: format!("{head}{value}{comma}"), from, length })
}

/// The key as it is written before its value, with the colon; none where what stands there is not that key.
fn head(before: &str, key: &str) -> Option<String> {
    let written = before.trim_end().strip_suffix(':')?.trim_end();
    let quoted = [format!("\"{key}\""), format!("'{key}'")];
    let name = quoted.iter().map(String::as_str).chain([key]).find(|name| written.ends_with(name))?;
    Some(format!("{name}: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str, value: &str, key: Option<&str>, is_shown: bool) -> String {
        let start = text.find(value).unwrap();
        let snippet = snippet(text, start..start + value.len(), key, is_shown).unwrap();
        let marked: String = snippet.text.chars().skip(snippet.from).take(snippet.length).collect();
        format!("{} | {marked}", snippet.text)
    }

    #[test]
    fn a_line_has_the_key_and_its_value_and_nothing_else() {
        let text = "{\"token\": \"hunter2\", \"bind\" : \"lan\", /* hunter3 */ port: 1, 'list': [\n1], 'none': [ ], \"a\": {\"x\": \"hunter2\"} }";
        for (value, key, shown) in [
            ("\"lan\"", "bind", "\"bind\": \"lan\", | \"lan\""),
            ("1", "port", "port: 1, | 1"),
            ("[\n1]", "list", "'list': [ … ], | [ … ]"),
            ("[ ]", "none", "'none': [], | []"),
            ("{\"x\": \"hunter2\"}", "a", "\"a\": { … } | { … }"),
            // A key that is written otherwise, by an escape, is left out.
            ("\"lan\"", "Bind", "\"lan\", | \"lan\""),
        ] {
            assert_eq!(at(text, value, Some(key), true), shown);
        }
        assert_eq!(at(text, "\"hunter2\"", Some("token"), false), "\"token\": \"***\", | \"***\"");
        assert_eq!(at("[\"a\", \"b\"]", "\"b\"", None, true), "\"b\" | \"b\"");
    }

    #[test]
    fn a_long_value_is_cut() {
        let long = format!("\"{}\"", "ä".repeat(500));
        assert!(at(&format!("{{a: {long}}}"), &long, Some("a"), true).chars().count() < 200);
        assert_eq!(at("{a: 'x\\\ny'}", "'x\\\ny'", Some("a"), true), "a: '…' | '…'");
    }
}
