//! Which texts that a variable gives are shown to policies: those whose shape is that of what their key holds. Everything
//! else that a variable gives is hidden. `docs/secrets.md` has the table.

use std::collections::{HashMap, HashSet};
use std::sync::OnceLock;

use crate::config::schema;
use crate::config::sensitive::looks_like_token;

/// Longest text that is shown.
const MAX_BYTES: usize = 200;
/// A text of so many characters, each with so many bits, looks random.
const RANDOM_CHARACTERS: usize = 20;
const RANDOM_BITS: f64 = 3.5;
/// So does one with so many letters and digits: half of all hexadecimal keys have fewer bits than that by chance.
const RANDOM_LETTERS: usize = 3;
const RANDOM_DIGITS: usize = 6;
/// Longest part of a name that is all letters, all digits, or of both, where the whole may be long; and most characters of
/// all parts with digits.
const MAX_WORD: usize = 12;
const MAX_NUMBER: usize = 8;
const MAX_MIXED: usize = 5;
const MAX_NUMBERS: usize = 12;

/// What a key holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::config) enum Shape {
    /// The id of an agent, an account, a person or a group.
    Id,
    /// A tool, a command, or a pattern of them.
    Tool,
    /// A model, or an image of a container: words and numbers between marks.
    Model,
    /// A package with or without its version, or the version alone.
    Package,
    /// A host, an address or a network.
    Host,
}

/// Keys by their last name, and what they hold; a list's items have the key of the list.
pub(in crate::config) const KEYS: [(&str, Shape); 43] = [
    ("id", Shape::Id),
    ("agentId", Shape::Id),
    ("accountId", Shape::Id),
    ("defaultAccount", Shape::Id),
    ("allowedAgentIds", Shape::Id),
    ("allowAgents", Shape::Id),
    ("allowFrom", Shape::Id),
    ("groupAllowFrom", Shape::Id),
    ("ownerAllowFrom", Shape::Id),
    ("allowlist", Shape::Id),
    ("users", Shape::Id),
    ("roles", Shape::Id),
    ("channel", Shape::Id),
    ("channels", Shape::Id),
    ("provider", Shape::Id),
    ("peer", Shape::Id),
    ("profile", Shape::Id),
    ("defaultProfile", Shape::Id),
    ("mode", Shape::Id),
    ("policy", Shape::Id),
    ("dmPolicy", Shape::Id),
    ("groupPolicy", Shape::Id),
    ("network", Shape::Id),
    ("workspaceAccess", Shape::Id),
    ("scope", Shape::Id),
    ("allow", Shape::Tool),
    ("alsoAllow", Shape::Tool),
    ("deny", Shape::Tool),
    ("allowCommands", Shape::Tool),
    ("denyCommands", Shape::Tool),
    ("bundledAllowlist", Shape::Tool),
    ("capDrop", Shape::Tool),
    ("model", Shape::Model),
    ("primary", Shape::Model),
    ("fallbacks", Shape::Model),
    ("imageModel", Shape::Model),
    ("image", Shape::Model),
    ("spec", Shape::Package),
    ("version", Shape::Package),
    ("resolvedVersion", Shape::Package),
    ("bind", Shape::Host),
    ("customBindHost", Shape::Host),
    ("trustedProxies", Shape::Host),
];

/// A text that variables gave, alone or as a part of it, is shown. That neither its key nor a variable's name is a secret's
/// is known.
pub(in crate::config) fn is_shown(key: &str, text: &str) -> bool {
    if text.len() > MAX_BYTES || looks_like_token(text) {
        return false;
    }
    // Blank and a star say nothing about anybody.
    if text.trim().is_empty() || text == "*" || words().contains(text) {
        return true;
    }
    let trimmed = text.trim();
    shape_of(key).is_some_and(|shape| shape.fits(trimmed))
}

fn shape_of(key: &str) -> Option<Shape> {
    KEYS.iter().find(|(known, _)| *known == key).map(|(_, shape)| *shape)
}

/// Every word that the schema has for a value.
fn words() -> &'static HashSet<&'static str> {
    static WORDS: OnceLock<HashSet<&'static str>> = OnceLock::new();
    WORDS.get_or_init(|| schema::words().collect())
}

impl Shape {
    fn fits(self, text: &str) -> bool {
        let only = |marks: &str| text.chars().all(|c| c.is_ascii_alphanumeric() || marks.contains(c));
        match self {
            Self::Id => only("_-.@:+#/<>!&*=") && !is_random(text),
            Self::Tool => only("_-.:*/") && !is_random(text),
            Self::Model => only("_-.:/@") && (is_of_words(text) || !is_random(text)),
            Self::Package => only("_-.:/@+^~<>=*") && (is_of_words(text) || !is_random(text)),
            Self::Host => only("-.:/[]_") && !is_random(text),
        }
    }
}

/// So long and so mixed that it may be a key.
/// The text is long enough and mixed enough to be a secret.
pub(in crate::config) fn is_random(text: &str) -> bool {
    let count = text.chars().count();
    let of = |is: fn(&char) -> bool| text.chars().filter(is).count();
    let is_mixed =
        || of(char::is_ascii_alphabetic) >= RANDOM_LETTERS && of(char::is_ascii_digit) >= RANDOM_DIGITS;
    count >= RANDOM_CHARACTERS && (bits(text, count) >= RANDOM_BITS || is_mixed())
}

