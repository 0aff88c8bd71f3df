//! The report for people: what was audited, findings by severity, what is missing, and the verdict.

use std::borrow::Cow;
use std::io::{self, Write};

use anstyle::{AnsiColor, Style};

use super::{Format, without_commands, wrap};
use crate::audit::finding::Finding;
use crate::audit::open::{Class, Kind, Open};
use crate::audit::{Deep, Exit, JudgedBy, Origin, Report, Scope, Suppressed, visible, worst};
use crate::config::release::Source;
use crate::confine::Confinement;
use crate::policy::catalog;
use crate::policy::manifest::Severity;
use crate::probe::Gateway;

const BOLD: Style = Style::new().bold();
const DIM: Style = Style::new().dimmed();

/// Text with colours; the stream takes them out where they are not wanted.
#[derive(Clone, Copy, Default)]
pub struct Text {
    /// One line does for a finding.
    pub short: bool,
}

impl Format for Text {
    fn write(&self, reports: &[Report], out: &mut dyn Write) -> io::Result<()> {
        for (number, report) in reports.iter().enumerate() {
            if number > 0 {
                writeln!(out)?;
            }
            self.one(report, out)?;
        }
        if let [_, _, ..] = reports {
            let Exit { code, reason } = worst(reports);
            writeln!(out, "\n{BOLD}{} targets{BOLD:#}\nexit {code}: {reason}", reports.len())?;
        }
        Ok(())
    }

    fn without_commands<'t>(&self, written: &'t str) -> Cow<'t, str> {
        without_commands(written, false)
    }
}

impl Text {
    fn one(self, report: &Report, out: &mut dyn Write) -> io::Result<()> {
        let target = &report.target;
        let config = if target.config_exists { "" } else { " (there is none)" };
        let release = target.release.as_ref();
        let version = release.map_or("of an unknown release", |release| &release.version);
        let also = release.and_then(|release| release.also.as_ref());
        let also = also.map_or(String::new(), |also| format!(" or {also}"));
        let (is_alone, path) = (target.scope == Scope::Config, &target.config_path);
        if is_alone {
            writeln!(out, "{BOLD}OpenClaw {version}{also}{BOLD:#}, config alone: {path}{config}")?;
        } else {
            writeln!(out, "{BOLD}OpenClaw {version}{also}{BOLD:#} in {}", target.state_dir)?;
        }
        if let Some(release) = release {
            writeln!(out, "{DIM}{}{DIM:#}", told(release))?;
        }
        if !is_alone {
            writeln!(out, "{DIM}config {path}{config}{DIM:#}")?;
        } else if let Some(root) = &target.root {
            writeln!(out, "{DIM}paths below {root}{DIM:#}")?;
        }
        if let Some(Deep { gateway }) = &report.deep {
            let state = match gateway {
                Gateway { ok: true, .. } => "answers",
                Gateway { attempted: true, .. } => "does not answer",
                Gateway { .. } => "was not asked",
            };
            writeln!(out, "{DIM}gateway {} {state}{DIM:#}", gateway.url)?;
        }
        for severity in Severity::ALL {
            let mut findings =
                report.findings.iter().filter(|finding| finding.severity == severity).peekable();
            if findings.peek().is_some() {
                let style = colour(severity);
                writeln!(out, "\n{style}{}{style:#}", severity.as_str().to_uppercase())?;
            }
            for finding in findings {
                write_finding(finding, out)?;
            }
        }
        if !report.incomplete.is_empty() {
            let style = colour(Severity::Critical);
            writeln!(out, "\n{style}NOT ASSESSED{style:#}")?;
            for part in &report.incomplete {
                let policy = part.policy.as_deref().map_or(String::new(), |policy| format!("{policy}: "));
                writeln!(out, "  {policy}{}", part.reason)?;
                // The words of what could not be looked at name it already.
                let place = part.location.as_ref().filter(|place| !place.is_named_in(&part.reason));
                if let Some(place) = place {
                    writeln!(out, "    {DIM}at{DIM:#} {}", place.display())?;
                }
                for name in &part.denied {
                    writeln!(
                        out,
                        "    it has no grant for {name}; give it with --grant '{name}' if its manifest declares it"
                    )?;
                }
            }
        }
        write_out_of_reach(report, out)?;
        write_suppressed(report, out)?;
        write_summary(report, out)
    }
}

/// How the release is known, and which release's facts stand in.
fn told(release: &JudgedBy) -> String {
    let sure = release.sure.as_str();
    if release.source == Source::Newest {
        return format!(
            "release {sure}: it is the newest that is known, for nothing says which one runs; say it with --openclaw-version"
        );
    }
    let stand_in = release.judged_as.as_ref();
    let stand_in = stand_in.map(|known| format!("; nobody has looked at it: judged as {known}"));
    format!("release {sure}, told by {}{}", release.from, stand_in.unwrap_or_default())
}

