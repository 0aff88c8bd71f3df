//! Forms of texts that several rules ask for: durations, sizes, URLs, names of hosts and models.

use std::net::IpAddr;

use url::{Host, Url};

use crate::target::js_trim;

/// The words and units of a width in CSS (program 2026.5.28).
const CSS_KEYWORDS: [&str; 3] = ["none", "min-content", "max-content"];
const CSS_FUNCTIONS: [&str; 5] = ["calc", "clamp", "fit-content", "max", "min"];
const CSS_UNITS: [&str; 8] = ["ch", "em", "rem", "vh", "vmax", "vmin", "vw", "px"];
/// More characters than this have no width.
const MAX_CSS_WIDTH: usize = 96;

/// Largest whole number that the gateway takes.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

const MILLISECONDS: [(&str, f64); 5] =
    [("ms", 1.0), ("s", 1000.0), ("m", 60_000.0), ("h", 3_600_000.0), ("d", 86_400_000.0)];

const KIB: f64 = 1024.0;

const BYTES: [(&str, f64); 9] = [
    ("b", 1.0),
    ("k", KIB),
    ("kb", KIB),
    ("m", KIB * KIB),
    ("mb", KIB * KIB),
    ("g", KIB * KIB * KIB),
    ("gb", KIB * KIB * KIB),
    ("t", KIB * KIB * KIB * KIB),
    ("tb", KIB * KIB * KIB * KIB),
];

/// A duration in milliseconds: a number with a unit, or without one in `unit`; where `composed`, also several with their
/// units in a row.
pub(super) fn duration(text: &str, unit: &str, composed: bool) -> Option<f64> {
    let text = js_trim(text).to_lowercase();
    let factor = |unit: &str| MILLISECONDS.iter().find(|(name, _)| *name == unit).map(|(_, factor)| *factor);
    let (number, name, rest) = number(&text)?;
    let mut total = match name {
        "" if rest.is_empty() => number * factor(unit)?,
        name => number * factor(name)?,
    };
    let mut rest = rest;
    while !rest.is_empty() && composed {
        let (number, name, behind) = self::number(rest)?;
        total += number * factor(name)?;
        rest = behind;
    }
    (rest.is_empty() && total.round() <= MAX_SAFE).then_some(total.round())
}

/// A size in bytes: a number, possibly with a unit.
pub(super) fn size(text: &str) -> Option<f64> {
    let text = js_trim(text).to_lowercase();
    let (number, name, rest) = number(&text)?;
    let name = if name.is_empty() { "b" } else { name };
    let factor = BYTES.iter().find(|(unit, _)| *unit == name)?.1;
    let bytes = (number * factor).round();
    (rest.is_empty() && bytes <= MAX_SAFE).then_some(bytes)
}

/// A number without a sign at the start of a text, the letters behind it, and the rest.
fn number(text: &str) -> Option<(f64, &str, &str)> {
    let end = text.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(text.len());
    let (number, rest) = text.split_at_checked(end)?;
    let (whole, part) = number.split_once('.').unwrap_or((number, "0"));
    let number = (is_digits(whole) && is_digits(part)).then(|| number.parse().ok())??;
    let end = rest.find(|c: char| !c.is_ascii_lowercase()).unwrap_or(rest.len());
    let (name, rest) = rest.split_at_checked(end)?;
    Some((number, name, rest))
}

