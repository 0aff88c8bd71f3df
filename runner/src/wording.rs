//! Words for people: the name that they probably meant, where a TOML text is wrong, text that can be seen, and words of commands that
//! can be pasted.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt as _;

/// Names less alike than this are different words. With it `bnid` suggests `bind`, and `foo` nothing.
const ALIKE: f64 = 0.8;

/// The most similar of the known names, where one is similar enough.
pub fn nearest<T: AsRef<str>>(name: &str, known: impl IntoIterator<Item = T>) -> Option<T> {
    let scored = known.into_iter().map(|known| (strsim::jaro(name, known.as_ref()), known));
    let best = scored.max_by(|a, b| a.0.total_cmp(&b.0))?;
    (best.0 > ALIKE).then_some(best.1)
}

/// Control, bidirectional and zero-width characters.
#[must_use]
pub fn is_invisible(c: char) -> bool {
    // Nearly all letters that are asked about.
    if c.is_ascii() {
        return c.is_ascii_control();
    }
    c.is_control()
        || u32::from(c) & 0xfffe == 0xfffe
        || matches!(c, '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{17b4}' | '\u{17b5}'
            | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}'
            | '\u{fff0}'..='\u{fffb}' | '\u{13430}'..='\u{1345f}' | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}')
}

/// An address without what could be a secret of it: what stands before an @ that no digest follows, where a colon is before it, and a query.
#[must_use]
pub fn without_login(address: &str) -> Cow<'_, str> {
    let mut parts = address.match_indices('@').filter_map(|(at, _)| address.split_at_checked(at));
    let login = parts.rfind(|(before, from)| before.contains(':') && !from.starts_with("@sha256:"));
    let (shown, is_cut) = login.map_or((address, false), |(_, from)| (from, true));
    let (shown, query) = shown.split_once('?').filter(|_| address.contains("://")).unwrap_or((shown, ""));
    if !is_cut && query.is_empty() {
        return address.into();
    }
    let (before, behind) = (if is_cut { "…" } else { "" }, if query.is_empty() { "" } else { "?…" });
    format!("{before}{shown}{behind}").into()
}

/// A word of a command that can be pasted into a shell: bare where that is the same, in quotes otherwise, and with escapes where it is no
/// text that can be seen.
#[must_use]
pub fn shell_word(word: impl AsRef<OsStr>) -> String {
    let word = word.as_ref();
    let plain = |byte: &u8| byte.is_ascii_alphanumeric() || b"_@%+=:,./-#".contains(byte);
    let bytes = word.as_bytes();
    match word.to_str() {
        // A # begins a comment where it is the first letter, and a = names a program for some shells.
        Some(text) if !bytes.is_empty() && bytes.iter().all(plain) && !text.starts_with(['#', '=']) => {
            text.to_owned()
        }
        Some(text) if !text.chars().any(is_invisible) => format!("'{}'", text.replace('\'', r"'\''")),
        _ => {
            let escaped = bytes.iter().map(|byte| match byte {
                byte if plain(byte) => char::from(*byte).to_string(),
                byte => format!("\\x{byte:02x}"),
            });
            format!("$'{}'", escaped.collect::<String>())
        }
    }
}

/// The text with control, bidirectional and zero-width characters written out as `\u{...}`.
#[must_use]
pub fn visible(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for c in text.chars() {
        if is_invisible(c) {
            out.extend(c.escape_unicode());
        } else {
            out.push(c);
        }
    }
    out
}

