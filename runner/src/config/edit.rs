//! Changes single values in the text of a config file, and not one byte more: comments, formatting, key order, line
//! ends and trailing commas stay as they are, and what is new is written like what stands around it.

use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use serde_json::Value;

use super::scan::scan;
use super::tree::{parse, second_reader};
use super::{Config, MAX_DEPTH, MAX_POINTER_BYTES, MAX_VALUES, ProblemKind, segments};

/// A value to set. Where there is none yet, it is added to the object around it.
#[derive(Debug, Clone, PartialEq)]
pub struct Edit {
    /// RFC 6901 pointer into the effective config.
    pub pointer: String,
    /// The new value.
    pub value: Value,
}

/// Why a text cannot be edited.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EditError {
    /// No file says it.
    #[error("no config file holds this value or a section that it could be added to")]
    Nowhere,
    /// Two readers do not agree on the file.
    #[error("{0} can be understood in two ways; mend that first")]
    Ambiguous(String),
    /// The text is not what the file holds.
    #[error("{0} is not valid UTF-8, or the places of its values are not known")]
    NotExact(String),
    /// Two edits touch the same text.
    #[error("two changes concern the same text")]
    Overlap,
}

/// A piece of text to put in place of another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Patch {
    pub start: usize,
    pub end: usize,
    pub text: String,
}

/// What a config text says, without what it includes; none where it is not understood.
#[must_use]
pub fn value_of(text: &str) -> Option<Value> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    scan(text, MAX_DEPTH, MAX_VALUES).ok()?;
    let parsed = parse(text, 0, 0, &mut MAX_POINTER_BYTES.clone()).ok()?;
    Some(parsed.tree.into_parts().0)
}

impl Config {
    /// A file of this load holds an object, as a config or a part of it does.
    #[must_use]
    pub fn is_object_file(&self, file: usize) -> bool {
        self.files.get(file).and_then(|file| value_of(&file.text)).is_some_and(|value| value.is_object())
    }

    /// The file that [`Config::edited`] would change.
    pub fn edited_file(&self, edit: &Edit) -> Result<usize, EditError> {
        self.patches(edit).map(|(file, _)| file)
    }

    /// The new text of each file that the edits change, by its index in `files`; without a byte order mark.
    pub fn edited(&self, edits: &[Edit]) -> Result<Vec<(usize, String)>, EditError> {
        let apply = |(file, patches): (usize, Vec<Patch>)| {
            let text = self.files.get(file).map(|file| file.text.as_str()).unwrap_or_default();
            Ok((file, patched(text, patches)?))
        };
        self.patches_by_file(edits)?.into_iter().map(apply).collect()
    }

    /// What the edits put into each file that they change.
    pub(super) fn patches_by_file(&self, edits: &[Edit]) -> Result<Vec<(usize, Vec<Patch>)>, EditError> {
        let mut by_file: Vec<(usize, Vec<Patch>)> = Vec::new();
        for edit in edits {
            let (file, patches) = self.patches(edit)?;
            match by_file.iter_mut().find(|(known, _)| *known == file) {
                Some((_, all)) => all.extend(patches),
                None => by_file.push((file, patches)),
            }
        }
        Ok(by_file)
    }

    fn patches(&self, edit: &Edit) -> Result<(usize, Vec<Patch>), EditError> {
        if let Some((file, range)) = self.range(&edit.pointer) {
            let text = self.editable(file)?;
            let old = text.get(range.clone()).ok_or(EditError::Nowhere)?;
            let quote = if old.starts_with('\'') { '\'' } else { '"' };
            let patch = Patch { start: range.start, end: range.end, text: written(&edit.value, quote) };
            return Ok((file, vec![patch]));
        }
        if self.effective.pointer(&edit.pointer).is_some() {
            return Err(EditError::Nowhere); // it comes from somewhere else than a text
        }
        let (parent, _) = edit.pointer.rsplit_once('/').ok_or(EditError::Nowhere)?;
        let key = segments(&edit.pointer).and_then(|mut path| path.pop()).ok_or(EditError::Nowhere)?;
        let (file, range) = self.range(parent).ok_or(EditError::Nowhere)?;
        let text = self.editable(file)?;
        let document = second_reader(text).ok_or(EditError::Nowhere)?;
        let object = object_at(&document, range.start).ok_or(EditError::Nowhere)?;
        Ok((file, member(text, object, &key, &edit.value)))
    }

    fn editable(&self, file: usize) -> Result<&str, EditError> {
        let source = self.files.get(file).ok_or(EditError::Nowhere)?;
        let name = || source.path.display().to_string();
        let doubt = self.problems.iter().any(|problem| {
            problem.kind == ProblemKind::Truncated
                || (problem.kind == ProblemKind::Ambiguous && problem.path.as_ref() == Some(&source.path))
        });
        match (source.exact, doubt) {
            (false, _) => Err(EditError::NotExact(name())),
            (true, true) => Err(EditError::Ambiguous(name())),
            (true, false) => Ok(&source.text),
        }
    }
}

