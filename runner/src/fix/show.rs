//! A plan for people: the difference of each config file, and each mode as it is and as it will be.

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use similar::TextDiff;

use super::plan::{ModeChange, Plan};
use super::prove::Proven;
use crate::audit::Subject;
use crate::audit::visible::{path, visible};
use crate::config::Masked;

/// Lines around a change.
const CONTEXT: usize = 2;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// The unified difference of each config file, by its path. Secrets are masked in it, on both sides alike; a file that
/// changes always has one.
#[must_use]
pub fn differences(subject: &Subject, plan: &Plan) -> Vec<(String, String)> {
    let config = &subject.config;
    let mut all = Vec::new();
    for Masked { file, before, after } in config.edited_masked(&plan.edits()).unwrap_or_default() {
        let Some(source) = config.files.get(file) else { continue };
        let name = path(&source.path);
        let text = if before == after {
            format!("--- {name}\n+++ {name}\n@@ what changes is masked @@\n")
        } else {
            TextDiff::from_lines(before.as_str(), after.as_str())
                .unified_diff()
                .context_radius(CONTEXT)
                .header(&name, &name)
                .to_string()
        };
        all.push((name, text));
    }
    all
}

/// The whole plan, with the difference of each config file.
///
/// # Errors
/// What the writer says.
pub fn write_plan(differences: &[(String, String)], proven: &Proven, out: &mut dyn Write) -> io::Result<()> {
    for (_, text) in differences {
        for line in text.lines() {
            let style = match line.as_bytes() {
                [b'-', ..] => AnsiColor::Red.on_default(),
                [b'+', ..] => AnsiColor::Green.on_default(),
                [b'@', ..] => DIM,
                _ => Style::new(),
            };
            writeln!(out, "{style}{}{style:#}", visible(line))?;
        }
        writeln!(out)?;
    }
    write_modes(&proven.plan.modes, out)?;
    if !proven.plan.modes.is_empty() {
        writeln!(out)?;
    }
    write_refused(&proven.plan, out)
}

/// Each mode that changes; of many that change alike in one folder the first, and how many more.
fn write_modes(modes: &[ModeChange], out: &mut dyn Write) -> io::Result<()> {
    /// Objects of a folder that are named.
    const NAMED: usize = 20;
    let alike = |one: &ModeChange, other: &ModeChange| {
        (one.before, one.after, &one.root, one.rel.parent())
            == (other.before, other.after, &other.root, other.rel.parent())
    };
    for group in modes.chunk_by(alike) {
        for change in group.iter().take(NAMED) {
            writeln!(
                out,
                "{BOLD}{:04o} -> {:04o}{BOLD:#}  {} -> {}  {}",
                change.before,
                change.after,
                symbolic(change.before),
                symbolic(change.after),
                path(&change.path())
            )?;
        }
        if let Some(change) = group.get(NAMED) {
            let folder = change.path().parent().map(path).unwrap_or_default();
            let more = group.len() - NAMED;
            writeln!(
                out,
                "{BOLD}{:04o} -> {:04o}{BOLD:#}  {more} more in {folder}",
                change.before, change.after
            )?;
        }
    }
    Ok(())
}

/// What will not be done, and why.
///
/// # Errors
/// What the writer says.
pub fn write_refused(plan: &Plan, out: &mut dyn Write) -> io::Result<()> {
    for refused in &plan.refused {
        writeln!(out, "{BOLD}left as it is:{BOLD:#} {} ({}): {}", refused.what, refused.check, refused.why)?;
    }
    if !plan.refused.is_empty() {
        writeln!(out)?;
    }
    Ok(())
}

/// A mode as `ls -l` shows it, without the kind: `rwxr-x---`.
fn symbolic(mode: u32) -> String {
    let bit = |shift: u32, letter: char| if mode >> shift & 1 == 1 { letter } else { '-' };
    let special = |shift: u32, execute: u32, with: char, without: char| match (
        mode >> shift & 1,
        mode >> execute & 1,
    ) {
        (1, 1) => with,
        (1, _) => without,
        (_, 1) => 'x',
        _ => '-',
    };
    [
        bit(8, 'r'),
        bit(7, 'w'),
        special(11, 6, 's', 'S'),
        bit(5, 'r'),
        bit(4, 'w'),
        special(10, 3, 's', 'S'),
        bit(2, 'r'),
        bit(1, 'w'),
        special(9, 0, 't', 'T'),
    ]
    .into_iter()
    .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mode_is_written_like_ls_does() {
        for (mode, text) in [
            (0o755, "rwxr-xr-x"),
            (0o600, "rw-------"),
            (0o2770, "rwxrws---"),
            (0o1777, "rwxrwxrwt"),
            (0o7000, "--S--S--T"),
        ] {
            assert_eq!(symbolic(mode), text);
        }
    }
}
