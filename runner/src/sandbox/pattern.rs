//! Patterns for paths: in a name `*` stands for any characters, as a name `**` stands for any names, and at the end
//! for at least one. Everything else stands for itself. A hostile pattern costs at most length times length.

/// The pattern names this path.
#[must_use]
pub fn matches(pattern: &str, path: &str) -> bool {
    if !pattern.contains('/') && pattern != "**" {
        // One name, as in the walk over a folder of a million files.
        return !path.contains('/') && name_matches(pattern, path);
    }
    let mut names: Vec<&str> = pattern.split('/').collect();
    if names.last() == Some(&"**") {
        names.push("*");
    }
    let path: Vec<&str> = path.split('/').collect();
    wild(&names, &path, |name| *name == "**", |pattern, name| name_matches(pattern, name))
}

fn name_matches(pattern: &str, name: &str) -> bool {
    wild(pattern.as_bytes(), name.as_bytes(), |byte| *byte == b'*', |pattern, byte| pattern == byte)
}

/// Matches a sequence against a pattern in which some parts stand for any run. When a part does not fit, the latest
/// such run takes one part more; earlier ones never need to.
fn wild<T>(pattern: &[T], text: &[T], is_run: impl Fn(&T) -> bool, fits: impl Fn(&T, &T) -> bool) -> bool {
    let (mut p, mut t) = (0, 0);
    let mut latest: Option<(usize, usize)> = None;
    while let Some(part) = text.get(t) {
        match pattern.get(p) {
            Some(run) if is_run(run) => {
                latest = Some((p, t));
                p += 1;
            }
            Some(one) if fits(one, part) => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((run, taken)) = latest else { return false };
                latest = Some((run, taken + 1));
                (p, t) = (run + 1, taken + 1);
            }
        }
    }
    pattern.iter().skip(p).all(is_run)
}

#[cfg(test)]
mod tests {
    use super::matches;

    #[test]
    fn a_star_stays_in_its_name() {
        for (pattern, path) in [
            ("a", "a"),
            ("a/*/c", "a/b/c"),
            ("*-allowFrom.json", "telegram-allowFrom.json"),
            ("a*b*c", "a-b-b-c"),
            ("*", "x"),
            ("openclaw.json*", "openclaw.json"),
            ("[a]?{b,c}", "[a]?{b,c}"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in
            [("a", "b"), ("a/*", "a"), ("a/*", "a/b/c"), ("*", "a/b"), ("a*", "ba"), ("a", "a/b"), ("?", "x")]
        {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn two_stars_cross_names() {
        for (pattern, path) in [
            ("a/**", "a/b"),
            ("a/**", "a/b/c"),
            ("**/x", "x"),
            ("**/x", "a/b/x"),
            ("a/**/z", "a/z"),
            ("**", "a"),
        ] {
            assert!(matches(pattern, path), "{pattern} {path}");
        }
        for (pattern, path) in [("a/**", "a"), ("a/**", "b/c"), ("**/x", "a/xx"), ("a/**/z", "a/b")] {
            assert!(!matches(pattern, path), "{pattern} {path}");
        }
    }

    #[test]
    fn a_hostile_pattern_ends() {
        assert!(!matches(&"**/*a*a*a*/".repeat(100), &"a".repeat(2000)));
        assert!(!matches(&"*a".repeat(1000), &"a".repeat(900)));
    }
}