/// What is wrong with a TOML text, on one line, with the number of the line it is about.
pub fn of_toml(text: &str, error: &toml::de::Error) -> String {
    let before = error.span().and_then(|span| text.get(..span.start));
    let line = before.map_or(String::new(), |before| format!("line {}: ", before.matches('\n').count() + 1));
    let message = error.message().lines().collect::<Vec<_>>().join(" ");
    let quoted: Vec<&str> = message.split('`').skip(1).step_by(2).collect();
    if let (true, [unknown, known @ ..]) = (message.starts_with("unknown field"), &quoted[..])
        && let Some(near) = nearest(unknown, known)
    {
        return format!("{line}unknown field `{unknown}`; did you mean `{near}`?");
    }
    let about = error.span().and_then(|span| {
        let start = text.get(..span.start)?.rfind('\n').map_or(0, |at| at + 1);
        text.get(start..)?.lines().next().map(str::trim)
    });
    // A table where there can be several of its kind.
    let table = about.filter(|line| line.starts_with('[') && !line.starts_with("[["));
    if let (true, Some(table)) = (message == "invalid type: map, expected a sequence", table) {
        return format!("{line}there can be several of them: write [{table}]");
    }
    // Messages of this kind do not name the key that they are about.
    let about = about.filter(|line| message.starts_with("invalid ") && line.contains('='));
    let about =
        about.map_or(String::new(), |about| format!(" ({})", about.chars().take(60).collect::<String>()));
    line + &message + &about
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_is_shown_without_its_login_and_its_query() {
        let digest = format!("oci://ghcr.io/a:1@sha256:{}", "a1".repeat(32));
        for plain in ["oci://ghcr.io/a:1", &digest, "./a@1.wasm", "folder/a?.wasm", "C:\\a.wasm", ""] {
            assert_eq!(without_login(plain), plain);
        }
        for (secret, shown) in [
            ("oci://user:hunter2@h/a:1", "…@h/a:1"),
            ("oci://hunter2@h/a@sha256:00", "…@h/a@sha256:00"),
            ("oci://a:hun@ter2@h/a", "…@h/a"),
            ("docker:/user:hunter2@h", "…@h"),
            ("user:hunter2@h/a", "…@h/a"),
            ("oci://h/a?token=hunter2", "oci://h/a?…"),
            ("https://u:hunter2@h/?a=hunter2@x", "…@x"),
        ] {
            assert_eq!(without_login(secret), shown);
        }
    }

    #[test]
    fn what_is_wrong_with_toml_names_line_and_key() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Form {
            #[expect(dead_code, reason = "it is what a text may have")]
            enabled: bool,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Lists {
            #[expect(dead_code, reason = "it is what a text may have")]
            list: Vec<toml::Table>,
        }
        let of = |text: &str| of_toml(text, &toml::from_str::<Form>(text).unwrap_err());
        assert_eq!(
            of("# a\nenabled = \"yes\""),
            "line 2: invalid type: string \"yes\", expected a boolean (enabled = \"yes\")"
        );
        assert_eq!(of("enabeld = true"), "line 1: unknown field `enabeld`; did you mean `enabled`?");
        let text = "a = 1\n[list]\nb = 2";
        let several = of_toml(text, &toml::from_str::<Lists>(text).unwrap_err());
        assert_eq!(several, "line 2: there can be several of them: write [[list]]");
        assert!(of("other = true").starts_with("line 1: unknown field `other`, expected `enabled`"));
    }

    #[test]
    fn a_word_of_a_command_is_one_word() {
        for (name, word) in [
            ("/home/ann/mine.wasm", "/home/ann/mine.wasm"),
            ("oci://ghcr.io/ann/mine:1.0.0@sha256:ab", "oci://ghcr.io/ann/mine:1.0.0@sha256:ab"),
            ("a; touch b", "'a; touch b'"),
            ("it's $(id)", r"'it'\''s $(id)'"),
            ("--yes", "--yes"),
            ("=ls", "'=ls'"),
            ("a\nb", r"$'a\x0ab'"),
            ("", "''"),
            ("~/x", "'~/x'"),
        ] {
            assert_eq!(shell_word(name), word);
        }
    }

    #[test]
    fn a_slip_has_a_suggestion_and_another_word_none() {
        let known = ["bind", "auth", "remote"];
        assert_eq!(nearest("bnid", known), Some("bind"));
        assert_eq!(nearest("foo", known), None);
        assert_eq!(nearest("bind", std::iter::empty::<&str>()), None);
    }
}
