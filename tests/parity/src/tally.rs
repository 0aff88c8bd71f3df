//! What was seen, counted and printed.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use chitin_parity::installation::Installation;
use serde_json::Value;

use crate::difference::{Difference, Seen, balance, check_of, gist, unnumbered};
use crate::known::KNOWN;
use crate::reference::Verdict;

/// Installations that are kept to show a disagreement, the smallest one.
const EXAMPLES: usize = 1;

/// Reasons of the reference to refuse a config that are shown.
const REASONS: usize = 24;

/// Counts over all installations.
#[derive(Default)]
pub struct Tally {
    checks: Vec<String>,
    audited: usize,
    agreement: Agreement,
    refused: BTreeMap<String, usize>,
    by_check: BTreeMap<String, Count>,
    missing: BTreeMap<String, usize>,
    /// In how many installations a decision explains something.
    known: BTreeMap<&'static str, usize>,
    disagreements: BTreeMap<String, Disagreement>,
}

/// How much of what the reference says we say as well.
#[derive(Default)]
struct Agreement {
    /// Findings of the reference.
    findings: usize,
    /// Those that are ours as well.
    found: usize,
    /// Those that are not ours, and are meant not to be.
    meant: usize,
    /// Installations of which both say the same: the same findings, or both that the config is refused.
    same: usize,
    /// Installations where what differs is meant.
    explained: usize,
}

#[derive(Default)]
struct Count {
    reference: usize,
    both: usize,
    ours_alone: usize,
    reference_alone: usize,
    known: usize,
}

/// A difference that no decision explains.
#[derive(Default)]
pub struct Disagreement {
    /// How often it was met.
    pub count: usize,
    /// Names and installations that show it.
    pub examples: Vec<(String, Installation)>,
}

impl Tally {
    /// Nothing yet.
    pub fn new(checks: Vec<String>) -> Self {
        let by_check = checks.iter().map(|check| (check.clone(), Count::default())).collect();
        Self { checks, by_check, ..Self::default() }
    }

    /// Counts an installation.
    pub fn add(&mut self, seen: &Seen, differences: &[Difference], name: &str) {
        match &seen.reference {
            Verdict::Refused { why, message } => {
                let reason = format!("{why}: {}", gist(message, &seen.home));
                *self.refused.entry(reason).or_default() += 1;
            }
            Verdict::Findings { findings, .. } => {
                self.audited += 1;
                for verdict in findings.iter().map(|verdict| unnumbered(verdict)) {
                    if check_of(&verdict, &self.checks).is_none() {
                        *self.missing.entry(family(&verdict, &self.checks)).or_default() += 1;
                        self.agreement.findings += 1;
                    }
                }
            }
        }
        self.agreement.same += usize::from(differences.is_empty());
        self.agreement.explained +=
            usize::from(differences.iter().all(|difference| difference.known.is_some()));
        for name in differences.iter().filter_map(|difference| difference.known).collect::<BTreeSet<_>>() {
            *self.known.entry(name).or_default() += 1;
        }
        for (verdict, (reference, ours)) in balance(seen, &self.checks) {
            self.agreement.findings += reference;
            self.agreement.found += reference.min(ours);
            let count = self.by_check.entry(family(&verdict, &self.checks)).or_default();
            count.reference += reference;
            count.both += reference.min(ours);
        }
        for difference in differences {
            let verdict = difference.text.trim_start_matches(['+', '-']);
            let verdict = verdict.split(" (").next().unwrap_or_default();
            let count = self.by_check.entry(family(verdict, &self.checks)).or_default();
            match (difference.known, difference.text.starts_with('+')) {
                (Some(_), _) => {
                    count.known += 1;
                    let is_finding = matches!(seen.reference, Verdict::Findings { .. });
                    self.agreement.meant += usize::from(is_finding && difference.text.starts_with('-'));
                }
                (None, is_ours) => {
                    *if is_ours { &mut count.ours_alone } else { &mut count.reference_alone } += 1;
                    let disagreement = self.disagreements.entry(difference.text.clone()).or_default();
                    disagreement.count += 1;
                    disagreement.keep(name, &seen.installation);
                }
            }
        }
    }

