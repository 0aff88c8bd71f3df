//! The type column of the schema table: its small language, and the test of one value against it.

use serde_json::Value;

use crate::target::js_trim;

/// One alternative of a type.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Kind {
    Text {
        min: usize,
        max: usize,
        form: Form,
    },
    Number {
        whole: bool,
        low: f64,
        low_excluded: bool,
        high: f64,
    },
    Bool,
    /// Exactly this value.
    Literal(Value),
    /// A list of values of one of these kinds; none means anything.
    Array(Vec<Kind>),
    Object,
}

/// What a text has to look like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::config) enum Form {
    Free,
    Colour,
    Uri,
}

/// What happens to keys that an object's type does not name.
#[derive(Debug, Clone, PartialEq)]
pub(in crate::config) enum Rest {
    Refused,
    Kept,
    Of(Vec<Kind>),
}

/// A parsed type column.
#[derive(Debug, Clone)]
pub(in crate::config) struct Type {
    /// Alternatives; none means anything.
    pub kinds: Vec<Kind>,
    pub rest: Rest,
    pub required: bool,
    pub default: Option<Value>,
}

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
    let (column, rest) = match column.trim() {
        "object strict" => ("object", Rest::Refused),
        "object openKeys" | "map" => ("object", Rest::Kept),
        other => match other.strip_prefix("object otherKeys=") {
            Some(kinds) => ("object", Rest::Of(alternatives(kinds))),
            None => (other, Rest::Kept),
        },
    };
    Type { kinds: alternatives(column), rest, required, default }
}

fn alternatives(text: &str) -> Vec<Kind> {
    let kinds: Vec<Option<Kind>> = split(text).into_iter().map(|part| kind(part.trim())).collect();
    // One unknown alternative makes the whole type unknown.
    kinds.into_iter().collect::<Option<Vec<_>>>().unwrap_or_default()
}

/// Splits at `|` outside of quotes, parentheses and angle brackets.
fn split(text: &str) -> Vec<&str> {
    let mut parts = Vec::new();
    let mut depth = 0usize;
    let mut quoted = false;
    let mut start = 0usize;
    for (at, byte) in text.bytes().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            _ if quoted => {}
            b'<' | b'(' => depth += 1,
            b'>' | b')' => depth = depth.saturating_sub(1),
            b'|' if depth == 0 => {
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
    if let Some(inner) = text.strip_prefix("array<").and_then(|rest| rest.strip_suffix('>')) {
        return Some(Kind::Array(alternatives(inner)));
    }
    let (name, options) = match text.split_once('(') {
        Some((name, options)) => (name, options.strip_suffix(')')?),
        None => (text, ""),
    };
    match name {
        "string" => Some(text_kind(options)),
        "number" | "integer" => Some(number_kind(name == "integer", options)),
        "boolean" => Some(Kind::Bool),
        "object" => Some(Kind::Object),
        _ => serde_json::from_str(text).ok().filter(|value: &Value| !value.is_object()).map(Kind::Literal),
    }
}

fn text_kind(options: &str) -> Kind {
    let form = if options.starts_with("pattern=^#?[0-9a-fA-F]{6}$") {
        Form::Colour
    } else if options == "format=uri" {
        Form::Uri
    } else {
        Form::Free
    };
    let number = |name: &str| options.strip_prefix(name).and_then(|text| text.parse().ok());
    Kind::Text {
        min: number("minLength=").unwrap_or(0),
        max: number("maxLength=").unwrap_or(usize::MAX),
        form,
    }
}

fn number_kind(whole: bool, options: &str) -> Kind {
    let (mut low, mut low_excluded, mut high) = (f64::NEG_INFINITY, false, f64::INFINITY);
    for option in options.split(',') {
        let Some((name, value)) = option.split_once('=') else { continue };
        let Ok(value) = value.parse::<f64>() else { continue };
        match name {
            "minimum" => low = value,
            "exclusiveMinimum" => (low, low_excluded) = (value, true),
            "maximum" => high = value,
            _ => {}
        }
    }
    Kind::Number { whole, low, low_excluded, high }
}

impl Kind {
    /// True when `value` is of this kind. Members of an object and objects in a list are not looked at.
    pub(in crate::config) fn accepts(&self, value: &Value) -> bool {
        match (self, value) {
            (Self::Text { min, max, form }, Value::String(text)) => {
                let length = text.encode_utf16().count();
                (*min..=*max).contains(&length) && form.accepts(text)
            }
            (Self::Number { whole, low, low_excluded, high }, Value::Number(number)) => {
                let Some(number) = number.as_f64() else { return false };
                let above = if *low_excluded { number > *low } else { number >= *low };
                above && number <= *high && (!whole || number.fract() == 0.0)
            }
            (Self::Bool, Value::Bool(_)) | (Self::Object, Value::Object(_)) => true,
            (Self::Literal(expected), value) => expected == value,
            (Self::Array(kinds), Value::Array(items)) => items.iter().all(|item| accepted(kinds, item)),
            _ => false,
        }
    }

    /// What is expected, for people.
    pub(in crate::config) fn describe(&self) -> String {
        match self {
            Self::Text { min, max, form } => match (form, min, max) {
                (Form::Colour, ..) => "a colour of six hexadecimal digits".to_owned(),
                (Form::Uri, ..) => "a URL".to_owned(),
                (Form::Free, 0, &usize::MAX) => "a string".to_owned(),
                (Form::Free, _, &usize::MAX) => "a string that is not empty".to_owned(),
                (Form::Free, _, max) => format!("a string of at most {max} characters"),
            },
            Self::Number { whole, low, low_excluded, high } => {
                let noun = if *whole { "a whole number" } else { "a number" };
                match (low.is_finite(), high.is_finite()) {
                    (true, true) => format!("{noun} from {low} to {high}"),
                    (true, false) if *low_excluded => format!("{noun} above {low}"),
                    (true, false) => format!("{noun} from {low}"),
                    (false, true) => format!("{noun} up to {high}"),
                    (false, false) => noun.to_owned(),
                }
            }
            Self::Bool => "true or false".to_owned(),
            Self::Literal(value) => value.to_string(),
            Self::Array(kinds) if kinds.is_empty() => "a list".to_owned(),
            Self::Array(kinds) => format!("a list of items, each {}", describe(kinds)),
            Self::Object => "an object".to_owned(),
        }
    }
}

impl Form {
    fn accepts(self, text: &str) -> bool {
        match self {
            Self::Free => true,
            Self::Colour => {
                let digits = text.strip_prefix('#').unwrap_or(text);
                digits.len() == 6 && digits.bytes().all(|byte| byte.is_ascii_hexdigit())
            }
            Self::Uri => js_trim(text).split_once(':').is_some_and(|(scheme, rest)| {
                !rest.is_empty()
                    && scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte))
            }),
        }
    }
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