/// Puts the patches in.
pub(super) fn patched(text: &str, mut patches: Vec<Patch>) -> Result<String, EditError> {
    patches.sort_by_key(|patch| (patch.start, patch.end));
    let (mut out, mut at) = (String::with_capacity(text.len() + 64), 0);
    for patch in patches {
        out.push_str(text.get(at..patch.start).ok_or(EditError::Overlap)?);
        out.push_str(&patch.text);
        at = patch.end;
    }
    out.push_str(text.get(at..).ok_or(EditError::Overlap)?);
    Ok(out)
}

/// The object that begins at a byte.
fn object_at<'d, 't>(value: &'d ast::Value<'t>, start: usize) -> Option<&'d ast::Object<'t>> {
    let range = value.range();
    if start < range.start || start >= range.end {
        return None;
    }
    match value {
        ast::Value::Object(object) if range.start == start => Some(object),
        ast::Value::Object(object) => {
            object.properties.iter().find_map(|property| object_at(&property.value, start))
        }
        ast::Value::Array(array) => array.elements.iter().find_map(|element| object_at(element, start)),
        _ => None,
    }
}

/// A new member behind the last one, written as that one is. A comment behind the last member stays with it.
fn member(text: &str, object: &ast::Object<'_>, key: &str, value: &Value) -> Vec<Patch> {
    let insert = |at: usize, text: String| Patch { start: at, end: at, text };
    let Some(last) = object.properties.last() else {
        let inside = object.range.start + 1;
        return vec![insert(inside, format!(" {}: {} ", quoted(key, '"'), written(value, '"')))];
    };
    let slice = |start: usize, end: usize| text.get(start..end).unwrap_or_default();
    let (name, after) = (last.name.range(), last.value.end());
    let before = slice(0, name.start);
    let lead = before.get(before.trim_end().len()..).unwrap_or_default();
    // One line end and the indent; blank lines above the last member are its own.
    let lead = match lead.rfind('\n') {
        Some(newline) if lead.get(..newline).is_some_and(|head| head.ends_with('\r')) => {
            lead.get(newline - 1..).unwrap_or(lead)
        }
        Some(newline) => lead.get(newline..).unwrap_or(lead),
        None if lead.is_empty() || object.properties.len() == 1 => " ",
        None => lead,
    };
    let written_key = match slice(name.start, name.start + 1) {
        quote @ ("'" | "\"") => quoted(key, if quote == "'" { '\'' } else { '"' }),
        _ if is_bare(key) => key.to_owned(),
        _ => quoted(key, '"'),
    };
    let quote = if slice(last.value.start(), last.value.start() + 1) == "'" { '\'' } else { '"' };
    let colon = slice(name.end, last.value.start());
    let colon = if colon.trim() == ":" { colon } else { ": " };
    let new = format!("{lead}{written_key}{colon}{}", written(value, quote));

    let rest = slice(after, object.range.end);
    let comma = comma_in(rest).map(|offset| after + offset);
    // The new member goes behind a comment that stands on the line of the last one.
    let from = comma.map_or(after, |comma| comma + 1);
    let at = if lead.contains('\n') { end_of_comments(text, from) } else { from };
    match comma {
        Some(_) => vec![insert(at, format!("{new},"))],
        None if at == after => vec![insert(at, format!(",{new}"))],
        None => vec![insert(after, ",".to_owned()), insert(at, new)],
    }
}

/// The offset of a comma that follows white space and comments alone.
fn comma_in(text: &str) -> Option<usize> {
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let next = rest.trim_start();
        at += rest.len() - next.len();
        if next.starts_with(',') {
            return Some(at);
        }
        at += comment_length(next)?;
    }
}

/// Where the comments end that begin on the line of `from`.
fn end_of_comments(text: &str, from: usize) -> usize {
    let mut end = from;
    loop {
        let rest = text.get(end..).unwrap_or_default();
        let next = rest.trim_start_matches([' ', '\t']);
        let Some(length) = comment_length(next) else { return end };
        end += rest.len() - next.len() + length;
    }
}

/// The length of the comment at the beginning of a text, without the line end.
fn comment_length(text: &str) -> Option<usize> {
    if text.starts_with("//") {
        Some(text.find(['\n', '\r']).unwrap_or(text.len()))
    } else if text.starts_with("/*") {
        text.find("*/").map(|end| end + 2)
    } else {
        None
    }
}

fn is_bare(key: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_' || c == '$';
    key.starts_with(letter) && key.chars().all(|c| letter(c) || c.is_ascii_digit())
}

/// A value on one line, its texts in the given quotes.
fn written(value: &Value, quote: char) -> String {
    let list = |items: Vec<String>| items.join(", ");
    match value {
        Value::String(text) => quoted(text, quote),
        Value::Array(items) => {
            format!("[{}]", list(items.iter().map(|item| written(item, quote)).collect()))
        }
        Value::Object(map) => {
            let pair = |(key, value): (&String, &Value)| {
                format!("{}: {}", quoted(key, quote), written(value, quote))
            };
            format!("{{{}}}", list(map.iter().map(pair).collect()))
        }
        other => other.to_string(),
    }
}