pub(super) fn is_digits(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The URL that a text is.
pub(super) fn url(text: &str) -> Option<Url> {
    Url::parse(js_trim(text)).ok()
}

/// An http or https URL.
pub(super) fn is_http(text: &str) -> bool {
    url(text).is_some_and(|url| matches!(url.scheme(), "http" | "https"))
}

/// The URL of a host alone, over http or https.
pub(super) fn origin(text: &str) -> Option<Url> {
    let url = url(text)?;
    let is_bare = url.path() == "/"
        && url.query().is_none_or(str::is_empty)
        && url.fragment().is_none_or(str::is_empty)
        && url.username().is_empty()
        && url.password().is_none_or(str::is_empty);
    (is_bare && matches!(url.scheme(), "http" | "https")).then_some(url)
}

/// The URL is one over https, or of this machine.
pub(super) fn is_private(url: &Url) -> bool {
    match url.scheme() {
        "https" => true,
        "http" => match url.host() {
            Some(Host::Domain(name)) => name == "localhost",
            Some(Host::Ipv4(address)) => address == std::net::Ipv4Addr::LOCALHOST,
            Some(Host::Ipv6(address)) => address == std::net::Ipv6Addr::LOCALHOST,
            None => false,
        },
        _ => false,
    }
}

/// Provider and model of `provider/model`.
pub(super) fn model(text: &str) -> Option<(&str, &str)> {
    let (provider, model) = js_trim(text).split_once('/')?;
    let (provider, model) = (js_trim(provider), js_trim(model));
    (!provider.is_empty() && !model.is_empty()).then_some((provider, model))
}

/// The name or address of one host, and nothing else.
pub(super) fn is_host(text: &str) -> bool {
    const MOST: usize = 253;
    let name = js_trim(text).to_lowercase();
    let name = name.trim_end_matches('.');
    if name.contains('*') {
        return false;
    }
    let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
    if name.parse::<IpAddr>().is_ok() {
        return true;
    }
    let is_foreign = |c: char| c.is_whitespace() || matches!(c, ':' | '/' | '?' | '#' | '@');
    if name.is_empty() || name.contains(is_foreign) {
        return false;
    }
    let Some(Host::Domain(name)) = Host::parse(name).ok() else { return false };
    name.len() <= MOST && name.split('.').all(is_label)
}

/// One part of the name of a host.
pub(super) fn is_label(label: &str) -> bool {
    const MOST: usize = 63;
    (1..=MOST).contains(&label.len())
        && !label.starts_with('-')
        && !label.ends_with('-')
        && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
}

/// An absolute path of this system or of Windows.
pub(super) fn is_absolute(path: &str) -> bool {
    let share = || {
        let mut parts = path.strip_prefix("\\\\")?.splitn(2, '\\');
        Some(!parts.next()?.is_empty() && parts.next()?.starts_with(|c| c != '\\'))
    };
    path.starts_with('/') || is_on_drive(path) || share() == Some(true)
}

/// A path that begins with the letter of a drive.
pub(super) fn is_on_drive(path: &str) -> bool {
    let mut bytes = path.bytes();
    bytes.next().is_some_and(|byte| byte.is_ascii_alphabetic())
        && bytes.next() == Some(b':')
        && bytes.next().is_some_and(|byte| matches!(byte, b'/' | b'\\'))
}

/// A program that is named without anything of a shell.
pub(super) fn is_safe_program(path: &str) -> bool {
    const SHELL: [char; 12] = ['\0', '\r', '\n', '"', '\'', ';', '&', '|', '`', '$', '<', '>'];
    let path = js_trim(path);
    let is_path = path.starts_with(['.', '~']) || path.contains(['/', '\\']);
    let bare = !path.is_empty()
        && !path.starts_with('-')
        && path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._+-".contains(&byte));
    !path.contains(SHELL) && (is_path || bare)
}

/// A width as CSS has it: a word, a length, or a function of lengths.
pub(super) fn is_css_width(text: &str) -> bool {
    let text = js_trim(text).split(char::is_whitespace).filter(|part| !part.is_empty());
    let text = text.collect::<Vec<_>>().join(" ").to_ascii_lowercase();
    if text.is_empty() || text.len() > MAX_CSS_WIDTH {
        return false;
    }
    CSS_KEYWORDS.contains(&text.as_str()) || is_css_length(&text) || is_css_function(&text)
}

fn is_css_length(text: &str) -> bool {
    let unit = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, unit) = text.split_at(unit);
    let (whole, part) = number.split_once('.').map_or((number, None), |(whole, part)| (whole, Some(part)));
    let has_digits = part.map_or(!whole.is_empty(), |part| !part.is_empty() && !part.contains('.'));
    has_digits && (unit == "%" || CSS_UNITS.contains(&unit))
}

