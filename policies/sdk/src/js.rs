//! Texts as the reference program sees them, which is written in JavaScript.

use serde_json::Value;

/// White space as JavaScript's `trim` sees it (ECMA-262, `WhiteSpace` and `LineTerminator`):
/// without U+0085 and U+001C to U+001F, with U+FEFF.
#[must_use]
pub fn is_space(c: char) -> bool {
    matches!(c, '\u{9}'..='\u{d}' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}'
        | '\u{2028}' | '\u{2029}' | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

/// The text without leading and trailing white space.
#[must_use]
pub fn trim(text: &str) -> &str {
    text.trim_matches(is_space)
}

/// Length in UTF-16 code units.
#[must_use]
pub fn units(text: &str) -> usize {
    text.encode_utf16().count()
}

/// What `String()` makes of a value.
#[must_use]
pub fn string(value: &Value) -> String {
    let item = |item: &Value| if item.is_null() { String::new() } else { string(item) };
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => items.iter().map(item).collect::<Vec<_>>().join(","),
        Value::Object(_) => "[object Object]".to_owned(),
        scalar => scalar.to_string(),
    }
}

/// Parses a file as `JSON.parse` does: bytes that are no UTF-8 become U+FFFD. None for a text that is no JSON.
///
/// # Errors
/// For valid JSON that a [`Value`] cannot hold: half of a surrogate pair, a number beyond `f64`, more than 127 levels.
pub fn json(bytes: &[u8]) -> Result<Option<Value>, serde_json::Error> {
    let text = String::from_utf8_lossy(bytes);
    match serde_json::from_str(&text) {
        Ok(value) => Ok(Some(value)),
        // It checks the syntax alone, and so accepts those.
        Err(error) if serde_json::from_str::<serde::de::IgnoredAny>(&text).is_ok() => Err(error),
        Err(_) => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn json_that_cannot_be_held_is_not_taken_for_none() {
        let read = |text: &[u8]| json(text).map(|value| value.is_some()).ok();
        assert_eq!(read(b"{\"a\": 1}"), Some(true));
        assert_eq!(read(b"{\"a\": \"\xff\"}"), Some(true));
        for text in ["{", "{a: 1}", "", "[1,]", "\u{feff}{}"] {
            assert_eq!(read(text.as_bytes()), Some(false), "{text}");
        }
        let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
        for text in ["{\"a\": \"\\ud800\"}", "[1e999]", deep.as_str()] {
            assert_eq!(read(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn string_takes_lists_apart_and_keeps_the_rest() {
        for (value, text) in [
            (json!("*"), "*"),
            (json!([["*"]]), "*"),
            (json!([null, 5, "a"]), ",5,a"),
            (json!(null), "null"),
            (json!(true), "true"),
            (json!({"a": 1}), "[object Object]"),
        ] {
            assert_eq!(string(&value), text);
        }
    }

    #[test]
    fn trim_knows_the_javascript_set() {
        assert_eq!(trim("\u{feff}\u{a0} a\u{85}\u{2029}\n"), "a\u{85}");
        assert_eq!(trim("\u{1c}a"), "\u{1c}a");
    }

    #[test]
    fn units_counts_surrogates_twice() {
        assert_eq!(units("a\u{1f600}ü"), 4);
    }
}
