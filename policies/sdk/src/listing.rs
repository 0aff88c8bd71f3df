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

/// Each on a line of its own, and a last one for those that are not named.
#[must_use]
pub fn lines<T: AsRef<str>>(items: &[T]) -> String {
    let mut lines: Vec<String> =
        items.iter().take(MAX_NAMED).map(|item| format!("- {}", short(item.as_ref()))).collect();
    match items.len().saturating_sub(MAX_NAMED) {
        0 => {}
        more => lines.push(format!("- and {more} more")),
    }
    lines.join("\n")
}

fn short(text: &str) -> String {
    match text.char_indices().nth(MAX_CHARS) {
        Some((end, _)) => format!("{}…", text.split_at(end).0),
        None => text.to_owned(),
    }
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
        assert_eq!(lines(&["a", "b"]), "- a\n- b");
        let many = lines(&["x"; 13]);
        assert_eq!(many.lines().count(), 13);
        assert!(many.ends_with("- x\n- and 1 more"));
    }

    #[test]
    fn a_long_name_is_cut() {
        assert_eq!(words(&["é".repeat(300)]).chars().count(), MAX_CHARS + 1);
    }
}