fn quoted(text: &str, quote: char) -> String {
    let json = Value::String(text.to_owned()).to_string();
    if quote == '"' {
        return json;
    }
    let inside = json.get(1..json.len() - 1).unwrap_or_default();
    format!("'{}'", inside.replace("\\\"", "\"").replace('\'', "\\'"))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::target::{Environment, Request, locate};

    /// What a config becomes when one value is set.
    fn edit(text: &str, pointer: &str, value: Value) -> Result<String, EditError> {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("openclaw.json"), text).unwrap();
        let request = Request { state_dir: Some(home.path().into()), ..Request::default() };
        let mut environment = Environment::default();
        let (located, _) = locate(&request, &mut environment, home.path()).unwrap();
        let config = crate::config::load(&located, &mut environment);
        let edited = config.edited(&[Edit { pointer: pointer.to_owned(), value }])?;
        Ok(edited.into_iter().next().unwrap().1)
    }

    #[test]
    fn a_value_is_replaced_in_its_quotes_and_nothing_else_changes() {
        for (before, after) in [
            (r#"{"a":{"b":"open"}}"#, r#"{"a":{"b":"it's \"shut\""}}"#),
            ("{ a: { b: 'open', }, }", r#"{ a: { b: 'it\'s "shut"', }, }"#),
            (
                "{\r\n\ta: {b: /* x */ 'open' // y\r\n}}\r\n",
                "{\r\n\ta: {b: /* x */ 'it\\'s \"shut\"' // y\r\n}}\r\n",
            ),
            ("{a: {b: 5}}", r#"{a: {b: "it's \"shut\""}}"#),
        ] {
            assert_eq!(edit(before, "/a/b", json!("it's \"shut\"")).as_deref(), Ok(after), "{before}");
        }
    }

    #[test]
    fn a_new_member_is_written_like_the_last_one() {
        for (before, after) in [
            (r#"{"a":{"b":1}}"#, r#"{"a":{"b":1, "n":["x"]}}"#),
            (r#"{"a": {"b": 1, "c": 2}}"#, r#"{"a": {"b": 1, "c": 2, "n": ["x"]}}"#),
            ("{a: {b: 'y'}}", "{a: {b: 'y', n: ['x']}}"),
            ("{a: {}}", r#"{a: { "n": ["x"] }}"#),
            ("{\n  a: {\n    b: 1\n  }\n}", "{\n  a: {\n    b: 1,\n    n: [\"x\"]\n  }\n}"),
            ("{\n  a: {\n    b: 1,\n  }\n}", "{\n  a: {\n    b: 1,\n    n: [\"x\"],\n  }\n}"),
            (
                "{\r\n\ta: {\r\n\r\n\t\t'b': 1 // one\r\n\t}\r\n}",
                "{\r\n\ta: {\r\n\r\n\t\t'b': 1, // one\r\n\t\t'n': [\"x\"]\r\n\t}\r\n}",
            ),
            (
                "{\n a: {\n  b: 1, /* p */ // q\n  // r\n }\n}",
                "{\n a: {\n  b: 1, /* p */ // q\n  n: [\"x\"],\n  // r\n }\n}",
            ),
            ("{\n a: {\n  b: 1 // ,\n  , }\n}", "{\n a: {\n  b: 1 // ,\n  ,\n  n: [\"x\"], }\n}"),
        ] {
            assert_eq!(edit(before, "/a/n", json!(["x"])).as_deref(), Ok(after), "{before}");
        }
    }

    #[test]
    fn a_key_that_cannot_stand_bare_is_quoted() {
        assert_eq!(
            edit("{a: {b: 1}}", "/a/x-y~1z", json!(true)).as_deref(),
            Ok(r#"{a: {b: 1, "x-y/z": true}}"#)
        );
    }

    #[test]
    fn what_cannot_be_edited_says_why() {
        let no = |text, pointer| edit(text, pointer, json!(1)).unwrap_err();
        assert_eq!(no("{a: 1}", "/b/c"), EditError::Nowhere);
        assert_eq!(no("{a: 1}", "/a/c"), EditError::Nowhere);
        assert_eq!(no("{a: 1}", "x"), EditError::Nowhere);
        assert!(matches!(no("{a: 1, b: 1, b: 2}", "/a"), EditError::Ambiguous(_)));
    }

    #[test]
    fn two_edits_of_one_file_are_one_text() {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("openclaw.json"), "{a: {b: 1}, c: {d: 2}}").unwrap();
        let request = Request { state_dir: Some(home.path().into()), ..Request::default() };
        let mut environment = Environment::default();
        let (located, _) = locate(&request, &mut environment, home.path()).unwrap();
        let config = crate::config::load(&located, &mut environment);
        let set = |pointer: &str, value| Edit { pointer: pointer.to_owned(), value };
        let both = [set("/c/d", json!(4)), set("/a/b", json!(3)), set("/a/n", json!(5))];
        assert_eq!(config.edited(&both), Ok(vec![(0, "{a: {b: 3, n: 5}, c: {d: 4}}".to_owned())]));
        let twice = [set("/a", json!(4)), set("/a/b", json!(3))];
        assert_eq!(config.edited(&twice), Err(EditError::Overlap));
    }
}
