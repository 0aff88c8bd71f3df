//! The comments of a JSON5 text that speak to this program: `// chitin: allow CHECK-ID until 2027-01-31: reason`.

use std::collections::BTreeMap;

use jsonc_parser::ast::Comment;
use jsonc_parser::common::Ranged as _;

use super::source::SourceFile;
use super::tree;

/// How such a comment begins, behind its slashes.
const MARK: &str = "chitin: allow";

/// Most comments of a file that are heard.
const MOST: usize = 1000;

/// A comment that begins as one that speaks to this program.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Allowance {
    /// The number of its file.
    pub file: usize,
    /// The line on which the comment begins, from 1.
    pub line: u32,
    /// The line that it is about: its own where something stands before it, otherwise that of what comes next.
    pub about: u32,
    /// What it allows, and until when; none where it cannot be understood.
    pub said: Option<Said>,
}

/// What a comment allows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    /// The check.
    pub check: String,
    /// The last day, as it is written.
    pub until: Option<String>,
    /// Why.
    pub reason: String,
}

/// The allowances in a file, in its order.
pub(in crate::config) fn allowances(number: usize, file: &SourceFile) -> Vec<Allowance> {
    let text = file.text.as_str();
    if !text.contains(MARK) {
        return Vec::new();
    }
    let Some(comments) = tree::comments(text) else { return Vec::new() };
    // Each stands under the place behind it and the one before it.
    let sorted: BTreeMap<usize, &Comment<'_>> = comments
        .values()
        .flat_map(|group| group.iter())
        .map(|comment| (comment.range().start, comment))
        .collect();
    let ends: BTreeMap<usize, usize> =
        sorted.iter().map(|(start, comment)| (*start, comment.range().end)).collect();
    let marked = sorted.values().filter_map(|comment| {
        let said = comment.text().trim().strip_prefix(MARK)?;
        let range = comment.range();
        let line_start = text.get(..range.start)?.rfind(['\n', '\r']).map_or(0, |at| at + 1);
        let is_alone = text.get(line_start..range.start)?.trim().is_empty();
        let about = if is_alone { next(text, range.end, &ends) } else { range.start };
        let line = |offset: usize| file.position(u32::try_from(offset).ok()?).map(|(line, _)| line);
        Some(Allowance {
            file: number,
            line: line(range.start)?,
            about: line(about)?,
            said: Said::read(said),
        })
    });
    marked.take(MOST).collect()
}

/// Where what is no comment goes on from here.
fn next(text: &str, from: usize, comments: &BTreeMap<usize, usize>) -> usize {
    let mut at = from;
    loop {
        let rest = text.get(at..).unwrap_or_default();
        at += rest.len() - rest.trim_start().len();
        match comments.get(&at) {
            Some(end) if *end > at => at = *end,
            _ => return at,
        }
    }
}

impl Said {
    /// ` CHECK-ID until DAY: reason`; the day may be left out.
    fn read(text: &str) -> Option<Self> {
        let (head, reason) = text.strip_prefix(' ')?.split_once(':')?;
        let mut words = head.split_whitespace();
        let check = words.next()?.to_owned();
        let until = match words.next() {
            None => None,
            Some("until") => Some(words.next()?.to_owned()),
            Some(_) => return None,
        };
        let reason = reason.trim();
        (words.next().is_none() && !reason.is_empty()).then(|| Self {
            check,
            until,
            reason: reason.to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn of(text: &str) -> Vec<(u32, u32, Option<String>)> {
        let file = SourceFile::new(PathBuf::new(), text.to_owned(), false, true);
        let told = |said: Said| format!("{} {:?} {}", said.check, said.until, said.reason);
        allowances(0, &file).into_iter().map(|one| (one.line, one.about, one.said.map(told))).collect()
    }

    #[test]
    fn a_comment_is_about_its_own_line_or_the_next_value() {
        let text = "// chitin: allow x.y: first\n{\n  a: 1, // chitin: allow a.b until 2027-01-31: why: so\n  \
                    /* chitin: allow c.d: why */\n  // another\n\n  b: \"// chitin: allow e.f: text\",\n}\n";
        assert_eq!(
            of(text),
            [
                (1, 2, Some("x.y None first".to_owned())),
                (3, 3, Some("a.b Some(\"2027-01-31\") why: so".to_owned())),
                (4, 7, Some("c.d None why".to_owned())),
            ]
        );
    }

    #[test]
    fn half_a_comment_is_none() {
        for text in [
            "chitin: allow",
            "chitin: allow a.b",
            "chitin: allow a.b:",
            "chitin: allow a.b till 2027-01-31: x",
            "chitin: allowed a.b: x",
            "chitin: allow a.b until: x",
            "chitin: allow a b: x",
        ] {
            let found = of(&format!("{{}} // {text}"));
            assert!(found.iter().all(|(_, _, said)| said.is_none()) && !found.is_empty(), "{text} {found:?}");
        }
        assert!(of("{} // chitin allows a.b: x").is_empty());
    }
}
