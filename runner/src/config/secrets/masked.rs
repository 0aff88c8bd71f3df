//! The text of a config file fit to be shown: secrets are masked where they stand, in the text before an edit and in the
//! text after it alike, so that a difference shows the edit and nothing else.

use std::collections::HashMap;
use std::ops::Range;
use std::path::Path;

use aho_corasick::{AhoCorasick, MatchKind};
use jsonc_parser::ast;
use jsonc_parser::common::Ranged as _;
use serde_json::Value;

use crate::config::credentials::{Manner, in_text, marked, may_be_in};
use crate::config::edit::{Patch, patched};
use crate::config::lexical::{Meant, Part, parts};
use crate::config::mask::is_maskable;
use crate::config::pointer::join;
use crate::config::redact::{Hidden, Mount, hidden, is_placeholder};
use crate::config::shown::is_random;
use crate::config::tree::second_reader;
use crate::config::{Config, Edit, EditError, Problem, ProblemKind, SecretString};
use crate::target::js_trim;

/// What stands for a secret.
const MASK: &str = "***";
/// In comments, where nothing is lost, shorter secrets and words are masked, too, where they stand alone.
const IN_COMMENTS: usize = 4;

/// A file before and after an edit, without secrets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Masked {
    /// The file, by its index in the config's files.
    pub file: usize,
    /// The text as it is.
    pub before: String,
    /// The text as the edits make it.
    pub after: String,
}

impl Config {
    /// The same as [`Config::edited`] as it may be shown: each file that the edits change, before and after, with the same
    /// masks in both.
    pub fn edited_masked(&self, edits: &[Edit]) -> Result<Vec<Masked>, EditError> {
        let show = |(file, patches): (usize, Vec<Patch>)| {
            let text = self.files.get(file).map(|file| file.text.as_str()).unwrap_or_default();
            let (masks, known) = self.masks(file, text);
            let stars =
                |range: &Range<usize>| Patch { start: range.start, end: range.end, text: MASK.to_owned() };
            let before = patched(text, masks.iter().map(stars).collect())?;
            let left = masks.into_iter().flat_map(|mask| without(mask, &patches));
            let mut after: Vec<Patch> = left.map(|mask| stars(&mask)).collect();
            after.extend(patches.into_iter().map(|patch| Patch { text: known.in_new(&patch.text), ..patch }));
            Ok(Masked { file, before, after: patched(text, after)? })
        };
        let mut by_file = self.patches_by_file(edits)?;
        // The main file first, whatever is proposed first.
        by_file.sort_by_key(|(file, _)| *file);
        by_file.into_iter().map(show).collect()
    }

    /// A text of the target's that is no part of the config, with a mark for each credential that is known by its shape.
    #[must_use]
    pub fn shown_text(text: &str) -> String {
        if !may_be_in(text) {
            return text.to_owned();
        }
        marked(text, &in_text(text, Manner::default()), "[secret]")
    }

    /// A secret is spelled out in the text of a file, comments included. What a variable or a reference gives is not in the
    /// file. None where there is no such file, or it is not understood.
    pub fn has_literals(&self, path: &Path) -> Option<bool> {
        /// A longer text, or one beside more secrets, is not looked through: nobody has one in a store of packages.
        const MAX_BYTES: usize = 1 << 20;
        const MAX_SECRETS: usize = 10_000;
        let is_twofold = |problem: &Problem| problem.kind == ProblemKind::Ambiguous;
        if self.secrets.len() > MAX_SECRETS || self.problems.iter().any(is_twofold) {
            return None;
        }
        let (index, file) = self.files.iter().enumerate().find(|(_, file)| file.path == path)?;
        let text = Some(&file.text).filter(|text| text.len() <= MAX_BYTES)?;
        json5::from_str::<Value>(text).ok()?;
        second_reader(text)?;
        let shown = |range: &Range<usize>| text.get(range.clone()).unwrap_or_default();
        let (masks, _) = self.masks(index, text);
        // What looks random in a comment was a secret once.
        let has_random = |(part, range): (Part, Range<usize>)| {
            let mut words = shown(&range).split(|c: char| !c.is_ascii_alphanumeric());
            part == Part::Comment && words.any(is_random)
        };
        Some(masks.iter().any(|mask| !is_placeholder(shown(mask))) || parts(text).into_iter().any(has_random))
    }

    /// Where secrets stand in the text of a file, in order and apart from each other, and what is known of secrets.
    fn masks(&self, file: usize, text: &str) -> (Vec<Range<usize>>, Known) {
        let mount = if file == 0 { Mount::Root } else { Mount::Unknown };
        // Of the file's own values, also those that another file replaces.
        let value: Value = json5::from_str(text).unwrap_or_default();
        let (places, own) = hidden(self.judged.release, &value, mount);
        let secrets = self.secrets.iter().chain(&own).map(|secret| &secret.value);
        let known = Known::new(secrets);
        let mut masks = Vec::new();
        if let Some(document) = second_reader(text) {
            in_values(text, &document, "", &places, &mut masks);
        }
        for (part, range) in parts(text) {
            known.in_part(text, part, &range, &mut masks);
        }
        (merged(masks), known)
    }
}

