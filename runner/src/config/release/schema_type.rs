//! The type column of the schema table: its small language, and the test of one value against it.

use serde_json::Value;

use crate::config::pattern::Pattern;
use crate::target::js_trim;

/// Largest whole number that the gateway takes.
const MAX_SAFE: f64 = 9_007_199_254_740_991.0;

/// One alternative of a type.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Kind {
    Text(Box<Text>),
    Number {
        whole: bool,
        low: f64,
        low_excluded: bool,
        high: f64,
        high_excluded: bool,
    },
    Bool,
    /// Exactly this value.
    Literal(Value),
    /// A list of values of one of these kinds; none means anything.
    Array {
        kinds: Vec<Kind>,
        least: usize,
        most: usize,
        unique: bool,
    },
    Object,
    /// A reference to a secret that is kept elsewhere; `loose`: of a file or a program by any name.
    SecretRef {
        loose: bool,
    },
}

/// What a text has to be like.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct Text {
    min: usize,
    max: usize,
    /// Blanks at both ends do not count.
    trimmed: bool,
    starts_with: Option<String>,
    pattern: Option<Pattern>,
    colour: bool,
    format: Option<Format>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Format {
    Uri,
    Ipv4,
    Ipv6,
    DateTime,
}

/// What happens to keys that an object's type does not name.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Rest {
    Refused,
    Kept,
    Of(Vec<Kind>),
}

/// How many keys a map may have, and what they look like.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) struct Keys {
    pub least: usize,
    pub most: usize,
    name: Option<Text>,
}

impl Keys {
    /// The key may stand in the map.
    pub(in crate::config) fn accept(&self, key: &str) -> bool {
        self.name.as_ref().is_none_or(|name| name.accepts(key))
    }
}

/// A parsed type column.
#[derive(Debug, Clone)]
pub(in crate::config) struct Type {
    /// Alternatives; none means anything.
    pub kinds: Vec<Kind>,
    pub rest: Rest,
    pub keys: Option<Keys>,
    pub required: bool,
    pub default: Option<Value>,
}

/// The pattern of a colour has a name of its own for people.
const COLOUR: &str = "^#?[0-9a-fA-F]{6}$";

/// Parses a type column. What it does not know means "anything", so that a gap in the table never causes an alarm.
pub(in crate::config) fn parse(column: &str) -> Type {
    let (column, default) = match column.split_once(" default=") {
        Some((column, default)) => (column, serde_json::from_str(default).ok()),
        None => (column, None),
    };
    let (column, required) = match column.strip_suffix(" required") {
        Some(column) => (column, true),
        None => (column, false),
    };
    let (mut rest, mut keys) = (Rest::Kept, None);
    let column = column.trim();
    // The rest of a line that begins with it: its alternatives are those of the other keys.
    let parts = match column.strip_prefix("object otherKeys=") {
        Some(kinds) => {
            rest = Rest::Of(alternatives(kinds));
            vec!["object"]
        }
        None => split(column, b'|'),
    };
    let mut kinds: Option<Vec<Kind>> = Some(Vec::new());
    for part in parts {
        let part = match part.trim() {
            "object strict" => {
                rest = Rest::Refused;
                "object"
            }
            "object openKeys" => "object",
            part if part == "map" || part.starts_with("map(") => {
                keys = keys_of_map(part);
                "object"
            }
            part => part,
        };
        kinds = kinds.and_then(|mut kinds| {
            kinds.push(kind(part)?);
            Some(kinds)
        });
    }
    Type { kinds: kinds.unwrap_or_default(), rest, keys, required, default }
}

fn alternatives(text: &str) -> Vec<Kind> {
    let kinds = split(text, b'|').into_iter().map(|part| {
        let part = part.trim();
        kind(if part.starts_with("object ") { "object" } else { part })
    });
    // One unknown alternative makes the whole type unknown.
    kinds.collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Splits outside of quotes, parentheses and angle brackets. A pattern that holds any of these is quoted.
fn split(text: &str, at_byte: u8) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0usize;
    let (mut quoted, mut escaped) = (false, false);
    let mut start = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'<' | b'(' => depth += 1,
            b'>' | b')' => depth = depth.saturating_sub(1),
            _ if byte == at_byte && depth == 0 => {
                parts.extend(text.get(start..at));
                start = at + 1;
            }
            _ => {}
        }
    }
    parts.extend(text.get(start..));
    parts
}