/// A path, or several with a colon between them, and no part of it may be a secret. What does not begin as a path may be one as a
/// whole, too: some secrets have a slash.
pub(in crate::config) fn is_plain_path(text: &str) -> bool {
    let is_plain = |part: &str| (!is_random(part) || is_of_words(part)) && !looks_like_token(part);
    text.split(':')
        .all(|path| (path.starts_with(['/', '~', '.']) || is_plain(path)) && path.split('/').all(is_plain))
}

/// Bits of each character, by how often each occurs (Shannon).
fn bits(text: &str, count: usize) -> f64 {
    let mut counts: HashMap<char, u32> = HashMap::new();
    for c in text.chars() {
        *counts.entry(c).or_default() += 1;
    }
    #[expect(clippy::cast_precision_loss, reason = "a text has at most some hundred characters")]
    let count = count as f64;
    counts.values().map(|&times| f64::from(times) / count).map(|part| -part * part.log2()).sum()
}

/// Words, numbers and short mixtures between marks, as people name things: `anthropic/claude-opus-4-6`.
fn is_of_words(text: &str) -> bool {
    let is_lower = |part: &str| part.bytes().all(|byte| byte.is_ascii_lowercase());
    let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    let is_part = |part: &&str| {
        let most = if is_lower(part) {
            MAX_WORD
        } else if is_number(part) {
            MAX_NUMBER
        } else {
            MAX_MIXED
        };
        // A longer word can be spoken.
        part.len() <= most
            && (part.len() < 4 || !is_lower(part) || part.contains(['a', 'e', 'i', 'o', 'u', 'y']))
    };
    let parts: Vec<&str> =
        text.split(|c: char| !c.is_ascii_alphanumeric()).filter(|part| !part.is_empty()).collect();
    let with_digits = parts.iter().filter(|part| part.bytes().any(|byte| byte.is_ascii_digit()));
    parts.iter().all(is_part) && with_digits.map(|part| part.len()).sum::<usize>() <= MAX_NUMBERS
}

#[cfg(test)]
mod tests {
    use super::*;

    use super::is_shown as shown;

    #[test]
    fn what_has_the_shape_of_its_key_is_shown() {
        for (key, text) in [
            ("allow", "gateway"),
            ("allow", "group:runtime"),
            ("deny", "sessions_*"),
            ("policy", "open"),
            ("groupPolicy", "OPEN"),
            ("anything", "allowlist"),
            ("allowFrom", "999"),
            ("allowFrom", "+15551234567"),
            ("allowFrom", "@ann"),
            ("allowFrom", "*"),
            ("id", "work"),
            ("primary", "anthropic/claude-opus-4-6"),
            ("imageModel", "ollama/llama3.1:8b"),
            ("spec", "@scope/some-plugin@1.2.3-beta.1"),
            ("version", "1.2.3"),
            ("trustedProxies", "10.0.0.0/8"),
            ("bind", "::1"),
        ] {
            assert!(shown(key, text), "{key}: {text}");
        }
    }

    #[test]
    fn what_may_be_a_secret_is_hidden_whatever_its_key() {
        for (key, _) in KEYS {
            for text in [
                "8f14e45fceea167a5a36dedd4bea2543",
                "Zm9vYmFyYmF6cXV4cXV1eGNvcmdl",
                "550e8400-e29b-41d4-a716-446655440000",
                "sk-abcdefghijklmnopqrstuvwxyz",
                "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
                "two words",
                "a\nb",
                "passw\u{f6}rd",
            ] {
                assert!(!shown(key, text), "{key}: {text}");
            }
        }
        assert!(!shown("description", "work"), "nothing says what the key holds");
    }

    #[test]
    fn a_path_is_shown_where_no_part_of_it_may_be_a_secret() {
        for text in
            ["/home/ann/.openclaw/workspace-of-the-team", "~/work", "./x", "", "/etc:/etc:ro", "work/notes"]
        {
            assert!(is_plain_path(text), "{text}");
        }
        for text in [
            "8f14e45fceea167a5a36dedd4bea2543:/x",
            "/etc:/8f14e45fceea167a5a36dedd4bea2543",
            "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
            "AKIAIOSFODNN7EXAMPLE:/x",
            "123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw",
        ] {
            assert!(!is_plain_path(text), "{text}");
        }
    }

    #[test]
    fn no_random_text_is_shown() {
        // Every key of 20 characters that a generator of passwords or tokens gives, by its alphabet.
        let mut state = 7_u64;
        let mut next = |below: usize| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            usize::try_from(state >> 33).unwrap_or_default() % below
        };
        for alphabet in
            ["0123456789abcdef", "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", "abcdefghijkmnpqrstuvwxyz23456789-_"]
        {
            let letters: Vec<char> = alphabet.chars().collect();
            for length in [32, 40, 64] {
                for _ in 0..500 {
                    let text: String = (0..length).map(|_| letters[next(letters.len())]).collect();
                    for (key, shape) in KEYS {
                        assert!(!shown(key, &text), "{key} ({shape:?}): {text}");
                    }
                }
            }
        }
    }
}
