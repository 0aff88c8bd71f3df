//! Reads a script for what a plugin or skill should not do without a reason: pure text, no parser. Comments and strings
//! count as code, as they do for the reference program.

mod comments;
mod exec;
mod find;
mod lines;
mod mask;
mod rules;
pub mod skill;
mod space;
mod span;
#[cfg(test)]
mod tests;

use crate::{Release, Severity};
use lines::Lines;
use rules::{Match, Network};

/// One place in a file that a rule matched.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The rule's name, such as `dangerous-exec`. Two rules are called `obfuscated-code`.
    pub rule: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What the code does, in a few words.
    pub message: &'static str,
    /// Place of the match.
    pub place: Place,
    /// Place of the second part of a rule that has two, such as the call that sends to the network.
    pub other: Option<Place>,
}

/// A place in a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Line, counted from 1; only LF ends a line. 1 where the match goes over more than one line.
    pub line: u32,
    /// Column in characters, counted from 1.
    pub column: u32,
    /// The line, or the part of a long line that the match is in, with what looks like a secret masked.
    pub evidence: String,
}

/// Endings of scripts.
pub const SCRIPTS: [&str; 8] = ["js", "ts", "mjs", "cjs", "mts", "cts", "jsx", "tsx"];

/// True for the name of a script.
#[must_use]
pub fn is_script(name: &str) -> bool {
    name.rsplit_once('.')
        .is_some_and(|(_, ending)| SCRIPTS.iter().any(|script| ending.eq_ignore_ascii_case(script)))
}

/// The rules of a release (reference: 2026.9-delta 4.14).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Rules {
    /// A word for sending is enough, and comments count as code.
    Words,
    /// Something that sends has to be called.
    Calls,
    /// Comments do not count for what is about a script as a whole, and the environment has to be read near to the call.
    Comments,
    /// Imports tell which names start a program.
    Imports,
}

/// The releases that rules begin with: the first after one that was looked at and has the earlier ones.
const RULES: [((u16, u8, u16), Rules); 3] =
    [((2026, 8, 1), Rules::Imports), ((2026, 5, 2), Rules::Comments), ((2026, 4, 5), Rules::Calls)];

impl Rules {
    /// Those of a release.
    #[must_use]
    pub fn of(release: Release) -> Self {
        let row = RULES.iter().find(|((year, month, patch), _)| release.since(*year, *month, *patch));
        row.map_or(Self::Words, |(_, rules)| *rules)
    }
}

/// Longest text that is gone through more than once, in bytes. Of a longer one comments count as code, and every call that has the
/// name of one that starts a program.
const MAX_TWICE: usize = 8 << 20;

/// What was met in a file.
#[derive(Debug, Default)]
pub struct Scanned {
    /// Where rules matched.
    pub hits: Vec<Hit>,
    /// How often the text was gone through: the work that it took.
    pub passes: u64,
}

/// Scans a file's text, as UTF-8 with replacements for what is none, by the rules of 2026.2. At most one hit of each rule, in
/// their order.
#[must_use]
pub fn scan(text: &[u8]) -> Vec<Hit> {
    hits(text, rules::matches(text, Network::Named))
}

/// The same by the rules of a release.
#[must_use]
pub fn scan_by(rules: Rules, mut text: Vec<u8>) -> Scanned {
    if rules == Rules::Words {
        return Scanned { hits: scan(&text), passes: 1 };
    }
    let is_long = text.len() > MAX_TWICE;
    if rules == Rules::Calls || is_long {
        return Scanned { hits: hits(&text, rules::matches(&text, Network::Called)), passes: 1 };
    }
    // First by words and with the comments in: where that finds nothing, the slower look without comments finds nothing either.
    let found = rules::matches(&text, Network::Named);
    let (of_source, mut found): (Vec<Match>, Vec<Match>) =
        found.into_iter().partition(|found| found.rule.of_source);
    let mut passes = 1;
    if rules == Rules::Imports && skill::contains(&text, b"child_process") {
        passes += 1;
        found.retain(|found| !rules::is_exec(found));
        let exec = exec::find(&text).map(|(at, module)| rules::exec_match(at, module));
        found.splice(0..0, exec);
    }
    let mut seen = hits(&text, found);
    if !of_source.is_empty() {
        passes += 2;
        comments::blank(&mut text);
        seen.extend(hits(&text, rules::source_matches(&text)));
    }
    Scanned { hits: seen, passes }
}

/// Matches with their places, in their order.
fn hits(text: &[u8], matches: Vec<Match>) -> Vec<Hit> {
    let mut order: Vec<usize> =
        matches.iter().flat_map(|found| [Some(found.at), found.other]).flatten().collect();
    order.sort_unstable();
    order.dedup();
    let mut lines = Lines::new(text);
    let places: Vec<_> = order.into_iter().map(|at| (at, lines.place(at))).collect();
    let place = |at: usize, on_line: bool| {
        let (_, place) = *places.iter().find(|(known, _)| *known == at)?;
        let (line, column) = if on_line { (place.line, place.column) } else { (1, 1) };
        Some(Place { line, column, evidence: mask::evidence(text, place.start, at) })
    };
    let hit = |found: Match| {
        Some(Hit {
            rule: found.rule.id,
            severity: found.rule.severity,
            message: found.rule.message,
            place: place(found.at, found.on_line)?,
            other: found.other.and_then(|at| place(at, true)),
        })
    };
    matches.into_iter().filter_map(hit).collect()
}