fn kind(text: &str) -> Option<Kind> {
    if let Some(rest) = text.strip_prefix("array<") {
        let (inner, options) = match rest.strip_suffix('>') {
            Some(inner) => (inner, ""),
            None => rest.strip_suffix(')')?.rsplit_once(">(")?,
        };
        let number = |name: &str| option(options, name).and_then(|text| text.parse().ok());
        return Some(Kind::Array {
            kinds: alternatives(inner),
            least: number("minItems").unwrap_or(0),
            most: number("maxItems").unwrap_or(usize::MAX),
            unique: split(options, b',').contains(&"unique"),
        });
    }
    let (name, options) = match text.split_once('(') {
        Some((name, options)) if !name.starts_with('"') => (name, options.strip_suffix(')')?),
        _ => (text, ""),
    };
    match name {
        "string" => text_kind(options).map(|text| Kind::Text(Box::new(text))),
        "number" | "integer" => Some(number_kind(name == "integer", options)),
        "boolean" => Some(Kind::Bool),
        "object" => Some(Kind::Object),
        "array" => Some(Kind::Array { kinds: Vec::new(), least: 0, most: usize::MAX, unique: false }),
        "secretRef" => Some(Kind::SecretRef { loose: options == "loose" }),
        _ => serde_json::from_str(text).ok().filter(|value: &Value| !value.is_object()).map(Kind::Literal),
    }
}

/// The value of one option.
fn option<'o>(options: &'o str, name: &str) -> Option<&'o str> {
    split(options, b',').into_iter().find_map(|option| option.strip_prefix(name)?.strip_prefix('='))
}

fn keys_of_map(text: &str) -> Option<Keys> {
    let options = text.strip_prefix("map(")?.strip_suffix(')')?;
    let number = |name: &str| option(options, name).and_then(|text| text.parse().ok());
    let name = Text {
        min: number("keyMinLength").unwrap_or(0),
        max: number("keyMaxLength").unwrap_or(usize::MAX),
        pattern: option(options, "keyPattern").and_then(pattern),
        ..Text::any()
    };
    Some(Keys {
        least: number("minProperties").unwrap_or(0),
        most: number("maxProperties").unwrap_or(usize::MAX),
        name: (name != Text::any()).then_some(name),
    })
}

/// A pattern that is not known here means "anything".
fn pattern(text: &str) -> Option<Pattern> {
    let (text, flags) = text.rsplit_once(" flags=").unwrap_or((text, ""));
    let text = if text.starts_with('"') { serde_json::from_str(text).ok()? } else { text.to_owned() };
    Pattern::parse(&text, flags)
}

fn text_kind(options: &str) -> Option<Text> {
    let number = |name: &str| option(options, name).and_then(|text| text.parse().ok());
    let of_pattern = option(options, "pattern");
    let format = match option(options, "format") {
        None | Some("email") => None,
        Some("uri") => Some(Format::Uri),
        Some("ipv4") => Some(Format::Ipv4),
        Some("ipv6") => Some(Format::Ipv6),
        Some("date-time") => Some(Format::DateTime),
        Some(_) => return None,
    };
    Some(Text {
        min: number("minLength").unwrap_or(0),
        max: number("maxLength").unwrap_or(usize::MAX),
        trimmed: split(options, b',').contains(&"trim"),
        starts_with: option(options, "startsWith").map(str::to_owned),
        pattern: of_pattern.and_then(pattern),
        colour: of_pattern == Some(COLOUR),
        format,
    })
}

