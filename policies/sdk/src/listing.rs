//! Lists things in a detail. What is listed comes from the target: it may be endless, in number and in length.

/// Most things that are named.
const MAX_NAMED: usize = 12;
/// Most characters of each.
const MAX_CHARS: usize = 200;

/// As people list things: `a, b and c`, or `a, b and 3 more`.
#[must_use]
pub fn words<T: AsRef<str>>(names: &[T]) -> String {
    let mut words: Vec<String> = names.iter().take(MAX_NAMED).map(|name| short(name.as_ref())).collect();
    let last = match names.len().saturating_sub(MAX_NAMED) {
        0 => words.pop().unwrap_or_default(),
        more => format!("{more} more"),
    };
    if words.is_empty() { last } else { format!("{} and {last}", words.join(", ")) }
}

/// Each on a line of its own, and a last one for those that are not named, of which there may be `more`.
#[must_use]
pub fn lines<T: AsRef<str>>(items: &[T], more: usize) -> String {
    let mut lines: Vec<String> =
        items.iter().take(MAX_NAMED).map(|item| format!("- {}", short(item.as_ref()))).collect();
    match items.len().saturating_sub(MAX_NAMED).saturating_add(more) {
        0 => {}
        more => lines.push(format!("- and {more} more")),
    }
    lines.join("\n")
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => one_line(&format!("{}…", text.split_at(end).0)),
        None => one_line(text),
    }
}

/// The text on one line: a name from the target must not write lines of its own. The runner writes out every other
/// character that cannot be seen.
#[must_use]
pub fn one_line(text: &str) -> String {
    text.replace('\n', "\\u{a}")
}

/// A path or a name as one word of a shell command. None where no text that can be shown is exactly it: it has characters
/// that are written out in a report, or bytes that are no text and were replaced.
#[must_use]
pub fn shell_word(text: &str) -> Option<String> {
    let hidden = |c: char| {
        c.is_control()
            || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}'
                | '\u{feff}' | '\u{fffd}')
    };
    if text.is_empty() || text.chars().any(hidden) {
        return None;
    }
    let plain = |c: char| c.is_ascii_alphanumeric() || "_@%+=:,./-".contains(c);
    // A shell may take a word that begins with "=" for the name of a program.
    let bare = text.chars().all(plain) && !text.starts_with('=');
    let word = if bare { text.to_owned() } else { format!("'{}'", text.replace('\'', r"'\''")) };
    Some(if text.starts_with('-') { format!("-- {word}") } else { word })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_read_like_a_sentence() {
        assert_eq!(words(&["a"]), "a");
        assert_eq!(words(&["a", "b"]), "a and b");
        assert_eq!(words(&["a", "b", "c"]), "a, b and c");
        assert!(words(&["x"; 15]).ends_with("x, x and 3 more"));
        assert_eq!(words::<&str>(&[]), "");
    }

    #[test]
    fn lines_end_with_the_number_of_the_rest() {
        assert_eq!(lines(&["a", "b"], 0), "- a\n- b");
        assert_eq!(lines(&["a"], 2), "- a\n- and 2 more");
        let many = lines(&["x"; 13], 0);
        assert_eq!(many.lines().count(), 13);
        assert!(many.ends_with("- x\n- and 1 more"));
    }

    #[test]
    fn a_name_writes_no_line_of_its_own() {
        assert_eq!(lines(&["a\nexit 0"], 0), "- a\\u{a}exit 0");
        assert_eq!(words(&["a\nb"]), "a\\u{a}b");
    }

    #[test]
    fn a_word_of_a_command_is_exactly_the_name_or_there_is_none() {
        for (name, word) in [
            ("/home/a/.openclaw", "/home/a/.openclaw"),
            ("/a b/it's", r"'/a b/it'\''s'"),
            ("$(id)", "'$(id)'"),
            ("a;b`c`", "'a;b`c`'"),
            ("~/x", "'~/x'"),
            ("=ls", "'=ls'"),
            ("-rf", "-- -rf"),
            ("-a b", "-- '-a b'"),
        ] {
            assert_eq!(shell_word(name).as_deref(), Some(word));
        }
        for name in ["", "a\nb", "a\u{1b}[0m", "a\u{202e}b", "caf\u{fffd}"] {
            assert_eq!(shell_word(name), None, "{name:?}");
        }
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(words(&["é".repeat(300)]).chars().count(), MAX_CHARS + 1);
    }
}
