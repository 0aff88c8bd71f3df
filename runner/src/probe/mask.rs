//! Takes secrets out of what a gateway says: those that are known, and what looks like one. A gateway may repeat what it was
//! sent, and a report goes to logs that others read.

use crate::config::SecretString;

/// What stands for a secret.
const MASK: &str = "***";

/// Beginnings of tokens that services hand out (reference: state-checks 9.5).
const TOKENS: [&str; 13] = [
    "sk-",
    "ghp_",
    "github_pat_",
    "xoxb-",
    "xoxp-",
    "xoxa-",
    "xoxr-",
    "xoxs-",
    "xapp-",
    "gsk_",
    "AIza",
    "pplx-",
    "npm_",
];
/// Words that name a secret, where a value is given to them.
const NAMES: [&str; 5] = ["key", "token", "secret", "password", "passwd"];

/// The text without secrets.
pub(super) fn mask(text: &str, known: &[SecretString]) -> String {
    let mut masked = text.to_owned();
    for secret in known {
        masked = masked.replace(secret.expose(), MASK);
    }
    patterns(&masked)
}

/// Masks, word by word, what looks like a secret: tokens, the value after `NAME_TOKEN=`, `"token":`, `--token` and `Bearer`,
/// and everything from the first line of a private key on.
fn patterns(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let (text, key) = match text.find("-----BEGIN") {
        Some(at) => (text.get(..at).unwrap_or_default(), MASK),
        None => (text, ""),
    };
    let mut expected = false;
    for word in
        text.split_inclusive(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '{' | '}'))
    {
        let end = word.char_indices().last().map_or(0, |(at, _)| at);
        let separator = word.get(end..).filter(|last| !last.chars().all(is_word)).unwrap_or_default();
        let bare = word.strip_suffix(separator).unwrap_or(word);
        // `"token": "x"` comes as `token`, `:`, a space and `x`.
        if bare.is_empty() || matches!(bare, ":" | "=") {
            out.push_str(word);
            continue;
        }
        let (shown, next) = one(bare, separator, expected);
        expected = next;
        out.push_str(&shown);
        out.push_str(separator);
    }
    out + key
}

fn is_word(c: char) -> bool {
    !(c.is_whitespace() || matches!(c, '"' | '\'' | ',' | ';' | '{' | '}'))
}

/// A word as it may be shown, and whether a secret is expected next.
fn one(word: &str, separator: &str, expected: bool) -> (String, bool) {
    if expected || looks_like_token(word) {
        return (MASK.to_owned(), false);
    }
    if word.eq_ignore_ascii_case("bearer") {
        return (word.to_owned(), true);
    }
    if let Some((name, value)) = word.split_once(['=', ':']) {
        if names_secret(name) {
            let head = word.strip_suffix(value).unwrap_or_default();
            return if value.is_empty() {
                (head.to_owned(), is_constant(name))
            } else {
                (format!("{head}{MASK}"), false)
            };
        }
        return (word.to_owned(), false);
    }
    let quoted = separator == "\"" || separator == "'";
    (word.to_owned(), names_secret(word) && (quoted || word.starts_with("--")))
}

fn names_secret(word: &str) -> bool {
    let lower = word.to_ascii_lowercase();
    NAMES.iter().any(|name| lower.ends_with(name))
}

/// A name as variables have it; in prose, "token: expired" is not a value.
fn is_constant(name: &str) -> bool {
    name.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
}

/// A known beginning and enough behind it; or a Telegram bot's number, colon and key.
fn looks_like_token(word: &str) -> bool {
    let word = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
    let is_key = |text: &str| text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte));
    let service = TOKENS.iter().any(|start| word.strip_prefix(start).is_some_and(|rest| rest.len() >= 8));
    let bot = word.split_once(':').is_some_and(|(number, key)| {
        number.len() >= 6
            && number.bytes().all(|byte| byte.is_ascii_digit())
            && key.len() >= 20
            && is_key(key)
    });
    service || bot
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_secrets_are_masked_wherever_they_stand() {
        let known = ["correct horse", "b\"c"].map(SecretString::new);
        assert_eq!(mask("xcorrect horsey, b\"c", &known), "x***y, ***");
    }

    #[test]
    fn what_looks_like_a_secret_is_masked() {
        for (text, masked) in [
            ("API_KEY=abc def", "API_KEY=*** def"),
            ("GATEWAY_TOKEN: abc", "GATEWAY_TOKEN: ***"),
            ("password=x", "password=***"),
            ("{\"token\": \"abc\", \"a\": 1}", "{\"token\": \"***\", \"a\": 1}"),
            ("{\"apiKey\":\"abc\"}", "{\"apiKey\":\"***\"}"),
            ("run --token abc --port 1", "run --token *** --port 1"),
            ("run --password=abc", "run --password=***"),
            ("Authorization: Bearer abc.def", "Authorization: Bearer ***"),
            ("(sk-0123456789)", "***"),
            ("ghp_0123456789, npm_0123456789", "***, ***"),
            ("bot 123456789:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw said", "bot *** said"),
            ("a -----BEGIN PRIVATE KEY-----\nMC4CAQ\n-----END", "a ***"),
        ] {
            assert_eq!(mask(text, &[]), masked);
        }
    }

    #[test]
    fn ordinary_words_stay() {
        for text in [
            "unauthorized: gateway token mismatch (provide gateway auth token)",
            "invalid token: expired",
            "pairing required",
            "sk-short, key",
            "12:30:15 service restart; retry",
            "",
        ] {
            assert_eq!(mask(text, &[]), text);
        }
    }
}