/// The checks that this audit cannot judge, by nature or by the operator's decision: those with the same reason together.
fn write_out_of_reach(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let mut reasons: Vec<(&Open, Vec<&str>)> = Vec::new();
    for check in &report.assessment {
        for open in check.unassessed.iter().filter(|open| open.class == Class::OutOfReach) {
            let same = |(known, _): &&mut (&Open, Vec<&str>)| {
                known.text == open.text && known.location == open.location
            };
            match reasons.iter_mut().find(same) {
                Some((_, ids)) => ids.push(&open.check_id),
                None => reasons.push((open, vec![&open.check_id])),
            }
        }
    }
    if reasons.is_empty() {
        return Ok(());
    }
    let style = AnsiColor::Cyan.on_default().bold();
    writeln!(out, "\n{style}OUT OF REACH{style:#}")?;
    for (open, mut ids) in reasons {
        ids.dedup();
        writeln!(out, "  {BOLD}{}{BOLD:#}", ids.join(", "))?;
        if let Some(location) = &open.location {
            writeln!(out, "    {DIM}at{DIM:#} {}", location.display())?;
        }
        for line in wrap(&open.text) {
            writeln!(out, "    {line}")?;
        }
    }
    Ok(())
}

/// What the config's own suppressions took out.
fn write_suppressed(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    if report.suppressed.is_empty() {
        return Ok(());
    }
    let style = AnsiColor::Cyan.on_default().bold();
    writeln!(out, "\n{style}SUPPRESSED BY THE CONFIG{style:#}")?;
    for Suppressed { finding, suppression } in &report.suppressed {
        let reason = suppression.reason.as_deref().unwrap_or("no reason given");
        writeln!(out, "  {BOLD}{}{BOLD:#} ({}) {}", finding.check_id, finding.severity, finding.title)?;
        writeln!(out, "    {reason}")?;
    }
    Ok(())
}

fn colour(severity: Severity) -> Style {
    let colour = match severity {
        Severity::Critical => AnsiColor::Red,
        Severity::Warn => AnsiColor::Yellow,
        Severity::Info => AnsiColor::Blue,
    };
    colour.on_default().bold()
}

fn write_finding(finding: &Finding, out: &mut dyn Write) -> io::Result<()> {
    writeln!(out, "  {BOLD}{}{BOLD:#} {}", finding.check_id, finding.title)?;
    let from = match finding.origin {
        Origin::BuiltIn => None,
        Origin::Installed => Some("which you have added"),
        Origin::File => Some("from a file"),
    };
    if let Some(from) = from {
        writeln!(out, "    {DIM}said by the policy{DIM:#} {}{DIM}, {from}{DIM:#}", finding.policy)?;
    }
    for location in &finding.locations {
        writeln!(out, "    {DIM}at{DIM:#} {}", location.display())?;
    }
    // What a policy says stands deeper from its second line on, so that none of it can be taken for a line of the report.
    for (number, line) in finding.detail.lines().enumerate() {
        let indent = if number == 0 { "    " } else { "      " };
        for line in wrap(line) {
            writeln!(out, "{indent}{line}")?;
        }
    }
    if let Some(remediation) = &finding.remediation {
        for (number, line) in remediation.lines().enumerate() {
            let head = if number == 0 { "fix:" } else { "    " };
            writeln!(out, "    {BOLD}{head}{BOLD:#} {line}")?;
        }
    }
    Ok(())
}

fn write_summary(report: &Report, out: &mut dyn Write) -> io::Result<()> {
    let (summary, counts) = (&report.summary, &report.counts);
    writeln!(
        out,
        "\n{BOLD}{} critical, {} warn, {} info{BOLD:#}; of {} checks {} are clean, {} have findings, {} are not assessed, \
         {} are not applicable",
        summary.critical,
        summary.warn,
        summary.info,
        report.assessment.len(),
        counts.clean,
        counts.finding,
        counts.not_assessed,
        counts.not_applicable,
    )?;
    let Exit { code, reason } = &report.exit;
    writeln!(out, "exit {code}: {reason}")?;
    if let Some(missing) = report.confinement.as_ref().and_then(Confinement::told) {
        writeln!(out, "{DIM}not confined in full, missing: {}{DIM:#}", visible(&missing))?;
    }
    let own = report.findings.iter().find(|finding| catalog::explains(&finding.check));
    let added = || report.findings.iter().find(|finding| finding.origin == Origin::Installed);
    if let Some(first) = own.or_else(added) {
        writeln!(out, "{DIM}more about a check: chitin explain {}{DIM:#}", first.check_id)?;
    }
    let lacks = |open: &Open| open.kind == Kind::Withheld;
    if report.assessment.iter().flat_map(|check| &check.unassessed).any(lacks) {
        writeln!(
            out,
            "{DIM}to grant a policy more: --grant behind its file, or chitin policy update ID --grant CAPABILITY where it was added{DIM:#}"
        )?;
    }
    if report.is_curable {
        writeln!(out, "{DIM}what can be cured safely, and how: chitin fix --dry-run{DIM:#}")?;
    }
    if *code == Exit::NOTHING {
        writeln!(
            out,
            "{DIM}another place: chitin audit --state-dir DIR, --config FILE or --profile NAME{DIM:#}"
        )?;
    } else if !report.is_deep {
        writeln!(
            out,
            "{DIM}the code of plugins and skills, and the live gateway: chitin audit --deep{DIM:#}"
        )?;
    }
    Ok(())
}
