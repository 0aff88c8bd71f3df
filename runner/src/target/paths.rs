//! Path arithmetic as the gateway does it: textual, without a look at the file system.

use std::path::{Component, Path, PathBuf};

/// White space in the sense of JavaScript's `trim`.
fn is_js_space(c: char) -> bool {
    matches!(c,
        '\u{9}'..='\u{d}' | ' ' | '\u{a0}' | '\u{1680}' | '\u{2000}'..='\u{200a}' | '\u{2028}' | '\u{2029}'
        | '\u{202f}' | '\u{205f}' | '\u{3000}' | '\u{feff}')
}

/// `text` without leading and trailing JavaScript white space.
pub fn js_trim(text: &str) -> &str {
    text.trim_matches(is_js_space)
}

/// Collapses `.`, `..` and repeated separators textually. `..` at the root stays at the root.
pub fn normalise(path: &Path) -> PathBuf {
    let mut clean = PathBuf::new();
    for component in path.components() {
        match component {
            Component::CurDir => {}
            Component::ParentDir => {
                // At the root there is nothing to take away; a relative path keeps its leading `..`.
                let at_start = clean.file_name().is_none();
                if at_start && !clean.has_root() {
                    clean.push(component);
                } else {
                    clean.pop();
                }
            }
            other => clean.push(other),
        }
    }
    clean
}

/// `path` against `base` (absolute), normalised.
pub fn absolute(base: &Path, path: &Path) -> PathBuf {
    normalise(&base.join(path))
}

/// A leading `~` that is followed by `/`, `\` or the end becomes `home`; anything else stays as it is.
pub fn expand_home(text: &str, home: &Path) -> Option<PathBuf> {
    let rest = text.strip_prefix('~')?;
    if rest.is_empty() {
        return Some(home.to_owned());
    }
    let below = rest.strip_prefix(['/', '\\'])?;
    Some(normalise(&home.join(below.trim_start_matches('/'))))
}

/// A path as a user writes it: trimmed, `~` expanded, made absolute against `cwd`.
pub fn user_path(text: &str, home: &Path, cwd: &Path) -> PathBuf {
    let text = js_trim(text);
    expand_home(text, home).unwrap_or_else(|| absolute(cwd, Path::new(text)))
}

/// True when `path` is `base` or lies below it. Both have to be normalised.
pub fn is_inside(base: &Path, path: &Path) -> bool {
    path.starts_with(base)
}