    /// The disagreements, the most frequent first.
    pub fn disagreements(&self) -> Vec<(&String, &Disagreement)> {
        let mut all: Vec<_> = self.disagreements.iter().collect();
        all.sort_by_key(|(_, disagreement)| std::cmp::Reverse(disagreement.count));
        all
    }

    /// No difference is unknown.
    pub fn agrees(&self) -> bool {
        self.disagreements.is_empty()
    }
}

impl Disagreement {
    fn keep(&mut self, name: &str, installation: &Installation) {
        if self.examples.iter().all(|(known, _)| known != name) {
            self.examples.push((name.to_owned(), installation.clone()));
            self.examples.sort_by_key(|(_, example)| Value::Object(example.case("")).to_string().len());
            self.examples.truncate(EXAMPLES);
        }
    }
}

/// The check that a verdict belongs to; for one that we do not have its id, with `*` for names and numbers.
fn family(verdict: &str, checks: &[String]) -> String {
    if let Some(check) = check_of(verdict, checks) {
        return check.to_owned();
    }
    let id = verdict.rsplit_once(':').map_or(verdict, |(id, _)| id);
    if let Some((_, rest)) = id.strip_prefix("channels.").and_then(|rest| rest.split_once('.')) {
        return format!("channels.*.{rest}");
    }
    match (id.strip_prefix("tools.elevated.allowFrom."), id.rsplit_once('.')) {
        (Some(_), Some((_, end))) => format!("tools.elevated.allowFrom.*.{end}"),
        _ => id.to_owned(),
    }
}

/// A part in percent, with one digit.
fn share(part: usize, whole: usize) -> String {
    let tenths = part.saturating_mul(1000).checked_div(whole).unwrap_or(1000);
    format!("{}.{} %", tenths / 10, tenths % 10)
}

impl fmt::Display for Tally {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let refused: usize = self.refused.values().sum();
        writeln!(f, "audited by the reference: {}; refused: {refused}, most of them for", self.audited)?;
        let mut reasons: Vec<(&String, &usize)> = self.refused.iter().collect();
        reasons.sort_by_key(|(_, count)| std::cmp::Reverse(**count));
        for (reason, count) in reasons.into_iter().take(REASONS) {
            writeln!(f, "  {count:5}  {reason}")?;
        }
        writeln!(f)?;
        let (reference, known) = ("reference", "known");
        writeln!(f, "  {:56} {reference:>9} both  ours alone  reference alone  {known}", "check")?;
        for (check, count) in &self.by_check {
            let mark = if count.ours_alone + count.reference_alone == 0 { ' ' } else { '!' };
            let Count { reference, both, ours_alone, reference_alone, known } = count;
            writeln!(
                f,
                "{mark} {check:56} {reference:9} {both:4} {ours_alone:11} {reference_alone:16} {known:6}"
            )?;
        }
        if !self.missing.is_empty() {
            writeln!(f, "\nnot built in, found by the reference so often:")?;
            for (check, count) in &self.missing {
                writeln!(f, "  {check:56} {count:9}")?;
            }
        }
        let all = self.audited + refused;
        if !self.known.is_empty() {
            writeln!(f, "\nknown differences, in this share of the installations ({}):", self.known.len())?;
            for known in KNOWN.iter().filter(|known| self.known.contains_key(known.name)) {
                let part = share(self.known[known.name], all);
                writeln!(f, "  {:22} {part:>7}  {}", known.name, known.reason)?;
            }
        }
        let Agreement { findings, found, meant, same, explained } = self.agreement;
        writeln!(
            f,
            "\nfindings of the reference that we have, too: {found} of {findings} ({}); with what is meant: {} ({})",
            share(found, findings),
            found + meant,
            share(found + meant, findings)
        )?;
        writeln!(
            f,
            "installations of which both say the same: {same} of {all} ({}); with what is meant: {explained} ({})",
            share(same, all),
            share(explained, all)
        )?;
        writeln!(f, "{} disagreements", self.disagreements.len())
    }
}