fn number_kind(whole: bool, options: &str) -> Kind {
    let (mut low, mut low_excluded) = (f64::NEG_INFINITY, false);
    let (mut high, mut high_excluded) = (f64::INFINITY, false);
    for option in options.split(',') {
        let Some((name, value)) = option.split_once('=') else { continue };
        let Ok(value) = value.parse::<f64>() else { continue };
        match name {
            "minimum" => low = value,
            "exclusiveMinimum" => (low, low_excluded) = (value, true),
            "maximum" => high = value,
            "exclusiveMaximum" => (high, high_excluded) = (value, true),
            _ => {}
        }
    }
    Kind::Number { whole, low, low_excluded, high, high_excluded }
}

impl Kind {
    /// True when `value` is of this kind. Members of an object and objects in a list are not looked at.
    pub(in crate::config) fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text(kind), Value::String(text)) => kind.accepts(text),
            (Self::Number { whole, low, low_excluded, high, high_excluded }, Value::Number(number)) => {
                let Some(number) = number.as_f64() else { return false };
                let above = if *low_excluded { number > *low } else { number >= *low };
                let below = if *high_excluded { number < *high } else { number <= *high };
                above && below && (!whole || (number.fract() == 0.0 && number.abs() <= MAX_SAFE))
            }
            (Self::Bool, Value::Bool(_)) | (Self::Object, Value::Object(_)) => true,
            (Self::Literal(expected), value) => expected == value,
            (Self::Array { kinds, .. }, Value::Array(items)) => {
                self.takes_length(items) && items.iter().all(|item| accepted(kinds, item))
            }
            (Self::SecretRef { loose }, value) => is_secret_ref(value, *loose),
            _ => false,
        }
    }

    /// A list may have so many items, and these side by side.
    pub(in crate::config) fn takes_length(&self, items: &[Value]) -> bool {
        let Self::Array { least, most, unique, .. } = self else { return false };
        (*least..=*most).contains(&items.len())
            && (!unique || {
                let mut texts: Vec<String> = items.iter().map(Value::to_string).collect();
                texts.sort_unstable();
                texts.is_sorted_by(|one, other| one < other)
            })
    }

    /// What is expected, for people.
    pub(in crate::config) fn describe(&self) -> String {
        match self {
            Self::Text(text) => text.describe(),
            Self::Number { whole, low, low_excluded, high, high_excluded } => {
                let noun = if *whole { "a whole number" } else { "a number" };
                match (low.is_finite(), high.is_finite()) {
                    (true, true) if *low_excluded => format!("{noun} above {low}, up to {high}"),
                    (true, true) => format!("{noun} from {low} to {high}"),
                    (true, false) if *low_excluded => format!("{noun} above {low}"),
                    (true, false) => format!("{noun} from {low}"),
                    (false, true) if *high_excluded => format!("{noun} below {high}"),
                    (false, true) => format!("{noun} up to {high}"),
                    (false, false) => noun.to_owned(),
                }
            }
            Self::Bool => "true or false".to_owned(),
            Self::Literal(value) => value.to_string(),
            Self::Array { kinds, least, most, unique } => {
                let mut text = match (*least, *most) {
                    (0, usize::MAX) => "a list".to_owned(),
                    (0, most) => format!("a list of at most {most}"),
                    (1, usize::MAX) => "a list that is not empty,".to_owned(),
                    (least, usize::MAX) => format!("a list of at least {least}"),
                    (least, most) => format!("a list of {least} to {most}"),
                };
                if !kinds.is_empty() {
                    let link =
                        if (*least, *most) == (0, usize::MAX) { " of items, each" } else { " items, each" };
                    let link = if text.ends_with(',') { " of items, each" } else { link };
                    text = format!("{text}{link} {}", describe(kinds));
                }
                if *unique {
                    text.push_str(", none of them twice");
                }
                text
            }
            Self::Object => "an object".to_owned(),
            Self::SecretRef { .. } => "a reference to a secret (source, provider and id)".to_owned(),
        }
    }
}

impl Text {
    const fn any() -> Self {
        Self {
            min: 0,
            max: usize::MAX,
            trimmed: false,
            starts_with: None,
            pattern: None,
            colour: false,
            format: None,
        }
    }