fn is_css_function(text: &str) -> bool {
    let is_known = |word: &str| {
        [CSS_FUNCTIONS.as_slice(), &CSS_KEYWORDS, &CSS_UNITS].iter().any(|words| words.contains(&word))
    };
    let mut depth = 0_usize;
    for c in text.chars() {
        match c {
            '(' => depth += 1,
            ')' if depth == 0 => return false,
            ')' => depth -= 1,
            _ if c.is_ascii_alphanumeric() || ".%+-*/, ".contains(c) => {}
            _ => return false,
        }
    }
    // A word begins with a letter: `100px` holds `px`.
    let words = text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-');
    let mut words = words.map(|word| word.trim_start_matches(|c: char| !c.is_ascii_alphabetic()));
    let begins = |name: &str| text.strip_prefix(name).is_some_and(|rest| rest.starts_with('('));
    depth == 0
        && words.all(|word| word.is_empty() || is_known(word))
        && CSS_FUNCTIONS.iter().any(|name| begins(name) && text.ends_with(')') && text.len() > name.len() + 2)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_and_sizes() {
        assert_eq!(duration(" 1.5D ", "m", false), Some(129_600_000.0));
        assert_eq!(duration("5", "m", false), Some(300_000.0));
        assert_eq!(duration("1h30m", "m", true), Some(5_400_000.0));
        for wrong in ["", "soon", "5 m", ".5h", "-5m", "1h30", "1h 30m", "5x", "5."] {
            assert_eq!(duration(wrong, "m", true), None, "{wrong}");
        }
        assert_eq!(duration("1h30m", "m", false), None);
        assert_eq!(size("1.5KB"), Some(1536.0));
        assert_eq!(size("7"), Some(7.0));
        for wrong in ["", "big", "1h", "1 kb", "9999999999tb", "-1"] {
            assert_eq!(size(wrong), None, "{wrong}");
        }
    }

    #[test]
    fn widths_of_css() {
        for width in [
            "960px",
            "82%",
            "min(1280px, 82%)",
            "calc(100% - 2rem)",
            "NONE",
            "1.5em",
            ".5vw",
            "  960px ",
            "calc( )",
            "max(1px,calc(2px + 3vmin))",
            "calc(1px) max(2px)",
            "calc(5--px)",
        ] {
            assert!(is_css_width(width), "{width}");
        }
        for wrong in [
            "",
            "12",
            "1.px",
            "1.2.3px",
            "calc()",
            "calc(1px))",
            "(1px)",
            "url(x)",
            "1e3px",
            "calc(1px);x",
            "-5px",
            "calc(a-b)",
            "1 px",
        ] {
            assert!(!is_css_width(wrong), "{wrong}");
        }
    }

    #[test]
    fn hosts_and_origins() {
        for host in ["a.example", "A.Example.", "10.0.0.1", "[::1]", "localhost"] {
            assert!(is_host(host), "{host}");
        }
        for wrong in ["*.example", "https://a", "a:1", "a/b", "", ".", "-a.b", "a_b.c", "a b"] {
            assert!(!is_host(wrong), "{wrong}");
        }
        assert!(origin("https://a.example").is_some() && origin("http://a:1/").is_some());
        for wrong in ["https://a/x", "https://u@a", "https://a?b", "ftp://a", "a"] {
            assert!(origin(wrong).is_none(), "{wrong}");
        }
        let private = |text| url(text).is_some_and(|url| is_private(&url));
        assert!(private("http://localhost:1") && private("http://[::1]/") && private("https://a"));
        assert!(!private("http://a") && !private("ftp://localhost"));
    }

    #[test]
    fn models_and_paths() {
        assert_eq!(model(" a / b/c "), Some(("a", "b/c")));
        assert_eq!(model("a"), None);
        assert_eq!(model("/b"), None);
        for path in ["/a", "C:\\a", "c:/a", "\\\\host\\share"] {
            assert!(is_absolute(path), "{path}");
        }
        for path in ["a", "~/a", "C:a", "\\\\host", "\\a"] {
            assert!(!is_absolute(path), "{path}");
        }
        assert!(is_safe_program("signal-cli") && is_safe_program("C:\\a b"));
        assert!(!is_safe_program("a;b") && !is_safe_program("-a") && !is_safe_program("a b"));
    }
}