/// Overlapping ranges as one.
fn merged(mut ranges: Vec<Range<usize>>) -> Vec<Range<usize>> {
    ranges.retain(|range| !range.is_empty());
    ranges.sort_by_key(|range| (range.start, range.end));
    let mut apart: Vec<Range<usize>> = Vec::with_capacity(ranges.len());
    for range in ranges {
        match apart.last_mut() {
            Some(last) if range.start <= last.end => last.end = last.end.max(range.end),
            _ => apart.push(range),
        }
    }
    apart
}

/// What is left of a range outside of what is replaced.
fn without(range: Range<usize>, patches: &[Patch]) -> Vec<Range<usize>> {
    let mut left = vec![range];
    for patch in patches {
        left = left
            .into_iter()
            .flat_map(|range| {
                let apart = patch.end <= range.start || range.end <= patch.start;
                if apart {
                    return vec![range];
                }
                vec![range.start..patch.start.max(range.start), patch.end.min(range.end)..range.end]
            })
            .filter(|range| !range.is_empty())
            .collect();
    }
    left
}

/// The places of hidden values in the text.
fn in_values(
    text: &str,
    value: &ast::Value<'_>,
    pointer: &str,
    places: &HashMap<String, Hidden>,
    masks: &mut Vec<Range<usize>>,
) {
    match value {
        ast::Value::Object(object) => {
            for property in &object.properties {
                in_values(text, &property.value, &join(pointer, property.name.as_str()), places, masks);
            }
        }
        ast::Value::Array(array) => {
            for (index, item) in array.elements.iter().enumerate() {
                in_values(text, item, &join(pointer, &index.to_string()), places, masks);
            }
        }
        ast::Value::StringLit(literal) => {
            let Some(hidden) = places.get(pointer) else { return };
            let whole = value.start() + 1..value.end().saturating_sub(1);
            let meant = Meant::read(text, &whole);
            match hidden {
                // Both readers must mean the same, or the parts may lie elsewhere.
                Hidden::Parts(parts) if meant.text == literal.value => {
                    masks.extend(parts.iter().map(|part| meant.source(part)));
                }
                _ => masks.push(whole),
            }
        }
        other => {
            if places.contains_key(pointer) {
                masks.push(other.start()..other.end());
            }
        }
    }
}

/// The texts of the secrets that are known.
struct Known {
    /// Those that are masked wherever they stand. The others would take from a difference what it is to show.
    anywhere: Option<AhoCorasick>,
    /// Those that are masked in comments.
    alone: Option<AhoCorasick>,
}

impl Known {
    fn new<'s>(secrets: impl Iterator<Item = &'s SecretString>) -> Self {
        let mut texts: Vec<&str> = secrets.map(|secret| js_trim(secret.expose())).collect();
        texts.sort_unstable();
        texts.dedup();
        let (anywhere, others): (Vec<&str>, Vec<&str>) =
            texts.into_iter().partition(|text| is_maskable(text));
        let alone = others.into_iter().filter(|text| text.len() >= IN_COMMENTS).collect();
        Self { anywhere: automaton(&anywhere), alone: automaton(&alone) }
    }

    /// Secrets in one part of a text.
    fn in_part(&self, text: &str, part: Part, range: &Range<usize>, masks: &mut Vec<Range<usize>>) {
        let meant = Meant::read(text, range);
        let found = |automaton: &Option<AhoCorasick>| -> Vec<Range<usize>> {
            automaton
                .iter()
                .flat_map(|automaton| automaton.find_iter(&meant.text))
                .map(|found| found.range())
                .collect()
        };
        masks.extend(found(&self.anywhere).iter().map(|found| meant.source(found)));
        if part != Part::Comment {
            return;
        }
        let alone = found(&self.alone).into_iter().filter(|found| stands_alone(&meant.text, found));
        masks.extend(alone.map(|found| meant.source(&found)));
        // As it is written, too, and what looks like a secret: an old value that was commented out.
        let written = text.get(range.clone()).unwrap_or_default();
        let places = self
            .anywhere
            .iter()
            .flat_map(|automaton| automaton.find_iter(written))
            .map(|found| found.range());
        let manner = Manner { address: true, command: true, pattern: false };
        let places = places.chain(in_text(written, manner).into_iter().map(|piece| piece.range));
        masks.extend(places.map(|place| range.start + place.start..range.start + place.end));
    }

    /// A new piece of text without known secrets.
    fn in_new(&self, text: &str) -> String {
        let mut masks = Vec::new();
        for (part, range) in parts(text) {
            self.in_part(text, part, &range, &mut masks);
        }
        let stars = |range: Range<usize>| Patch { start: range.start, end: range.end, text: MASK.to_owned() };
        patched(text, merged(masks).into_iter().map(stars).collect()).unwrap_or_default()
    }
}

