//! Reads a script for what a plugin or skill should not do without a reason: pure text, no parser. Comments and strings
//! count as code, as they do for the reference program.

mod find;
mod lines;
mod mask;
mod rules;
mod space;
mod span;
#[cfg(test)]
mod tests;

use crate::Severity;
use lines::Lines;

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

/// Scans a file's text, as UTF-8 with replacements for what is none. At most one hit of each rule, in their order.
#[must_use]
pub fn scan(text: &[u8]) -> Vec<Hit> {
    let matches = rules::matches(text);
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
    let hit = |found: rules::Match| {
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
