//! Tells a model's tier by its id (reference: config-checks 1.10). A word here is made of ASCII letters, digits and
//! underscores; case does not count.

/// The retired family that a model belongs to.
pub fn legacy(id: &str) -> Option<&'static str> {
    let id = id.to_ascii_lowercase();
    let families: [(&[&str], &str); 3] = [
        (&["gpt-3.5"], "GPT-3.5 family"),
        (&["claude-2", "claude-instant"], "Claude 2 or Instant family"),
        (&["gpt-4-0314", "gpt-4-0613"], "GPT-4 snapshot of 2023"),
    ];
    let has = |names: &[&str]| names.iter().any(|name| has_words(&id, name));
    families.iter().find(|(names, _)| has(names)).map(|(_, family)| *family)
}

/// Everything that puts a model below the flagship tier.
pub fn weak(id: &str) -> Vec<&'static str> {
    let id = id.to_ascii_lowercase();
    let reasons = [
        (has_words(&id, "haiku"), "Haiku tier"),
        (starts_word(&id, "gpt-") && !has_words(&id, "gpt-5"), "below GPT-5"),
        (starts_word(&id, "claude-") && !is_claude_4_5_or_later(&id), "below Claude 4.5"),
    ];
    reasons.into_iter().filter(|(holds, _)| *holds).map(|(_, reason)| reason).collect()
}

/// The name occurs, and neither end of it goes on as a word.
fn has_words(id: &str, name: &str) -> bool {
    after(id, name).any(|rest| !begins_with_word(rest))
}

/// The name occurs, and no word leads into it.
fn starts_word(id: &str, name: &str) -> bool {
    after(id, name).next().is_some()
}

/// What follows each occurrence of a name that no word leads into.
fn after<'t>(id: &'t str, name: &'t str) -> impl Iterator<Item = &'t str> {
    id.match_indices(name).filter_map(move |(at, _)| {
        let (before, here) = id.split_at(at);
        let is_led_into = before.bytes().next_back().is_some_and(is_word);
        here.strip_prefix(name).filter(|_| !is_led_into)
    })
}

/// After `claude-`, in the same part of the id, stands a version from 4.5 on.
fn is_claude_4_5_or_later(id: &str) -> bool {
    after(id, "claude-").any(|rest| {
        let part = rest.split(|c: char| c == '/' || c.is_whitespace()).next().unwrap_or_default();
        part.char_indices().any(|(at, _)| {
            let (before, version) = part.split_at(at);
            is_minor_of_4(version) || (is_major(version) && !before.ends_with(['1', '2', '3']))
        })
    })
}

/// `-4-5`, `-45` or `4.5`, with any minor number from 5 on.
fn is_minor_of_4(version: &str) -> bool {
    let minor = match version.strip_prefix("-4") {
        Some(rest) => Some(rest.strip_prefix('-').unwrap_or(rest)),
        None => version.strip_prefix("4."),
    };
    let Some(minor) = minor else { return false };
    let digits = minor.bytes().take_while(u8::is_ascii_digit).count();
    let (number, rest) = minor.split_at(digits);
    let is_minor = matches!(number.as_bytes(), [b'5'..=b'9'] | [b'1'..=b'9', _]);
    is_minor && !begins_with_word(rest)
}

/// `-5` and later. After 1, 2 or 3 it is the second half of an older version: `claude-3-5-sonnet`.
fn is_major(version: &str) -> bool {
    let rest = version.strip_prefix('-').and_then(|rest| rest.strip_prefix(|c| ('5'..='9').contains(&c)));
    rest.is_some_and(|rest| !begins_with_word(rest))
}

fn begins_with_word(text: &str) -> bool {
    text.bytes().next().is_some_and(is_word)
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_'
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retired_families() {
        for (id, family) in [
            ("openai/gpt-3.5-turbo", Some("GPT-3.5 family")),
            ("GPT-3.5", Some("GPT-3.5 family")),
            ("openai/gpt-3.5turbo", None),
            ("azure/gpt-35-turbo", None),
            ("openai/chatgpt-3.5-x", None),
            ("anthropic/claude-2.1", Some("Claude 2 or Instant family")),
            ("anthropic/claude-instant-1.2", Some("Claude 2 or Instant family")),
            ("anthropic/claude-21", None),
            ("x/claude-2x", None),
            ("x/claude_2", None),
            ("x/xclaude-2", None),
            ("openai/gpt-4-0314", Some("GPT-4 snapshot of 2023")),
            ("openai/gpt-4-0613", Some("GPT-4 snapshot of 2023")),
            ("openai/gpt-4-06131", None),
            ("openai/gpt-4o", None),
        ] {
            assert_eq!(legacy(id), family, "{id}");
        }
    }

    #[test]
    fn haiku_as_a_word() {
        for (id, expected) in [("x/Haiku", true), ("claude-haiku-4-5", true), ("x/my_haiku", false)] {
            assert_eq!(weak(id).contains(&"Haiku tier"), expected, "{id}");
        }
    }

    #[test]
    fn gpt_5_and_no_other_number() {
        for id in ["gpt-5", "openai/gpt-5.2", "openai/gpt-5-mini", "openai/gpt-5-codex", "o3", "gpt5-mini"] {
            assert_eq!(weak(id), [""; 0], "{id}");
        }
        for id in
            ["openai/gpt-4", "openai/gpt-4o", "gpt-50", "gpt-5o", "gpt-6", "x/gpt-oss-120b", "gpt-35-turbo"]
        {
            assert_eq!(weak(id), ["below GPT-5"], "{id}");
        }
        assert_eq!(weak("openai/chatgpt-3.5-x"), [""; 0]);
    }

    #[test]
    fn claude_from_4_5_on() {
        for id in [
            "claude-opus-4-5",
            "anthropic/claude-opus-4-6",
            "claude-opus-4-6-20260101",
            "claude-opus-4.5",
            "claude-opus-45",
            "CLAUDE-4-5-SONNET",
            "claude-opus-4-10",
            "claude-opus-5",
            "claude-opus-5-20270101",
            "bedrock/us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        ] {
            assert_eq!(weak(id), [""; 0], "{id}");
        }
        for id in [
            "claude-sonnet-4-20250514",
            "claude-opus-4-1",
            "claude-opus-4",
            "claude-opus-4-05",
            "claude-opus-4-123",
            "claude-3.5-sonnet",
            "claude-2.1",
            "claude-21",
            "claude-5",
            "claude-5o",
            "claude-x/opus-4-5",
            "claude-x opus-4-5",
            "claude-opus-5_beta",
        ] {
            assert_eq!(weak(id), ["below Claude 4.5"], "{id}");
        }
    }

    #[test]
    fn three_five_is_no_five() {
        for id in ["claude-3-5-sonnet-20241022", "claude-3-7-sonnet-latest"] {
            assert_eq!(weak(id), ["below Claude 4.5"], "{id}");
        }
        assert_eq!(weak("claude-3-5-haiku").len(), 2);
    }

    #[test]
    fn ids_that_are_no_ascii_are_read_without_harm() {
        for id in ["claude-é-4-5", "ümlaut", "claude-\u{1f600}", "gpt-é"] {
            let _ = (legacy(id), weak(id));
        }
        assert_eq!(weak("claude-é-4-5"), [""; 0]);
    }
}