fn automaton(texts: &Vec<&str>) -> Option<AhoCorasick> {
    if texts.is_empty() {
        return None;
    }
    AhoCorasick::builder().match_kind(MatchKind::LeftmostLongest).build(texts).ok()
}

/// No letter or digit stands on either side.
fn stands_alone(text: &str, found: &Range<usize>) -> bool {
    let side = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
    side(text.get(..found.start).and_then(|before| before.chars().next_back()))
        && side(text.get(found.end..).and_then(|after| after.chars().next()))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use serde_json::json;

    use super::*;
    use crate::target::{Environment, Request, locate};

    /// A config in which `/logging/redactSensitive` is set, before and after, as it may be shown.
    fn shown(text: &str) -> (String, String) {
        let home = tempfile::tempdir().unwrap();
        fs::write(home.path().join("openclaw.json"), text).unwrap();
        let request = Request { state_dir: Some(home.path().into()), ..Request::default() };
        let mut environment = Environment::default();
        let (located, _) = locate(&request, &mut environment, home.path()).unwrap();
        let config = crate::config::load(&located, &mut environment);
        let edit = Edit { pointer: "/logging/redactSensitive".to_owned(), value: json!("tools") };
        let masked = config.edited_masked(&[edit]).unwrap().remove(0);
        (masked.before, masked.after)
    }

    /// The same, where `OFF` stands for the value that changes.
    fn check(text: &str, expected: &str) {
        let with = |text: &str, value: &str| text.replace("OFF", value);
        let (before, after) = shown(&with(text, "'off'"));
        assert_eq!(before, with(expected, "'off'"), "{text}");
        assert_eq!(after, with(expected, "'tools'"), "{text}");
    }

    #[test]
    fn secrets_are_masked_where_they_stand() {
        for (text, expected) in [
            (
                "{logging:{redactSensitive:OFF},gateway:{auth:{token:'t',password:\"pw\"}}}",
                "{logging:{redactSensitive:OFF},gateway:{auth:{token:'***',password:\"***\"}}}",
            ),
            (
                "{logging:{redactSensitive:OFF},channels:{telegram:{proxy:'socks5://u:pw1234567@h:1'}}}",
                "{logging:{redactSensitive:OFF},channels:{telegram:{proxy:'socks5://***@h:1'}}}",
            ),
            // A part is masked where it is written, however that is.
            (
                "{logging:{redactSensitive:OFF},channels:{telegram:{proxy:'socks5://u\\x3apw\\u0031\\\n2@h:1'}}}",
                "{logging:{redactSensitive:OFF},channels:{telegram:{proxy:'socks5://***@h:1'}}}",
            ),
            (
                "{logging:{redactSensitive:OFF},x:{pin:1234,n:1234}}",
                "{logging:{redactSensitive:OFF},x:{pin:***,n:1234}}",
            ),
            (
                "{logging:{redactSensitive:OFF},hooks:{token:''}}",
                "{logging:{redactSensitive:OFF},hooks:{token:''}}",
            ),
        ] {
            check(text, expected);
        }
    }

    #[test]
    fn a_secret_that_is_a_word_spoils_nothing() {
        check(
            "{logging:{redactSensitive:OFF}, hooks:{token:'off', path:'tools'}, gateway:{auth:{password:'logging'}}}",
            "{logging:{redactSensitive:OFF}, hooks:{token:'***', path:'tools'}, gateway:{auth:{password:'***'}}}",
        );
    }

    #[test]
    fn comments_and_other_texts_lose_what_is_known() {
        check(
            "{// was s3cret-0123 or hunter, token: 'older', not hunters\n logging:{redactSensitive:OFF, file:'/s3cret\\x2d0123'},
              /* s3cret\\u002d0123 */ hooks:{token:'s3cret-0123'}, gateway:{auth:{password:'hunter'}}}",
            "{// was *** or ***, token: '***', not hunters\n logging:{redactSensitive:OFF, file:'/***'},
              /* *** */ hooks:{token:'***'}, gateway:{auth:{password:'***'}}}",
        );
    }

    #[test]
    fn what_an_edit_replaces_is_its_own() {
        let patch = |start, end| Patch { start, end, text: String::new() };
        assert_eq!(without(2..8, &[patch(0, 2), patch(8, 9)]), vec![2..8]);
        assert_eq!(without(2..8, &[patch(4, 5)]), vec![2..4, 5..8]);
        assert_eq!(without(2..8, &[patch(4, 4)]), vec![2..4, 4..8]);
        assert_eq!(without(2..8, &[patch(1, 9)]), Vec::<Range<usize>>::new());
    }
}
