//! Where two verdicts differ.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use chitin_parity::installation::Installation;
use chitin_parity::release::Release;

use crate::known;
use crate::ours;
use crate::reference::Verdict;

/// An installation, where it stands, and what both programs say of it.
pub struct Seen {
    pub installation: Installation,
    pub home: PathBuf,
    pub release: Release,
    pub ours: ours::Verdict,
    pub reference: Verdict,
}

/// One difference.
pub struct Difference {
    /// `+id:severity` is found by us alone, `-id:severity` by the reference alone; `-config.* (why)`: the reference refuses
    /// the config, and we find nothing wrong with it; `exit N`: no verdict of ours.
    pub text: String,
    /// The name of the decision that explains it.
    pub known: Option<&'static str>,
}

/// All differences over the checks that we have.
pub fn differences(seen: &Seen, checks: &[String]) -> Vec<Difference> {
    let mut texts = Vec::new();
    // What could not be scanned leaves an audit incomplete.
    let unscanned = seen.ours.findings.iter().any(|verdict| verdict.contains(".code_safety.scan_failed:"));
    let answered = [0, 1].contains(&seen.ours.code) || seen.ours.code == 3 && (unscanned || refused(seen));
    if !answered {
        texts.push(format!("exit {}", seen.ours.code));
    }
    match &seen.reference {
        Verdict::Refused { why, message } if why == "invalid" && seen.ours.own.is_empty() => {
            texts.push(format!("-config.* ({})", gist(message, &seen.home)));
        }
        Verdict::Refused { why, .. } if why != "invalid" => texts.push(format!("-{why}")),
        Verdict::Refused { .. } => {}
        Verdict::Findings { .. } => {
            for (verdict, (reference, ours)) in balance(seen, checks) {
                texts.extend((ours..reference).map(|_| format!("-{verdict}")));
                texts.extend((reference..ours).map(|_| format!("+{verdict}")));
            }
            texts.extend(seen.ours.own.iter().map(|verdict| format!("+{verdict}")));
        }
    }
    let known =
        |text: &str| known::KNOWN.iter().find(|known| (known.holds)(seen, text)).map(|known| known.name);
    texts.into_iter().map(|text| Difference { known: known(&text), text }).collect()
}

/// The first line of a message, without what differs from one installation to another.
pub fn gist(message: &str, home: &Path) -> String {
    let line = message.lines().next().unwrap_or_default().replace(&*home.to_string_lossy(), "~");
    let digits = line.chars().map(|c| if c.is_ascii_digit() { '0' } else { c });
    digits.take(160).collect()
}

fn refused(seen: &Seen) -> bool {
    matches!(seen.reference, Verdict::Refused { .. })
}

/// How often the reference and we found the same thing, for the checks that we have. Of channels only those count
/// whose plugins were loaded: without, the reference never says anything of them.
pub fn balance(seen: &Seen, checks: &[String]) -> BTreeMap<String, (usize, usize)> {
    let mut balance: BTreeMap<String, (usize, usize)> = BTreeMap::new();
    let Verdict::Findings { findings, audited, .. } = &seen.reference else { return balance };
    for verdict in findings.iter().map(|verdict| unnumbered(verdict)) {
        if check_of(&verdict, checks).is_some() {
            balance.entry(verdict).or_default().0 += 1;
        }
    }
    let compared = |id: &str| match id.strip_prefix("channels.") {
        Some(rest) => audited.iter().any(|name| rest.starts_with(&format!("{name}."))),
        None => true,
    };
    for verdict in seen.ours.findings.iter().filter(|verdict| compared(verdict)) {
        balance.entry(verdict.clone()).or_default().1 += 1;
    }
    balance
}

/// `channels.irc.warning.3:warn` without the number. In the reference it counts the findings about all channels so far, in
/// ours it names the warning.
pub fn unnumbered(verdict: &str) -> String {
    let (id, severity) = verdict.split_once(':').map_or((verdict, None), |(id, end)| (id, Some(end)));
    let id = match id.rsplit_once('.') {
        Some((warning, _)) if id.starts_with("channels.") && warning.ends_with(".warning") => warning,
        _ => id,
    };
    severity.map_or_else(|| id.to_owned(), |severity| format!("{id}:{severity}"))
}

/// The check of ours that an `id:severity` belongs to.
pub fn check_of<'a>(verdict: &str, checks: &'a [String]) -> Option<&'a str> {
    let id = verdict.rsplit_once(':').map_or(verdict, |(id, _)| id);
    let matches = |check: &&String| match check.split_once('*') {
        None => **check == id,
        Some((head, tail)) => {
            id.len() > head.len() + tail.len() && id.starts_with(head) && id.ends_with(tail)
        }
    };
    checks.iter().find(matches).map(String::as_str)
}
