//! RFC 6901 JSON pointers: taking apart and putting together.

use std::borrow::Cow;

/// One segment as it is written in a pointer.
pub fn escape(segment: &str) -> String {
    segment.replace('~', "~0").replace('/', "~1")
}

/// The unescaped segments of a pointer; `None` when it is malformed.
pub fn segments(pointer: &str) -> Option<Vec<String>> {
    if pointer.is_empty() {
        return Some(Vec::new());
    }
    let rest = pointer.strip_prefix('/')?;
    Some(rest.split('/').map(|segment| unescape(segment).into_owned()).collect())
}

/// A segment of a pointer as the key that it names.
pub fn unescape(segment: &str) -> Cow<'_, str> {
    if segment.contains('~') { segment.replace("~1", "/").replace("~0", "~").into() } else { segment.into() }
}

/// `base` with one more segment.
pub(super) fn join(base: &str, segment: &str) -> String {
    format!("{base}/{}", escape(segment))
}

/// A pointer the way people write config keys: `agents.list[0].id`.
pub(super) fn readable(pointer: &str) -> String {
    let mut text = String::new();
    for segment in segments(pointer).unwrap_or_default() {
        if !segment.is_empty() && segment.bytes().all(|byte| byte.is_ascii_digit()) {
            text.extend(["[", &segment, "]"]);
        } else {
            if !text.is_empty() {
                text.push('.');
            }
            text.push_str(&segment);
        }
    }
    if text.is_empty() {
        text.push_str("the config");
    }
    text
}
