//! What tells a finding from others, also in another run: its check and its places, in terms that stay the same where lines move, keys
//! and lists are sorted anew, folders above the target have other names, or another machine audits the same.

use std::path::Path;

use data_encoding::HEXLOWER;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::audit::subject::Subject;
use crate::config::segments;
use crate::sandbox::types;

/// Bytes of the digest that are kept: no two of some million findings have the same.
pub(super) const BYTES: usize = 16;

/// The longest id that stands for an element of a list, in bytes: a longer one is a text.
const LONGEST_ID: usize = 64;

/// The fingerprint of a finding at the places that the policy named. Two findings of one check at the same places have the same one.
pub(super) fn fingerprint(subject: &Subject, check: &str, places: &[types::Location]) -> String {
    let mut named: Vec<String> = places.iter().map(|place| name(subject, place)).collect();
    named.sort_unstable();
    named.dedup();
    let mut hash = Sha256::new();
    for part in std::iter::once(check).chain(named.iter().map(String::as_str)) {
        hash.update(part);
        hash.update([0]);
    }
    HEXLOWER.encode(hash.finalize().get(..BYTES).unwrap_or_default())
}

/// A place without line, column, mode, and whatever lies above the target.
fn name(subject: &Subject, place: &types::Location) -> String {
    let object = |path: &types::Path| format!("object {} {}", view(subject, &path.view), path.rel);
    match place {
        types::Location::Config(pointer) => format!("config {}", stable(&subject.config.effective, pointer)),
        types::Location::Env(name) => format!("env {name}"),
        types::Location::Object(path) => object(path),
        types::Location::Text(position) => object(&position.object),
    }
}

/// A view's name, in which the name of its folder stands for its number among those of its family.
fn view(subject: &Subject, view: &str) -> String {
    let numbered =
        view.split_once('/').filter(|(_, number)| number.bytes().all(|byte| byte.is_ascii_digit()));
    let folder = subject.view(view).map(|number| subject.path(number, Path::new("")));
    match (numbered, folder.as_deref().and_then(Path::file_name)) {
        (Some((family, _)), Some(folder)) => format!("{family}/{}", folder.to_string_lossy()),
        _ => view.to_owned(),
    }
}

/// A pointer in which the `id` (or `name`) of an element stands for its number in its list.
fn stable(config: &Value, pointer: &str) -> String {
    let mut value = Some(config);
    let mut out = String::with_capacity(pointer.len());
    for segment in segments(pointer).unwrap_or_default() {
        let is_list = value.is_some_and(Value::is_array);
        value = value.and_then(|value| match value {
            Value::Object(object) => object.get(&segment),
            Value::Array(list) => list.get(segment.parse::<usize>().ok()?),
            _ => None,
        });
        let id = value.filter(|_| is_list).and_then(|element| {
            let named = ["id", "name"].iter().find_map(|key| element.get(key)?.as_str())?;
            let is_word = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte);
            let is_id = (1..=LONGEST_ID).contains(&named.len()) && named.bytes().all(is_word);
            is_id.then_some(named)
        });
        match id {
            Some(id) => out.extend(["/[", id, "]"]),
            None => out.extend(["/", &segment]),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_element_is_named_by_its_id_wherever_it_stands() {
        let config = json!({
            "list": [{"id": "a", "x": [1]}, {"name": "b"}, {"id": "c c"}],
            "map": {"0": {"id": "e"}}
        });
        for (pointer, named) in [
            ("", ""),
            ("/list/0/x/0", "/list/[a]/x/0"),
            ("/list/1", "/list/[b]"),
            ("/list/2/x", "/list/2/x"),
            ("/list/9/x", "/list/9/x"),
            ("/map/0/x", "/map/0/x"),
        ] {
            assert_eq!(stable(&config, pointer), named);
        }
    }
}