    fn accepts(&self, text: &str) -> bool {
        let text = if self.trimmed { js_trim(text) } else { text };
        let is_bounded = self.min > 0 || self.max < usize::MAX;
        (!is_bounded || (self.min..=self.max).contains(&text.encode_utf16().count()))
            && self.starts_with.as_deref().is_none_or(|start| text.starts_with(start))
            && self.pattern.as_ref().is_none_or(|pattern| pattern.fits(text))
            && self.format.is_none_or(|format| format.accepts(text))
    }

    fn describe(&self) -> String {
        let blank = if self.trimmed { "blank" } else { "empty" };
        match (self.format, self.min, self.max) {
            _ if self.colour => "a colour of six hexadecimal digits".to_owned(),
            (Some(Format::Uri), ..) => "a URL".to_owned(),
            (Some(Format::Ipv4), ..) => "an IPv4 address".to_owned(),
            (Some(Format::Ipv6), ..) => "an IPv6 address".to_owned(),
            (Some(Format::DateTime), ..) => "a date with a time".to_owned(),
            _ if self.pattern.is_some() => "a string of the expected form".to_owned(),
            (None, 0, usize::MAX) => "a string".to_owned(),
            (None, _, usize::MAX) => format!("a string that is not {blank}"),
            (None, 0, max) => format!("a string of at most {max} characters"),
            (None, min, max) => format!("a string of {min} to {max} characters"),
        }
    }
}

impl Format {
    fn accepts(self, text: &str) -> bool {
        match self {
            Self::Uri => url::Url::parse(js_trim(text)).is_ok(),
            Self::Ipv4 => text.parse::<std::net::Ipv4Addr>().is_ok(),
            Self::Ipv6 => text.parse::<std::net::Ipv6Addr>().is_ok(),
            Self::DateTime => is_date_time(text),
        }
    }
}

/// `2026-09-06T10:00:00.000Z`.
fn is_date_time(text: &str) -> bool {
    humantime::parse_rfc3339(text).is_ok()
}

/// An object with source, provider and id, all of the forms that the gateway takes, and nothing else.
fn is_secret_ref(value: &Value, loose: bool) -> bool {
    let Some(map) = value.as_object().filter(|map| map.len() == 3) else { return false };
    let text = |key: &str| map.get(key).and_then(Value::as_str);
    let (Some(source), Some(provider), Some(id)) = (text("source"), text("provider"), text("id")) else {
        return false;
    };
    let provider_fits = (1..=64).contains(&provider.len())
        && provider.starts_with(|c: char| c.is_ascii_lowercase())
        && provider
            .bytes()
            .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || b"_-".contains(&byte));
    provider_fits
        && match source {
            "env" | "store" => {
                (1..=128).contains(&id.len())
                    && id.starts_with(|c: char| c.is_ascii_uppercase())
                    && id
                        .bytes()
                        .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            }
            "file" | "exec" if loose => true,
            "file" => id == "value" || is_json_pointer(id),
            "exec" => {
                (1..=256).contains(&id.len())
                    && id.starts_with(|c: char| c.is_ascii_alphanumeric())
                    && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._:/#-".contains(&byte))
                    && id.split('/').all(|segment| !matches!(segment, "." | ".."))
            }
            _ => false,
        }
}

fn is_json_pointer(text: &str) -> bool {
    let mut tildes = text.split('~');
    let first = tildes.next().unwrap_or_default();
    first.starts_with('/') && tildes.all(|part| part.starts_with(['0', '1']))
}

/// True when one of `kinds` accepts `value`; no kinds accept anything.
pub(in crate::config) fn accepted(kinds: &[Kind], value: &Value) -> bool {
    kinds.is_empty() || kinds.iter().any(|kind| kind.accepts(value))
}

/// The alternatives for people: `"a", "b" or "c"`.
pub(in crate::config) fn describe(kinds: &[Kind]) -> String {
    let parts: Vec<String> = kinds.iter().map(Kind::describe).collect();
    match parts.split_last() {
        Some((last, [])) => last.clone(),
        Some((last, first)) => format!("{} or {last}", first.join(", ")),
        None => "anything".to_owned(),
    }
}
